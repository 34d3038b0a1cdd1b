"""Reconciling on the real servers: every end of an execution reaches its row and no other."""

import asyncio
from uuid import uuid4

import pytest
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.common import SearchAttributePair, TypedSearchAttributes

from application.converge.reconcile import ReconciledPage
from domain.operation.operation_error import ErrorCode
from domain.operation.status import OperationStatus
from domain.operation.transition import Source
from opledger.search_attribute import OPERATION_UUID
from tests.support.ledger.claims import run_once
from tests.support.ledger.real import NOBODY, fill_running, lose_report, real_ledger

ACCEPTED, RUNNING = OperationStatus.ACCEPTED, OperationStatus.RUNNING
COMPLETED, FAILED = OperationStatus.COMPLETED, OperationStatus.FAILED


async def test_terminated_before_its_first_task(temporal_client: Client, database_url: str) -> None:
    """Hazards 17 and 24: no worker ever saw it: FAILED/TERMINATED with reason and actor, not ACCEPTED for ever."""
    async with real_ledger(temporal_client, database_url) as ledger:
        operation_id = await ledger.dispatched("nobody")
        await ledger.whole_pass()
        row = await ledger.row(operation_id)
        assert row.dispatch.done_at is not None
        assert (row.status, row.version) == (ACCEPTED, 1)  # the start shows nothing new
        await ledger.terminated(operation_id)
        row, line = await ledger.reconciled(operation_id), (await ledger.history(operation_id))[-1]
        assert row.error is not None
        assert (row.error.code, row.error.message) == (ErrorCode.TERMINATED, "too dear")
        assert (line.source, line.actor) == (Source.RECONCILIATION, temporal_client.identity)
        assert await ledger.path(operation_id) == ["ACCEPTED", "FAILED"]
        assert row.started_at is None


async def test_timed_out_before_anybody_came(temporal_client: Client, database_url: str) -> None:
    """Hazard 18: a time-out has its code and says which it was."""
    async with real_ledger(temporal_client, database_url) as ledger:
        operation_id = await ledger.dispatched("nobody-for-long")
        await ledger.closed(operation_id)
        row = await ledger.reconciled(operation_id)
        assert row.error is not None
        assert row.error.code is ErrorCode.TIMED_OUT
        assert row.error.message == "the workflow did not close within its execution timeout of 1 s"
        assert await ledger.path(operation_id) == ["ACCEPTED", "FAILED"]
        assert row.started_at is None


async def test_every_report_is_lost(temporal_client: Client, database_url: str) -> None:
    """P4, hazards 12, 13 and 24: asking alone brings start, result, error, reason and actor of every end."""
    async with real_ledger(temporal_client, database_url) as ledger:
        async with ledger.working(activities=[lose_report], loops=["dispatch"]):
            empty = await ledger.submit("Echo-ledger", {})
            failed = await ledger.submit("FailsInActivity-ledger")
            canceled, killed = await ledger.submit("Sleeper-ledger"), await ledger.submit("Sleeper-ledger")
            await ledger.closed_or_running(empty, failed, canceled, killed)
            await ledger.handle(canceled).cancel(reason="no need")
            await ledger.handle(killed).terminate(reason="too dear")
            for operation_id in (empty, failed, canceled, killed):
                await ledger.closed(operation_id)
                await ledger.reconciled(operation_id)
        row = await ledger.row(empty)
        assert (row.status, row.result) == (COMPLETED, {})
        expected = {
            failed: (ErrorCode.WORKFLOW_FAILED, "disk 7 is full", None),
            canceled: (ErrorCode.CANCELED, "no need", temporal_client.identity),
            killed: (ErrorCode.TERMINATED, "too dear", temporal_client.identity),
        }
        for operation_id, (code, message, actor) in expected.items():
            row, line = await ledger.row(operation_id), (await ledger.history(operation_id))[-1]
            assert row.error is not None
            assert (row.error.code, row.error.message, line.actor) == (code, message, actor)
            assert (line.source, line.reason != "") == (Source.RECONCILIATION, True)
            assert await ledger.path(operation_id) == ["ACCEPTED", "RUNNING", "FAILED"]


async def test_reset_chain_goes_on(temporal_client: Client, database_url: str) -> None:
    """Hazard 19: terminated and reset before the ledger looked: the latest run decides, and its end is the row's."""
    async with real_ledger(temporal_client, database_url) as ledger, ledger.working():
        for place in ("ledger", "team"):
            operation_id = await ledger.running(f"Waits-{place}")
            await ledger.until(operation_id, lambda row: row.progress is not None)
            await ledger.handle(operation_id).terminate(reason="a mistake")
            request = ResetWorkflowExecutionRequest(
                namespace="default",
                workflow_execution=WorkflowExecution(workflow_id=str(operation_id)),
                workflow_task_finish_event_id=4,
                request_id=str(uuid4()),
                reason="undone",
            )
            await temporal_client.workflow_service.reset_workflow_execution(request)
            await ledger.whole_pass()
            assert (await ledger.row(operation_id)).status is RUNNING
            await ledger.handle(operation_id).signal("finish", "in the end")
            row = await ledger.reconciled(operation_id)
            assert (row.status, row.result) == (COMPLETED, "in the end")
            assert await ledger.path(operation_id) == ["ACCEPTED", "RUNNING", "COMPLETED"]


