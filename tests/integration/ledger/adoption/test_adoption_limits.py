"""Adoption of what is large or short-lived, on a real server that starts runs quickly and keeps closed ones briefly."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from google.protobuf.duration_pb2 import Duration
from temporalio import workflow
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest
from temporalio.api.workflowservice.v1 import RegisterNamespaceRequest
from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleBackfill,
    ScheduleIntervalSpec,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleSpec,
    ScheduleState,
)
from temporalio.worker import Worker

from adapters.temporal.connection import rpc
from application.adopt.adopt import ExecutionNotFound
from domain.operation.operation_error import ErrorCode
from domain.operation.status import OperationStatus
from domain.operation.transition import Source
from opledger.search_attribute import OPERATION_UUID
from tests.conftest import DYNAMIC_CONFIG
from tests.support.eventually import eventually
from tests.support.ledger.real import RealLedger
from tests.support.ledger.shop import Shop, adopt, adopted, begun, by_workflow_id, looping
from tests.support.temporal.schedules import delete_schedule
from tests.support.temporal.server import temporal_server

RUNNING, COMPLETED, FAILED = OperationStatus.RUNNING, OperationStatus.COMPLETED, OperationStatus.FAILED
BRIEF = "brief"
RETENTION = Duration(seconds=1)
LONG, SHORT = 300, 3
PICKED_UP = 3
"""Events of a run that a worker has taken."""
SCHEDULES, EACH = 25, 20


@workflow.defn(name="Loop", sandboxed=False)
class Loop:
    """Continues as new that many times, then waits for its end."""

    def __init__(self) -> None:
        self._end = False

    @workflow.run
    async def run(self, left: int) -> str:
        if left > 0:
            workflow.continue_as_new(left - 1)
        await workflow.wait_condition(lambda: self._end)
        return "done"

    @workflow.signal
    def end(self) -> None:
        self._end = True


@pytest.fixture(scope="module")
async def address() -> AsyncIterator[str]:
    """Address of the server. Its namespace `brief` keeps closed executions for a second."""
    quick = {
        "history.workflowIdReuseMinimalInterval": "1ms",  # of continue-as-new too; by default a second
        "history.retentionTimerJitterDuration": "1ms",
        "system.namespaceMinRetentionLocal": "1s",
    }
    async with temporal_server(dynamic_config={**DYNAMIC_CONFIG, **quick}) as address:
        yield address


@pytest.fixture(scope="module")
async def client(address: str) -> Client:
    return await Client.connect(address)


@pytest.fixture(scope="module")
async def brief(client: Client) -> Client:
    """A client of the namespace `brief`."""
    request = RegisterNamespaceRequest(namespace=BRIEF, workflow_execution_retention_period=RETENTION)
    await client.workflow_service.register_namespace(request)
    keyword = {OPERATION_UUID.name: IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD}
    await client.operator_service.add_search_attributes(
        AddSearchAttributesRequest(namespace=BRIEF, search_attributes=keyword)
    )
    return await Client.connect(client.service_client.config.target_host, namespace=BRIEF)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Requests of the ledger to the server, by kind."""
    counted: Counter[str] = Counter()
    inner = rpc._answer

    async def count(method: Any, request: Any, limit: Any) -> Any:
        counted[type(request).__name__] += 1
        return await inner(method, request, limit)

    monkeypatch.setattr(rpc, "_answer", count)
    return counted


class Loops:
    """Chains of any length in a shop."""

    def __init__(self, client: Client) -> None:
        self.shop = Shop(client, "Loop")

    def worker(self) -> Worker:
        return Worker(self.shop.client, task_queue=self.shop.queue, workflows=[Loop])

    async def start(self, runs: int) -> str:
        """A chain that has that many runs. Returns its workflow id when the last one waits, and the index lists the
        others as closed."""
        name = f"loop-{uuid4()}"
        client = self.shop.client
        handle = await client.start_workflow("Loop", runs - 1, id=name, task_queue=self.shop.queue)

        async def listed() -> bool:
            of_chain = f"WorkflowId = '{name}' AND ExecutionStatus"
            closed = await client.count_workflows(f"{of_chain} = 'ContinuedAsNew'")
            running = await client.count_workflows(f"{of_chain} = 'Running'")
            return (closed.count, running.count) == (runs - 1, 1)

        await eventually(listed)
        latest = client.get_workflow_handle(handle.id)

        async def waits() -> bool:
            return (await latest.describe()).history_length >= PICKED_UP

        await eventually(waits)
        return name


async def descriptions_of_a_round(ledger: RealLedger) -> int:
    """The number of executions that the next round of the watch describes."""
    ledger.engine.calls.clear()

    async def listed() -> bool:
        await ledger.worker.watch_rules().step(1)
        return bool(ledger.engine.calls["started_since"])

    await eventually(listed)
    return len(ledger.engine.calls["describe"])


@pytest.mark.slow
async def test_chain_of_300_runs_costs_as_much_as_one_of_3(
    client: Client, database_url: str, calls: Counter[str]
) -> None:
    """Its adoption, its end and the questions between, in requests. The watch describes the last run, and no other."""
    loops = Loops(client)
    costs = []
    async with loops.shop.ledger(database_url) as ledger, loops.worker():
        for runs in (SHORT, LONG):
            await begun(ledger)
            name = await loops.start(runs)
            first = await client.get_workflow_handle(name).describe()
            calls.clear()
            row = (await adopt(ledger, name)).operation
            await ledger.look(row.id)
            await client.get_workflow_handle(name).signal("end")
            row = await ledger.done(row.id)
            calls.pop("DescribeTaskQueueRequest", None)  # its answer is kept for 15 seconds
            costs.append(dict(calls))
            assert (row.status, row.result, row.input) == (COMPLETED, "done", runs - 1)
            assert row.first_run_id == first.raw_description.workflow_execution_info.first_run_id != first.run_id
            assert [line.source for line in await ledger.history(row.id)][-1] is Source.CALLBACK
            assert len(await ledger.history(row.id)) == 3
            assert await descriptions_of_a_round(ledger) == 1
    assert costs[0] == costs[1]
    assert len(await ledger.rows()) == 2


