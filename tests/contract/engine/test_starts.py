"""Contract of the list of started runs, by which watch rules find executions of other clients."""

from collections.abc import Sequence
from datetime import datetime
from uuid import uuid4

import pytest

from adapters.temporal.workflow_engine import TemporalWorkflowEngine
from application.ports.engine.index import QueryRefused, StartedRun, Watch
from application.ports.engine.workflow_engine import EngineUnavailable, WorkflowEngine
from domain.evidence.observation import ExecutionState
from domain.operation.chain import Run
from tests.contract.engine.memory import MemoryWorld
from tests.contract.engine.temporal import SystemClock, TemporalWorld
from tests.contract.engine.world import EngineWorld
from tests.support.eventually import eventually

RUNNING = ExecutionState.RUNNING


def kind(name: str = "Order") -> str:
    return f"{name} {uuid4()}"


async def started(world: EngineWorld, workflow_type: str, count: int = 1, team: str | None = None) -> list[Run]:
    runs = []
    for _ in range(count):
        world.now()  # moves the clock of the in-memory engine
        runs.append(await world.start_from_outside(f"order {uuid4()}", workflow_type=workflow_type, team=team))
    return runs


async def all_pages(
    engine: WorkflowEngine, since: datetime, watches: Sequence[Watch], until: datetime | None = None
) -> list[list[StartedRun]]:
    pages = [await engine.started_since(since, watches, until=until)]
    while pages[-1].next_page is not None:
        pages.append(await engine.started_since(since, watches, pages[-1].next_page, until=until))
    return [page.runs for page in pages]


async def settled(world: EngineWorld, since: datetime, watches: Sequence[Watch], expected: Sequence[Run]) -> None:
    """Returns when the runs are listed, in this order. Fails on any other answer that has as many."""
    found: list[Run] = []

    async def listed() -> bool:
        nonlocal found
        pages = await all_pages(world.engine, since, watches)
        found = [Run(run.workflow_id, run.run_id) for runs in reversed(pages) for run in runs]
        return len(found) >= len(expected)

    await eventually(listed)
    assert found == list(expected)


