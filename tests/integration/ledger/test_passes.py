"""The reconciliation as a workflow on its schedule, on the real servers: bounded, resumable, only ever ours."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from temporalio import workflow
from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleSpec,
    WorkflowFailureError,
    WorkflowHandle,
)
from temporalio.exceptions import ActivityError, ApplicationError

from adapters.temporal.connection.schedule import SCHEDULE_ID, WORKFLOW_ID, ReconciliationSchedule, ensure_schedule
from domain.operation.operation_error import ErrorCode
from domain.operation.status import OperationStatus
from domain.operation.transition import Source
from entrypoints.local.demo_types import DEMO_TYPES
from entrypoints.own_workflow import RECONCILE_WORKFLOW
from entrypoints.settings.settings import Settings
from entrypoints.wiring.worker import worker as wired_worker
from entrypoints.worker.callers import FOREIGN_CALLER
from entrypoints.worker.preparation import prepare
from entrypoints.worker.reconcile_operations import RECONCILE_PASS, PassDone, ReconcileOperations
from opledger.wire import LEDGER_TASK_QUEUE
from tests.support.eventually import eventually
from tests.support.ledger.real import NOBODY, RealLedger, real_ledger, worker
from tests.support.tcp_proxy import Proxy
from tests.support.temporal.ledger_workflows import LEDGER_QUEUE

FAILED = OperationStatus.FAILED
FAR = datetime(2199, 1, 1, tzinfo=UTC)
WHOLE_LIFE = ["ACCEPTED", "FAILED"]


async def start_pass(client: Client, name: str = "") -> WorkflowHandle[Any, PassDone]:
    """Begin a pass, under a name such as the schedule gives."""
    return await client.start_workflow(
        ReconcileOperations.run, id=name or f"{WORKFLOW_ID}-{uuid4()}", task_queue=LEDGER_QUEUE
    )


async def watermark(ledger: RealLedger) -> datetime | None:
    """Up to where passes have looked."""
    async with ledger.adapters.units()() as unit:
        found: datetime | None = await unit.watermarks.get()
        return found


async def test_pass_in_pages(temporal_client: Client, database_url: str) -> None:
    """Hazard 22: 60 closes, 20 entries a page: all are done, the workflow's history is small, and no id of an operation
    is in it."""
    async with real_ledger(temporal_client, database_url, index_page=20) as ledger:
        ids = [await ledger.dispatched("nobody") for _ in range(60)]
        await ledger.terminated(*ids)
        async with ledger.working(loops=()):
            handle = await start_pass(temporal_client)
            done = await handle.result()
        assert done.corrected + done.failed == 60
        assert done.pages >= 3
        await ledger.all_reconciled(*ids)
        rows = await ledger.rows()
        assert {row.error.code for row in rows if row.error} == {ErrorCode.TERMINATED}
        assert [row.status for row in rows] == [FAILED] * 60
        info = (await handle.describe()).raw_description.workflow_execution_info
        assert info.history_size_bytes < 4_000
        words = "".join([str(event) async for event in handle.fetch_history_events()])
        assert not any(str(operation_id) in words for operation_id in ids)


@pytest.mark.parametrize("name", ["pass-by-hand", "another-opledger-reconcile", f"{WORKFLOW_ID}x"])
async def test_pass_of_another_workflow_is_rejected(temporal_client: Client, database_url: str, name: str) -> None:
    """Hazard 33: the activity is for the scheduled reconciliation alone; others fail at once, counted and logged."""
    async with real_ledger(temporal_client, database_url) as ledger, ledger.working(loops=()):
        handle = await start_pass(temporal_client, f"{name}{uuid4()}")
        with pytest.raises(WorkflowFailureError) as failure:
            await handle.result()
        cause = failure.value.cause
        assert isinstance(cause, ActivityError)
        assert isinstance(cause.cause, ApplicationError)
        assert (cause.cause.type, cause.cause.non_retryable) == (FOREIGN_CALLER, True)
        total = ledger.counted('opledger_callers_rejected_total{activity="reconcile_pass"}')
        assert total >= 1  # a repeated attempt counts again


@workflow.defn(name=RECONCILE_WORKFLOW)
class SendsTime:
    """Calls the activity of the pass with a time of its own, under the type of the ledger's workflow."""

    @workflow.run
    async def run(self, began_at: str) -> PassDone:
        done: PassDone = await workflow.execute_activity(
            RECONCILE_PASS,
            began_at,
            result_type=PassDone,
            task_queue=LEDGER_QUEUE,
            schedule_to_close_timeout=timedelta(minutes=1),
        )
        return done


