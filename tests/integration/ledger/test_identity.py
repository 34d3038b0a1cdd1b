"""What other workflows can do to an operation on the real servers: nothing, and its own are not hindered."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from temporalio import workflow
from temporalio.api.enums.v1 import WorkflowIdConflictPolicy
from temporalio.client import Client, WorkflowFailureError
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError

from domain.operation.operation_error import ErrorCode
from domain.operation.status import OperationStatus
from entrypoints.worker.callers import FOREIGN_REPORT
from opledger.wire import UPDATE_ACTIVITY, StatusUpdate, UpdateKind
from tests.integration.temporal.test_semantics import foreign_start
from tests.support.ledger.real import lose_report, real_ledger
from tests.support.temporal.ledger_workflows import LEDGER_QUEUE, TEAM_QUEUE

COMPLETED, FAILED = OperationStatus.COMPLETED, OperationStatus.FAILED


@workflow.defn(sandboxed=False)
class Forges:
    """Reports for an operation that is not its own."""

    @workflow.run
    async def run(self, operation_id: str, kind: UpdateKind, local: bool) -> Any:
        update = StatusUpdate(operation_id, kind, workflow.now().isoformat(), result={"other": 1})
        limit, once = timedelta(seconds=20), RetryPolicy(maximum_attempts=3)
        if local:
            return await workflow.execute_local_activity(
                UPDATE_ACTIVITY, update, start_to_close_timeout=limit, retry_policy=once
            )
        return await workflow.execute_activity(
            UPDATE_ACTIVITY, update, task_queue=LEDGER_QUEUE, start_to_close_timeout=limit, retry_policy=once
        )


@pytest.mark.parametrize("finality", ["engine", "workflow"])
async def test_report_of_another_workflow_is_rejected(
    temporal_client: Client, database_url: str, finality: str
) -> None:
    """Hazard 32: by an ordinary activity and by a local one, the outcome under `finality = workflow` too: the forger
    gets an error that is not retried, the metric counts it, and the operation goes on as ever."""
    async with (
        real_ledger(temporal_client, database_url, finality=finality) as ledger,
        ledger.working(workflows=[Forges]),
    ):
        operation_id = await ledger.running("Waits-team")
        before = await ledger.until(operation_id, lambda row: row.progress is not None)
        for kind, queue in ((UpdateKind.COMPLETED, LEDGER_QUEUE), (UpdateKind.FAILED, TEAM_QUEUE)):
            with pytest.raises(WorkflowFailureError) as failure:
                await temporal_client.execute_workflow(
                    Forges.run,
                    args=[str(operation_id), kind, queue == LEDGER_QUEUE],
                    id=f"forger-{uuid4()}",
                    task_queue=queue,
                )
            cause: BaseException | None = failure.value.cause
            if isinstance(cause, ActivityError):
                cause = cause.cause
            assert isinstance(cause, ApplicationError)
            assert (cause.type, cause.non_retryable) == (FOREIGN_REPORT, True)
        row = await ledger.row(operation_id)
        assert (row.status, row.progress, row.result) == (before.status, before.progress, before.result)
        assert ledger.counted('opledger_reports_total{outcome="foreign"}') >= 2  # a repeated attempt counts again
        await ledger.handle(operation_id).signal("finish", "on its own")
        row = await ledger.reconciled(operation_id)
        assert (row.status, row.result) == (COMPLETED, "on its own")


async def test_first_run_is_kept(temporal_client: Client, database_url: str) -> None:
    """From the start's reply, whatever runs follow."""
    async with real_ledger(temporal_client, database_url) as ledger, ledger.working():
        operation_id = await ledger.submit("Waits-team")
        row = await ledger.until(operation_id, lambda row: row.status is OperationStatus.RUNNING)
        described = await ledger.handle(operation_id).describe()
        assert row.first_run_id == described.raw_description.workflow_execution_info.first_run_id
        await ledger.handle(operation_id).signal("finish", None)
        assert (await ledger.reconciled(operation_id)).first_run_id == row.first_run_id


@pytest.mark.parametrize("tagged", [False, True])
async def test_terminate_existing_is_no_completion(temporal_client: Client, database_url: str, tagged: bool) -> None:
    """Hazard 34: an unrelated execution takes the workflow id over and completes: the operation is FAILED/TERMINATED,
    superseded, and the other one's reports and result are not its own."""
    async with real_ledger(temporal_client, database_url) as ledger, ledger.working():
        operation_id = await ledger.running("Waits-team")
        raw = foreign_start(str(operation_id), attribute=operation_id if tagged else None)
        raw.workflow_id_conflict_policy = WorkflowIdConflictPolicy.WORKFLOW_ID_CONFLICT_POLICY_TERMINATE_EXISTING
        raw.workflow_type.name, raw.task_queue.name = "Waits", TEAM_QUEUE
        other = (await temporal_client.workflow_service.start_workflow_execution(raw)).run_id
        handle = temporal_client.get_workflow_handle(str(operation_id), run_id=other)
        await handle.signal("finish", {"other": 1})
        assert await handle.result() == {"other": 1}
        row = await ledger.reconciled(operation_id)
        assert row.error is not None
        assert (row.status, row.error.code) == (FAILED, ErrorCode.TERMINATED)
        assert row.error.details["superseded_by"] == other
        assert (row.result, row.attention) == (None, None)


@pytest.mark.parametrize("tagged", [False, True])
async def test_reuse_of_the_id_after_the_close_changes_nothing(
    temporal_client: Client, database_url: str, tagged: bool
) -> None:
    """Hazard 34: the ledger asks only after another execution has taken the workflow id: the outcome is the
    operation's own."""
    async with real_ledger(temporal_client, database_url) as ledger:
        async with ledger.working(activities=[lose_report], loops=()):
            operation_id = await ledger.dispatched("Waits-team")
            await ledger.handle(operation_id).signal("finish", "its own")
            assert await ledger.handle(operation_id).result() == "its own"
            raw = foreign_start(str(operation_id), attribute=operation_id if tagged else None)
            raw.workflow_type.name, raw.task_queue.name = "Waits", TEAM_QUEUE
            other = (await temporal_client.workflow_service.start_workflow_execution(raw, retry=True)).run_id
            handle = temporal_client.get_workflow_handle(str(operation_id), run_id=other)
            await handle.signal("finish", {"other": 1})
            assert await handle.result() == {"other": 1}
        row = await ledger.reconciled(operation_id)
        assert (row.status, row.result, row.attention) == (COMPLETED, "its own", None)
