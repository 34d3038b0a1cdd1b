"""What the real index lists, beyond the contract: strangers, pages, further runs, an older server."""

from uuid import uuid4

import pytest
from temporalio import workflow
from temporalio.client import Client
from temporalio.worker import Worker

from adapters.temporal.executions import index as index_module
from adapters.temporal.executions.history import RunHistory
from adapters.temporal.executions.index import Index
from adapters.temporal.executions.observation import LatestRun
from domain.evidence.observation import ExecutionState
from opledger.wire import OPERATION_UUID
from tests.contract.engine_proxy import Proxy
from tests.contract.engine_temporal import TemporalWorld
from tests.contract.engine_world import RETRYING, eventually
from tests.integration.test_temporal_semantics import describe, foreign_start


@pytest.fixture(scope="module")
async def world(temporal_address: str, temporal_client: Client) -> TemporalWorld:
    return TemporalWorld(temporal_client, temporal_client, Proxy(temporal_address))


async def test_strangers_with_our_search_attribute_are_not_listed(world: TemporalWorld) -> None:
    """A workflow that carries the id of an operation, but is not its execution, says nothing about it; nor does one
    whose id is a UUID, but not the one that it carries."""
    closed, other, since = await world.started(), uuid4(), world.now()
    await world.complete(closed, None)
    for workflow_id in (f"child-of-{closed}", str(other), str(uuid4()).upper()):
        await world.service.start_workflow_execution(foreign_start(workflow_id, attribute=closed))
    query = f"{OPERATION_UUID.name} = '{closed}' AND ExecutionStatus = 'Running'"

    async def indexed() -> bool:
        return (await world.client.count_workflows(query)).count == 3

    await eventually(indexed)
    assert await world.settled_changes(since, [closed, other], {closed: ExecutionState.COMPLETED}) == {
        closed: ExecutionState.COMPLETED
    }


async def test_pages_of_the_index(world: TemporalWorld) -> None:
    """Every change is on one of the pages, whatever their size; of a retried run and its successor that share a page
    only the latter is given."""
    since = world.now()
    ids = [await world.started() for _ in range(4)]
    retried = await world.started(retry_policy=RETRYING)
    await world.complete(ids[0], None)
    await world.retry_attempt(retried)
    expected = {**dict.fromkeys(ids, ExecutionState.RUNNING), ids[0]: ExecutionState.COMPLETED}
    expected[retried] = ExecutionState.RUNNING
    assert await world.settled_changes(since, expected, expected) == expected
    index, found, page = Index(world.client, page_size=2), [], None
    while page is None or page.next_page is not None:
        page = await index.changed_since(since, None if page is None else page.next_page)
        assert len(page.entries) <= 2
        found += page.entries
    assert {entry.operation_id for entry in found} == expected.keys()
    assert {entry.state for entry in found if entry.operation_id == retried} <= {
        ExecutionState.RUNNING,
        ExecutionState.FAILED,
    }


async def test_server_without_a_list_of_problems(world: TemporalWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """An older server does not know the search attribute: then there is no such list, and no outage either."""
    monkeypatch.setattr(index_module, "PROBLEMS", "TemporalUnheardOf")
    assert await Index(world.client).with_problems() == frozenset()


@workflow.defn(name="Work", sandboxed=False)
class ContinuesOnce:
    """Goes on as new, then waits for ever."""

    @workflow.run
    async def run(self, first: bool) -> None:
        if first:
            workflow.continue_as_new(False)
        await workflow.wait_condition(lambda: False)


async def test_listing_finds_further_runs(world: TemporalWorld) -> None:
    """The search attribute goes along with a retry and with the SDK's continue-as-new. A worker that continues as new
    without it makes a run that is not listed: the listing is a hint, describing it is the answer."""
    retried, bare, since = await world.started(retry_policy=RETRYING), await world.started(), world.now()
    await world.retry_attempt(retried)
    await world.continue_as_new(bare)
    by_sdk = await world.started(True)

    async def continued() -> bool:
        return LatestRun(
            await describe(world, by_sdk), RunHistory(world.client, world.execution(by_sdk))
        ).has_previous_run

    async with Worker(world.client, task_queue=f"queue-{by_sdk}", workflows=[ContinuesOnce]):
        await eventually(continued)
        expected = dict.fromkeys((retried, by_sdk), ExecutionState.RUNNING)
        assert await world.settled_changes(since, [retried, by_sdk, bare], expected) == expected
    assert (await world.observe(bare)).state is ExecutionState.RUNNING