@pytest.mark.slow
async def test_schedules_that_start_500_at_once(client: Client, database_url: str) -> None:
    """The starts of 25 Schedules come within seconds; a single one makes ten a second. All are adopted, each once and
    with one description."""
    shop = Shop(client)
    last = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(minutes=1)
    begin, end = last - timedelta(minutes=EACH - 0.5), last + timedelta(minutes=0.5)  # EACH full minutes lie between
    past = ScheduleBackfill(begin, end, ScheduleOverlapPolicy.ALLOW_ALL)
    names = [f"nightly-{uuid4()}" for _ in range(SCHEDULES)]

    async def create(name: str) -> None:
        action = ScheduleActionStartWorkflow(shop.workflow, "nightly", id=name, task_queue=shop.queue)
        spec = ScheduleSpec(intervals=[ScheduleIntervalSpec(timedelta(minutes=1))])
        state = ScheduleState(paused=True)
        overlap = SchedulePolicy(overlap=ScheduleOverlapPolicy.ALLOW_ALL)
        await client.create_schedule(name, Schedule(action, spec, overlap, state), backfill=[past])

    async with shop.ledger(database_url, index_page=100) as ledger, looping(ledger, "watch rules"):
        await begun(ledger)
        try:
            await asyncio.gather(*map(create, names))

            async def all_there() -> bool:
                return len(await ledger.rows()) >= SCHEDULES * EACH

            await eventually(all_there, f"{SCHEDULES * EACH} rows")
        finally:
            await asyncio.gather(*(delete_schedule(client, name) for name in names))
        rows = await ledger.rows()
        assert len(rows) == (await client.count_workflows(f"WorkflowType = '{shop.workflow}'")).count
        assert Counter(row.workflow_id[: len(names[0])] for row in rows) == Counter(names * EACH)
        assert all(row.input == "nightly" and row.dispatch.calls_back for row in rows)
        assert len(ledger.engine.calls["describe"]) == len(rows)


async def removed(ledger: RealLedger, shop: Shop) -> str:
    """The workflow id of an adopted execution that was terminated, and then removed by retention."""
    name = await shop.start()
    await adopt(ledger, name)
    await shop.client.get_workflow_handle(name).terminate(reason="too dear")
    await shop.gone(name)
    return name


async def test_operation_whose_execution_retention_removed_is_lost(brief: Client, database_url: str) -> None:
    """Callbacks off, and no pass has asked in time: the ledger says so, and does not invent an outcome."""
    shop = Shop(brief)
    async with shop.ledger(database_url, callbacks=False, reconcile_grace=timedelta()) as ledger:
        name = await removed(ledger, shop)
        await ledger.worker.close_poll().step(1)
        row = (await by_workflow_id(ledger))[name]

        async def lost() -> bool:
            return (await ledger.look(row.id)).done

        await eventually(lost)
        error = (await ledger.row(row.id)).error
        assert error is not None
        assert error.code is ErrorCode.EXECUTION_LOST
        with pytest.raises(ExecutionNotFound):
            await adopt(ledger, name)


async def test_execution_that_retention_removes_before_its_description_is_passed_over(
    brief: Client, database_url: str
) -> None:
    """The index lists it, and the server no longer has it. The others are adopted."""
    shop = Shop(brief)
    async with shop.ledger(database_url) as ledger:
        await begun(ledger)
        brief_one, stays = await shop.start(), await shop.start()

        async def listed() -> bool:
            return (await brief.count_workflows(f"WorkflowType = '{shop.workflow}'")).count == 2

        await eventually(listed)

        async def remove() -> None:
            ledger.engine.before.clear()
            await brief.get_workflow_handle(brief_one).terminate()
            await shop.gone(brief_one)

        ledger.engine.before["describe", None] = remove
        async with looping(ledger, "watch rules"):
            await adopted(ledger, stays)
        assert (await by_workflow_id(ledger)).keys() == {stays}


async def test_chain_whose_first_run_retention_removed_is_adopted(brief: Client, database_url: str) -> None:
    """Its id still names the chain. Only the input is gone, and the history says so."""
    loops = Loops(brief)
    async with loops.shop.ledger(database_url) as ledger, loops.worker():
        name = f"loop-{uuid4()}"
        await brief.start_workflow("Loop", SHORT - 1, id=name, task_queue=loops.shop.queue)

        async def waits() -> bool:
            described = await brief.get_workflow_handle(name).describe()
            return described.run_id != described.raw_description.workflow_execution_info.first_run_id

        await eventually(waits)
        described = await brief.get_workflow_handle(name).describe()
        first_run = described.raw_description.workflow_execution_info.first_run_id
        await loops.shop.gone(name, first_run)
        row = (await adopt(ledger, name)).operation
        assert (row.first_run_id, row.status, row.input) == (first_run, RUNNING, None)
        [line, *_] = await ledger.history(row.id)
        assert "input" in line.details
        await brief.get_workflow_handle(name).signal("end")
        assert (await ledger.done(row.id)).result == "done"
