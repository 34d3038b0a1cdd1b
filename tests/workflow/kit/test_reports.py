"""The test kit's `ledger_reports`, on a server that skips time and on one that does not."""

import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from temporalio import workflow
from temporalio.client import Client
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from opledger import OpledgerPlugin, OutcomeReports, UpdateKind, report_progress, track_operation_status
from opledger.testing import LedgerReports

TEST_SERVER = Path(sys.executable).with_name("temporal-test-server")
QUEUE = "kit"


@workflow.defn
class Plain:
    """Knows nothing of a ledger but its progress."""

    @workflow.run
    async def run(self, parts: int) -> str:
        """Sleeps for an hour after each part."""
        for part in range(parts):
            await report_progress((part + 1) / parts, f"part {part + 1}")
            await workflow.sleep(timedelta(hours=1))
        return "done"


@workflow.defn
class Tracked(Plain):
    """The same with the decorator."""

    @workflow.run
    @track_operation_status
    async def run(self, parts: int) -> str:
        """The same."""
        return await super().run(parts)


@pytest.fixture(scope="module")
async def environment() -> AsyncIterator[WorkflowEnvironment]:
    """Temporal's server that skips time."""
    async with await WorkflowEnvironment.start_time_skipping(test_server_existing_path=str(TEST_SERVER)) as started:
        yield started


async def test_decorated_workflow_reports_to_the_kit(
    environment: WorkflowEnvironment, ledger_reports: LedgerReports
) -> None:
    """Two hours pass at once. Started as a ledger starts it, with the rule of a ledger without callbacks."""
    client = environment.client
    options = ledger_reports.start_options(report_outcome=OutcomeReports.WHEN_SAFE)
    async with ledger_reports.listen(client), Worker(client, task_queue=QUEUE, workflows=[Tracked]):
        handle = await client.start_workflow(Tracked.run, 2, task_queue=QUEUE, **options)
        assert await handle.result() == "done"
        completed = await ledger_reports.until(handle, UpdateKind.COMPLETED, timeout=60)
    assert (completed.operation_id, completed.result) == (handle.id, "done")
    assert [(one.fraction, one.message) for one in ledger_reports.progress(handle)] == [
        (0.5, "part 1"),
        (1.0, "part 2"),
    ]
    assert sorted(ledger_reports.kinds(handle)) == ["completed", "progress", "progress", "started"]


async def test_plugin_reports_to_the_kit(environment: WorkflowEnvironment, ledger_reports: LedgerReports) -> None:
    """By the workflow's own id, and without any option of the start."""
    client = environment.client
    own = Worker(client, task_queue=QUEUE, workflows=[Plain], plugins=[OpledgerPlugin()])
    async with ledger_reports.listen(client), own:
        assert await client.execute_workflow(Plain.run, 1, id="plain-1", task_queue=QUEUE) == "done"
        started = await ledger_reports.until("plain-1", UpdateKind.STARTED, timeout=60)
    assert started.execution is not None
    assert started.execution.workflow_type == "Plain"
    assert ledger_reports.of(started.operation_id) == ledger_reports.of("plain-1")
    assert [one.message for one in ledger_reports.progress("plain-1")] == ["part 1"]


async def test_activities_of_the_kit_run_in_any_worker(temporal_client: Client, ledger_reports: LedgerReports) -> None:
    """On a server that does not skip time, on a task queue of the test's own."""
    own = f"kit-{uuid4()}"
    worker = Worker(
        temporal_client,
        task_queue=own,
        workflows=[Tracked],
        activities=ledger_reports.activities,
        plugins=[OpledgerPlugin(ledger_task_queue=own)],
    )
    await ledger_reports.register(temporal_client)
    async with worker:
        handle = await temporal_client.start_workflow(
            Tracked.run, 1, task_queue=own, **ledger_reports.start_options("019b76da-a800-7000-8000-0000000000ff")
        )
        progress = await ledger_reports.until(handle, UpdateKind.PROGRESS, timeout=60)
        assert progress.operation_id == "019b76da-a800-7000-8000-0000000000ff"
        with pytest.raises(TimeoutError, match=r"no report 'failed' after 0.05 s; recorded: (started, )?progress"):
            await ledger_reports.until(handle, UpdateKind.FAILED, timeout=0.05)
        await handle.terminate()