@pytest.mark.parametrize("name", [WORKFLOW_ID, "another"])
async def test_pass_takes_no_time_from_its_caller(temporal_client: Client, database_url: str, name: str) -> None:
    """Hazard 33: a caller with the type and id of the ledger's own workflow gets an ordinary pass, any other an error.
    What closed before is found, and the watermark is not in the future."""
    queue = f"sends-time-{uuid4()}"
    async with (
        real_ledger(temporal_client, database_url) as ledger,
        ledger.working(loops=()),
        worker(temporal_client, queue, [SendsTime], []),
    ):
        operation_id = await ledger.dispatched("nobody")
        await ledger.terminated(operation_id)
        try:
            done = await temporal_client.execute_workflow(
                SendsTime.run, "2199-01-01T00:00:00Z", id=f"{name}-{uuid4()}", task_queue=queue
            )
        except WorkflowFailureError:
            assert name == "another"
            assert await watermark(ledger) is None
        else:
            assert (name, done.corrected) == (WORKFLOW_ID, 1)
            assert (await ledger.row(operation_id)).status is FAILED
            assert (await watermark(ledger) or FAR) <= datetime.now(UTC)
        await ledger.all_reconciled(operation_id)


async def test_pass_whose_worker_goes_in_the_middle_of_a_page(temporal_client: Client, database_url: str) -> None:
    """Hazard 26: the worker is stopped while a page is asked about; the next worker ends the same pass, and no
    correction is lost or made twice."""
    async with real_ledger(temporal_client, database_url) as ledger:
        ids = [await ledger.dispatched("nobody") for _ in range(20)]
        await ledger.terminated(*ids)
        in_the_middle = asyncio.Event()

        async def hang() -> None:
            in_the_middle.set()
            await asyncio.sleep(3600)

        ledger.engine.before[("observe", ids[12])] = hang
        async with ledger.working(loops=()):
            handle = await start_pass(temporal_client)
            await asyncio.wait_for(in_the_middle.wait(), 60)
        assert (await ledger.row(ids[12])).status is OperationStatus.ACCEPTED
        ledger.engine.before.clear()
        async with ledger.working(loops=()):
            done = await handle.result()
        assert done.listed >= 20
        await ledger.all_reconciled(*ids)
        for operation_id in ids:
            assert await ledger.path(operation_id) == WHOLE_LIFE
            assert len(await ledger.history(operation_id)) == 2


async def test_two_passes_at_once(temporal_client: Client, database_url: str) -> None:
    """Hazard 26: a pass by hand beside the scheduled one does no harm."""
    async with real_ledger(temporal_client, database_url, index_page=3) as ledger:
        ids = [await ledger.dispatched("nobody") for _ in range(10)]
        await ledger.terminated(*ids)
        async with ledger.working(loops=()):
            passes = [await start_pass(temporal_client) for _ in range(2)]
            done = await asyncio.gather(*(handle.result() for handle in passes))
        assert all(one.listed >= 10 for one in done)
        await ledger.all_reconciled(*ids)
        for operation_id in ids:
            assert await ledger.path(operation_id) == WHOLE_LIFE


async def terminated_by_hand(ledger: RealLedger) -> UUID:
    """An operation that runs as far as the ledger knows."""
    operation_id = await ledger.running("Waits-team")
    await ledger.handle(operation_id).terminate(reason="out of office")
    return operation_id


