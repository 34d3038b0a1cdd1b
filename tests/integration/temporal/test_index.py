"""The real index, beyond the contract: foreign workflows, pages, later runs of a chain, an older server."""

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
from tests.contract.engine.temporal import TemporalWorld
from tests.contract.engine.world import RETRYING
from tests.integration.temporal.test_semantics import describe, foreign_start
from tests.support.eventually import eventually
from tests.support.tcp_proxy import Proxy


@pytest.fixture(scope="module")
async def world(temporal_address: str, temporal_client: Client) -> TemporalWorld:
    return TemporalWorld(temporal_client, temporal_client, Proxy(temporal_address))


async def test_foreign_workflows_with_the_search_attribute_have_their_own_workflow_id(world: TemporalWorld) -> None:
    """A workflow with an operation's id in the search attribute and another workflow id is not its execution: the entry
    has both."""
    closed, since = await world.started(), world.now()
    await world.complete(closed, None)
    foreign = {f"child-of-{closed}", str(uuid4()), str(uuid4()).upper()}
    for workflow_id in foreign:
        await world.service.start_workflow_execution(foreign_start(workflow_id, attribute=closed), retry=True)
    running, completed = ExecutionState.RUNNING, ExecutionState.COMPLETED

    async def listed() -> bool:
        entries = (await world.engine.changed_since(since)).entries
        found = {entry.workflow_id: entry.state for entry in entries if entry.operation_id == closed}
        return found == {str(closed): completed, **dict.fromkeys(foreign, running)}

    await eventually(listed)


async def test_attribute_that_is_no_uuid_names_no_operation(world: TemporalWorld) -> None:
    """Nor does a UUID in another form."""
    since, workflow_id = world.now(), f"order {uuid4()}"
    await world.service.start_workflow_execution(foreign_start(workflow_id, attribute=str(uuid4()).upper()), retry=True)

    async def listed() -> bool:
        entries = (await world.engine.changed_since(since)).entries
        return [entry.operation_id for entry in entries if entry.workflow_id == workflow_id] == [None]

    await eventually(listed)


async def test_every_change_is_on_a_page_of_the_index(world: TemporalWorld) -> None:
    """For any page size. If a retried run and its successor are on one page, only the successor is listed."""
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


async def test_server_without_a_list_of_problems_is_not_an_outage(
    world: TemporalWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An older server does not know the search attribute: the list is empty."""
    monkeypatch.setattr(index_module, "PROBLEMS", "TemporalUnheardOf")
    assert await Index(world.client).with_problems(()) == []


@workflow.defn(name="Work", sandboxed=False)
class ContinuesOnce:
    """Continues as new, then waits forever."""

    @workflow.run
    async def run(self, first: bool) -> None:
        if first:
            workflow.continue_as_new(False)
        await workflow.wait_condition(lambda: False)


async def test_index_finds_later_runs_with_the_search_attribute(world: TemporalWorld) -> None:
    """A retry and the SDK's continue-as-new pass the search attribute on. A run that continued as new without it is
    not listed: the index is a hint, the description is the answer."""
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