class StartsContract:
    """Started runs in the index of every workflow engine."""

    async def test_runs_of_watched_types_are_listed_oldest_first(self, world: EngineWorld) -> None:
        """Each has what a watch rule needs. Other types and earlier starts are not listed."""
        one, two, other = kind(), kind("it's"), kind()
        await started(world, one)
        since = world.now()
        expected = [*await started(world, two), *await started(world, one), *await started(world, two)]
        await started(world, other)
        await settled(world, since, [Watch(one), Watch(two)], expected)
        [[run]] = await all_pages(world.engine, since, [Watch(one)])
        described = await world.engine.describe(run.workflow_id)
        assert described is not None
        assert run == StartedRun(expected[1].workflow_id, expected[1].run_id, one, run.started_at, RUNNING)
        assert run.started_at == described.started_at

    async def test_closed_run_is_listed(self, world: EngineWorld) -> None:
        """It may close before anybody has seen it."""
        since, order = world.now(), kind()
        [run] = await started(world, order)
        await world.complete(run.workflow_id, 1)

        async def listed() -> bool:
            [runs] = await all_pages(world.engine, since, [Watch(order)])
            return [run.state for run in runs] == [ExecutionState.COMPLETED]

        await eventually(listed)

    async def test_run_of_an_operation_names_it(self, world: EngineWorld) -> None:
        """So that the ledger need not ask about its own executions."""
        since, order = world.now(), kind()
        operation_id = await world.started(workflow=order)
        await settled(world, since, [Watch(order)], [await world.latest_run(operation_id)])
        [[run]] = await all_pages(world.engine, since, [Watch(order)])
        assert run.operation_id == operation_id

    async def test_query_selects_among_the_runs_of_a_type(self, world: EngineWorld) -> None:
        """It does not weaken the condition on the type, nor that of another watch."""
        since, one, two = world.now(), kind(), kind()
        [a], [_] = await started(world, one, team="a"), await started(world, one, team="b")
        [c], [d] = await started(world, two, team="a"), await started(world, two)
        await settled(world, since, [Watch(one, "Team = 'a'")], [a])
        await settled(world, since, [Watch(one, "Team = 'a'"), Watch(two)], [a, c, d])

    async def test_one_run_is_selected(self, world: EngineWorld) -> None:
        """By type and query, once it is listed; also after it has closed."""
        since, one, other = world.now(), kind(), kind()
        [a], [b] = await started(world, one, team="a"), await started(world, one, team="b")
        await world.complete(b.workflow_id, 1)
        await settled(world, since, [Watch(one)], [a, b])
        watches = [Watch(one), Watch(one, "Team = 'a'"), Watch(one, "Team = 'b'"), Watch(other)]
        for run, expected in ((a, [True, True, False, False]), (b, [True, False, True, False])):
            assert [await world.engine.selects(watch, run.run_id) for watch in watches] == expected
        assert not await world.engine.selects(Watch(one), str(uuid4()))
        with pytest.raises(QueryRefused, match="invalid query"):
            await world.engine.selects(Watch(one, "Team = "), a.run_id)

    @pytest.mark.parametrize("query", ["Team = ", "Team = 'a') OR (Team = 'b'", "Nonsense > 3"])
    async def test_invalid_query_is_refused(self, world: EngineWorld, query: str) -> None:
        """The error has the engine's message."""
        with pytest.raises(QueryRefused, match="invalid query"):
            await world.engine.started_since(world.now(), [Watch(kind()), Watch(kind(), query)])

    async def test_last_time_is_included(self, world: EngineWorld) -> None:
        """The first time is not included: intervals that follow one another list each run once."""
        since, order = world.now(), kind()
        runs = await started(world, order, 3)
        await settled(world, since, [Watch(order)], runs)
        [listed] = await all_pages(world.engine, since, [Watch(order)])
        middle = listed[1].started_at
        assert await all_pages(world.engine, since, [Watch(order)], middle) == [listed[:2]]
        assert await all_pages(world.engine, middle, [Watch(order)]) == [listed[2:]]

    async def test_only_the_latest_run_of_a_chain_is_listed(self, world: EngineWorld) -> None:
        """Continue-as-new lists the new run in place of the old one."""
        since, order = world.now(), kind()
        [run] = await started(world, order)
        await world.continue_as_new(run.workflow_id)
        latest = await world.latest_run(run.workflow_id)

        async def listed() -> bool:
            [runs] = await all_pages(world.engine, since, [Watch(order)])
            return [run.run_id for run in runs] == [latest.run_id]

        await eventually(listed)

    async def test_without_watches_nothing_is_listed(self, world: EngineWorld) -> None:
        """Operations are not listed either."""
        since = world.now()
        await world.started()
        assert await all_pages(world.engine, since, []) == [[]]

    async def test_pages_list_every_run_once(self, world: EngineWorld) -> None:
        """Also if runs start meanwhile. Each page is in the order of the starts."""
        since, order = world.now(), kind()
        runs = await started(world, order, 5)
        await settled(world, since, [Watch(order)], runs)
        engine = self.small_pages(world)
        first = await engine.started_since(since, [Watch(order)])
        later = await started(world, order)
        await settled(world, since, [Watch(order)], [*runs, *later])
        pages, token = [first.runs], first.next_page
        while token is not None:
            page = await engine.started_since(since, [Watch(order)], token)
            pages.append(page.runs)
            token = page.next_page
        assert all(len(page) <= 2 for page in pages)
        for page_runs in pages:
            assert page_runs == sorted(page_runs, key=lambda run: run.started_at)
        assert sorted(run.run_id for page in pages for run in page) == sorted(run.run_id for run in runs)

    async def test_invalid_page_token_and_outage_are_errors(self, world: EngineWorld) -> None:
        """The error is EngineUnavailable."""
        with pytest.raises(EngineUnavailable):
            await world.engine.started_since(world.now(), [Watch(kind())], b"garbage")
        await world.go_down()
        try:
            with pytest.raises(EngineUnavailable):
                await world.engine.started_since(world.now(), [Watch(kind())])
            with pytest.raises(EngineUnavailable):
                await world.engine.selects(Watch(kind()), str(uuid4()))
        finally:
            await world.come_back()
        await world.answering()

    def small_pages(self, world: EngineWorld) -> WorkflowEngine:
        """The world's engine with two entries a page."""
        raise NotImplementedError


class TestMemoryStarts(StartsContract):
    """The in-memory engine fulfils the contract."""

    @pytest.fixture
    def world(self, memory_world: MemoryWorld) -> MemoryWorld:
        return memory_world

    def small_pages(self, world: EngineWorld) -> WorkflowEngine:
        assert isinstance(world, MemoryWorld)
        world.memory._index._page_size = 2
        return world.engine

    async def test_frozen_index_lists_later_starts_after_the_thaw(self, world: MemoryWorld) -> None:
        """A start is listed late, with its own time."""
        since, order = world.now(), kind()
        world.memory.freeze_listing()
        runs = await started(world, order)
        assert await all_pages(world.engine, since, [Watch(order)]) == [[]]
        world.memory.thaw_listing()
        await settled(world, since, [Watch(order)], runs)


class TestTemporalStarts(StartsContract):
    """The real server fulfils the contract."""

    @pytest.fixture
    def world(self, temporal_world: TemporalWorld) -> TemporalWorld:
        return temporal_world

    def small_pages(self, world: EngineWorld) -> WorkflowEngine:
        assert isinstance(world, TemporalWorld)
        return TemporalWorkflowEngine(world.client, SystemClock(), index_page=2)

    @pytest.mark.parametrize("name", ['say "x"', "back\\slash", "two\nlines"])
    async def test_type_that_matches_nothing_is_refused(self, world: TemporalWorld, name: str) -> None:
        """The server would find no run of it."""
        with pytest.raises(QueryRefused, match="cannot be watched"):
            await world.engine.started_since(world.now(), [Watch(name)])
