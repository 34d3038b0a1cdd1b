"""Tracked workflows whose ledger or end is interfered with, on the real servers: hazards 8, 15 and 16."""

import asyncio
import re
from uuid import UUID

from temporalio import activity
from temporalio.api.enums.v1 import WorkflowTaskFailedCause
from temporalio.client import Client
from temporalio.common import RawValue

from domain.evidence.finality import Finality
from domain.evidence.observation import ExecutionState
from domain.operation.attention import AttentionKind
from domain.operation.operation_error import ErrorCode
from domain.operation.status import OperationStatus
from domain.operation.transition import Source
from entrypoints.worker.activities import LedgerActivities
from opledger.wire import UPDATE_ACTIVITY, StatusUpdate, UpdateKind, UpdateOutcome
from tests.support.chains import own_chain
from tests.support.eventually import eventually
from tests.support.ledger.real import RealLedger, database_away, real_ledger
from tests.support.temporal.ledger_workflows import Broken, Fixed

RUNNING, COMPLETED = OperationStatus.RUNNING, OperationStatus.COMPLETED
WHOLE_LIFE = ["ACCEPTED", "RUNNING", "COMPLETED"]


async def failure(ledger: RealLedger, operation_id: UUID) -> tuple[ErrorCode, str]:
    """How it failed."""
    row = await ledger.done(operation_id)
    assert row.error is not None
    return row.error.code, row.error.message


async def test_plain_exception_is_no_failure(temporal_client: Client, database_url: str) -> None:
    """Hazard 8: the workflow task fails and is retried: RUNNING and STALLED when reconciled; completed once fixed."""
    async with real_ledger(temporal_client, database_url) as ledger:
        ids = []
        async with ledger.working(workflows=[Broken]):
            for place in ("ledger", "team"):
                ids.append(operation_id := await ledger.submit(f"Fixable-{place}"))
                await ledger.until(operation_id, lambda row: row.dispatch.done_at is not None)

            async def task_is_retried() -> bool:
                seen = [(await ledger.handle(operation_id).describe()).raw_description for operation_id in ids]
                return all(execution.pending_workflow_task.attempt > 1 for execution in seen)

            await eventually(task_is_retried)
            for operation_id in ids:
                await ledger.until(operation_id, lambda row: row.status is RUNNING)
            await seen_as_stalled(ledger, ids)
        for operation_id in ids:
            row = await ledger.row(operation_id)
            assert (row.status, row.error, row.reported) == (RUNNING, None, None)
            assert row.attention is not None
            assert re.search("has (failed|timed out)", row.attention.message)
        async with ledger.working(workflows=[Fixed]):
            for operation_id in ids:
                row = await ledger.done(operation_id)
                assert (row.result, row.attention) == ("fixed", None)
                assert await ledger.path(operation_id) == WHOLE_LIFE


async def test_ledger_without_its_database(temporal_client: Client, database_url: str) -> None:
    """Hazard 15, P7: the database is away while two workflows end: they end as ever, and the rows are true later."""
    async with real_ledger(temporal_client, database_url) as ledger, ledger.working():
        ids = [await ledger.running(f"Waits-{place}") for place in ("ledger", "team")]
        async with database_away(database_url):
            for operation_id in ids:
                await ledger.handle(operation_id).signal("finish", "on its own")
            results = await asyncio.gather(*(ledger.handle(operation_id).result() for operation_id in ids))
            assert results == ["on its own"] * 2
        for operation_id in ids:
            row = await ledger.reconciled(operation_id)
            assert (row.status, row.result) == (COMPLETED, "on its own")
            assert await ledger.path(operation_id) == WHOLE_LIFE


async def seen_as_stalled(ledger: RealLedger, ids: list[UUID]) -> None:
    """Passes until each needs attention: the server lists problems once a task has failed a few times."""

    async def stalled() -> bool:
        await ledger.whole_pass()
        attention = [(await ledger.row(operation_id)).attention for operation_id in ids]
        return all(one is not None and one.kind is AttentionKind.STALLED for one in attention)

    await eventually(stalled)


class Interfering:
    """The ledger's activities, where something happens after a COMPLETED report was recorded, before the close."""

    def __init__(self, inner: LedgerActivities, client: Client) -> None:
        self._inner, self._client = inner, client
        self.terminate = True
        self.done: set[str] = set()

    @activity.defn(name=UPDATE_ACTIVITY)
    async def update_operation_status(self, raw: RawValue) -> UpdateOutcome:
        outcome = await self._inner.update_operation_status([raw])
        update = activity.payload_converter().from_payload(raw.payload, StatusUpdate)
        if update.kind is UpdateKind.COMPLETED and update.operation_id not in self.done:
            # A slow attempt times out, and the next one interferes. IGNORED: an earlier one has recorded the report.
            assert outcome in (UpdateOutcome.RECORDED, UpdateOutcome.IGNORED)
            handle = self._client.get_workflow_handle(update.operation_id)
            await (handle.terminate(reason="pre-empted") if self.terminate else handle.signal("word"))
            self.done.add(update.operation_id)
        return outcome


async def test_reported_completed_then_terminated(temporal_client: Client, database_url: str) -> None:
    """Hazard 16: terminated between the report and the close: the row says what the engine says, and the history
    tells what had been reported."""
    async with real_ledger(temporal_client, database_url) as ledger:
        interfering = Interfering(ledger.worker.activities(), temporal_client)
        async with ledger.working(activities=[interfering.update_operation_status]):
            for place in ("ledger", "team"):
                operation_id = await ledger.submit(f"Echo-{place}", "fine")
                assert await failure(ledger, operation_id) == (ErrorCode.TERMINATED, "pre-empted")
                row, lines = await ledger.row(operation_id), await ledger.history(operation_id)
                assert (row.result, lines[-1].details["reported"]) == (None, "COMPLETED")
                assert lines[-1].source is Source.CONFIRMATION
                seen = await ledger.engine.observe(own_chain(operation_id))
                assert seen.state is ExecutionState.TERMINATED


async def test_close_that_is_refused(temporal_client: Client, database_url: str) -> None:
    """Hazard 16: a signal arrives at completion: the server refuses the close, the workflow goes on and returns
    something else, and that is what the row has."""
    async with real_ledger(temporal_client, database_url) as ledger:
        interfering = Interfering(ledger.worker.activities(), temporal_client)
        interfering.terminate = False
        async with ledger.working(activities=[interfering.update_operation_status]):
            operation_id = await ledger.submit("Listens-ledger")
            row = await ledger.done(operation_id)
            refused = WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_UNHANDLED_COMMAND
            causes = [event.workflow_task_failed_event_attributes.cause for event in await ledger.events(operation_id)]
            assert refused in causes
            assert (row.status, row.result) == (COMPLETED, 1)
            assert row.result == await ledger.handle(operation_id).result()
            assert await ledger.path(operation_id) == WHOLE_LIFE


async def test_workflow_with_handlers_reports_its_outcome_where_reports_are_final(
    temporal_client: Client, database_url: str
) -> None:
    """The dispatcher says so at the start: without a question to the engine, and without a pass."""
    async with (
        real_ledger(temporal_client, database_url, finality=Finality.WORKFLOW) as ledger,
        ledger.working(loops=["dispatch"]),
    ):
        for place in ("ledger", "team"):
            operation_id = await ledger.running(f"Waits-{place}")
            await ledger.handle(operation_id).signal("finish", {"n": 1})
            row, lines = await ledger.done(operation_id), await ledger.history(operation_id)
            assert (row.result, lines[-1].source) == ({"n": 1}, Source.WORKFLOW)