async def test_schedule_corrects_by_itself(unscheduled: Client, database_url: str) -> None:
    """P4: without a request and without a report the schedule's own run finds the terminated workflow."""
    async with real_ledger(unscheduled, database_url) as ledger, ledger.working(loops=["dispatch"]):
        operation_id = await terminated_by_hand(ledger)
        wanted = ReconciliationSchedule(RECONCILE_WORKFLOW, LEDGER_QUEUE, timedelta(seconds=1))
        await ensure_schedule(unscheduled, wanted)
        row, lines = await ledger.done(operation_id), await ledger.history(operation_id)
        assert row.error is not None
        assert (row.error.code, row.error.message) == (ErrorCode.TERMINATED, "out of office")
        assert lines[-1].source is Source.RECONCILIATION


async def test_overlapping_runs_are_skipped(unscheduled: Client) -> None:
    """Hazard 26: while a pass is open, the next ones are skipped, not queued and not started beside it."""
    await ensure_schedule(unscheduled, ReconciliationSchedule(RECONCILE_WORKFLOW, NOBODY, timedelta(seconds=1)))
    handle = unscheduled.get_schedule_handle(SCHEDULE_ID)

    async def skipped() -> bool:
        return (await handle.describe()).info.num_actions_skipped_overlap >= 2

    await eventually(skipped)
    described = await handle.describe()
    assert (described.info.num_actions, len(described.info.running_actions)) == (1, 1)


async def test_worker_registers_the_schedule(
    unscheduled: Client, temporal_address: str, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hazard 25: what a worker does at its start creates the schedule as the settings say, changes it later, and
    touches no other."""
    monkeypatch.setenv("TEMPORAL_ADDRESS", temporal_address)
    action = ScheduleActionStartWorkflow("Other", id="other", task_queue=NOBODY)
    foreign = await unscheduled.create_schedule(f"foreign-{uuid4()}", Schedule(action=action, spec=ScheduleSpec()))
    try:
        before = (await foreign.describe()).raw_description.conflict_token
        for every in (timedelta(minutes=1), timedelta(minutes=2)):
            settings = Settings(database_url=database_url, operations=str(DEMO_TYPES), reconcile_every=every)
            async with wired_worker(settings) as parts:
                await parts.prepare_temporal()
            described = await unscheduled.get_schedule_handle(SCHEDULE_ID).describe()
            started = described.schedule.action
            assert isinstance(started, ScheduleActionStartWorkflow)
            assert (started.workflow, started.task_queue) == (RECONCILE_WORKFLOW, LEDGER_TASK_QUEUE)
            assert [spec.every for spec in described.schedule.spec.intervals] == [every]
        assert (await foreign.describe()).raw_description.conflict_token == before
    finally:
        await foreign.delete()


async def test_schedule_is_registered_once_temporal_is_there(
    unscheduled: Client, temporal_address: str, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hazard 25: Temporal is down when the worker starts: it tries again until the schedule is there."""
    proxy = Proxy(temporal_address)
    await proxy.up()
    monkeypatch.setenv("TEMPORAL_ADDRESS", proxy.address)
    await proxy.down()
    attempts = successes = 0
    async with wired_worker(Settings(database_url=database_url, operations=str(DEMO_TYPES))) as parts:

        async def counted() -> None:
            nonlocal attempts, successes
            attempts += 1
            await parts.prepare_temporal()
            successes += 1

        preparation = asyncio.create_task(prepare(counted))

        async def tried() -> bool:
            return attempts > 1

        async def registered() -> bool:
            return successes > 0

        await eventually(tried)
        assert not successes
        await proxy.up()
        await eventually(registered)
        preparation.cancel()
        assert (await unscheduled.get_schedule_handle(SCHEDULE_ID).describe()).schedule.action is not None
    await proxy.down()