async def test_visibility_lag_fails_nothing(temporal_client: Client, database_url: str) -> None:
    """Hazard 20: passes one after the other while workflows start: whatever the index lists, none is failed."""
    async with real_ledger(temporal_client, database_url) as ledger:
        async with ledger.working(loops=["dispatch"]):
            ids = [await ledger.submit("Waits-team") for _ in range(10)]
            pages: list[ReconciledPage] = []
            while {row.status for row in await ledger.rows()} != {RUNNING}:
                pages += await ledger.whole_pass()
            for _ in range(5):
                pages += await ledger.whole_pass()
        assert sum(page.listed for page in pages) >= len(ids)
        for operation_id in ids:
            assert await ledger.path(operation_id) == ["ACCEPTED", "RUNNING"]
            await ledger.handle(operation_id).terminate()


async def test_only_ours_are_asked_about(temporal_client: Client, database_url: str) -> None:
    """Hazard 21: workflows of others, one of them with a UUID as id and our search attribute, are left alone."""
    strangers = [f"stranger-{uuid4()}", str(uuid4())]
    for workflow_id in strangers:
        await temporal_client.start_workflow(
            "Other",
            id=workflow_id,
            task_queue=NOBODY,
            search_attributes=TypedSearchAttributes([SearchAttributePair(OPERATION_UUID, strangers[1])]),
        )
    async with real_ledger(temporal_client, database_url) as ledger:
        ours = [await ledger.dispatched("nobody") for _ in range(3)]
        await ledger.terminated(ours[0])
        await ledger.reconciled(ours[0])
        assert {*ledger.engine.calls["observe"]} == {ours[0]}
        assert not ledger.engine.calls["terminate"]
        assert not ledger.engine.calls["cancel"]
        assert {row.id for row in await ledger.rows()} == set(ours)
    for workflow_id in strangers:
        handle = temporal_client.get_workflow_handle(workflow_id)
        assert (await handle.describe()).status is WorkflowExecutionStatus.RUNNING
        await handle.terminate()


async def test_two_reconcilers_at_once(temporal_client: Client, database_url: str) -> None:
    """Hazard 26: two processes' passes at the same time: each correction is made, and written down, once."""
    async with (
        real_ledger(temporal_client, database_url, index_page=5) as one,
        real_ledger(temporal_client, database_url, index_page=7) as two,
    ):
        ids = [await one.dispatched("nobody") for _ in range(12)]
        await one.terminated(*ids)
        await asyncio.gather(one.all_reconciled(*ids), two.all_reconciled(*ids), one.all_reconciled(*ids))
        for operation_id in ids:
            assert await one.path(operation_id) == ["ACCEPTED", "FAILED"]
            assert len(await one.history(operation_id)) == 2


async def test_one_row_that_cannot_be_asked_about(temporal_client: Client, database_url: str) -> None:
    """One bad row never stops the rest of its page, nor the pages behind it."""
    async with real_ledger(temporal_client, database_url, index_page=3) as ledger:
        ids = [await ledger.dispatched("nobody") for _ in range(6)]
        await ledger.terminated(*ids)
        ledger.engine.break_for("observe", ids[1], RuntimeError("a bug"))
        await ledger.all_reconciled(*(operation_id for operation_id in ids if operation_id != ids[1]))
        pages = await ledger.whole_pass()
        assert (len(pages) >= 2, sum(page.failed for page in pages) >= 1) == (True, True)
        assert (await ledger.row(ids[1])).status is ACCEPTED


async def test_thousands_that_run_cost_nothing(temporal_client: Client, database_url: str) -> None:
    """Hazards 21 and 22: a pass costs what has changed: one question for each close, whatever else runs."""
    async with real_ledger(temporal_client, database_url) as ledger:
        ids = [await ledger.dispatched("nobody") for _ in range(20)]
        await fill_running(ledger, 2_000)
        await ledger.whole_pass()
        ledger.engine.calls.clear()
        await ledger.terminated(*ids)
        pages = await ledger.whole_pass()
        assert sorted(ledger.engine.calls["observe"]) == sorted(ids)
        assert len(ledger.engine.calls["changed_since"]) == len(pages)
        assert len(ledger.engine.calls["with_problems"]) == 1
        assert sum(page.corrected for page in pages) == 20


async def test_verification_finds_what_nobody_says(temporal_client: Client, database_url: str) -> None:
    """Executions that the engine does not know any more are in no list: asking about each finds them lost."""
    async with real_ledger(temporal_client, database_url) as ledger:
        ids = await fill_running(ledger, 30)
        while (await run_once(ledger.worker.verifier(), 10)).found:
            pass
        assert sorted(ledger.engine.calls["observe"]) == sorted(ids)
        rows = await ledger.rows()
        assert {row.error.code for row in rows if row.error} == {ErrorCode.EXECUTION_LOST}
        assert {(await ledger.history(row.id))[-1].source for row in rows} == {Source.VERIFICATION}


@pytest.mark.parametrize("place", ["ledger", "team"])
async def test_terminated_past_the_ledger(temporal_client: Client, database_url: str, place: str) -> None:
    """P4: the main job: a running operation whose workflow is killed from outside is FAILED/TERMINATED by a pass."""
    async with real_ledger(temporal_client, database_url) as ledger, ledger.working():
        operation_id = await ledger.running(f"Waits-{place}")
        await ledger.handle(operation_id).terminate(reason="out of office")
        row = await ledger.reconciled(operation_id)
        assert row.error is not None
        assert (row.error.code, row.error.message) == (ErrorCode.TERMINATED, "out of office")
        assert (await ledger.history(operation_id))[-1].actor == temporal_client.identity
