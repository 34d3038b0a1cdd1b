"""Contract of the engine's index: changed executions, and executions whose workflow task keeps failing."""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from application.ports.engine.index import IndexEntry
from application.ports.engine.workflow_engine import EngineUnavailable
from domain.evidence.observation import ExecutionProblem, ExecutionState
from domain.operation.attention import AttentionKind
from tests.contract.engine.memory import MemoryWorld
from tests.contract.engine.temporal import TemporalWorld
from tests.contract.engine.world import RETRYING, EngineWorld
from tests.support.chains import own_chain
from tests.support.eventually import eventually

STALLED = ExecutionProblem(
    AttentionKind.STALLED, "its workflow task has failed 3 times, first with RuntimeError: plain bug"
)


async def with_problems(world: EngineWorld) -> set[UUID]:
    return {entry.operation_id for entry in await world.engine.with_problems() if entry.operation_id is not None}


MANY = [f"Type {number} with a name of ordinary length" for number in range(500)]
"""As many workflow types as the ledger watches."""


class IndexContract:
    """Entries in the index of every workflow engine."""

    async def test_started_and_closed_executions_are_listed(self, world: EngineWorld) -> None:
        """All that started or closed since then, whether or not a worker picked them up."""
        long_running, unchanged = await world.started(), await world.started()
        since = world.now()
        await world.pick_up(long_running)
        await world.terminate_from_outside(long_running, "x", "ops")
        waiting, running, closed = await world.started(), await world.started(), await world.started()
        await world.pick_up(running)
        await world.complete(closed, None)
        expected = {
            long_running: ExecutionState.TERMINATED,
            waiting: ExecutionState.RUNNING,
            running: ExecutionState.RUNNING,
            closed: ExecutionState.COMPLETED,
        }
        assert await world.settled_changes(since, [*expected, unchanged], expected) == expected

    async def test_closed_only_lists_no_open_execution(self, world: EngineWorld) -> None:
        """Each entry has the time of the close."""
        since = world.now()
        await world.pick_up(running := await world.started())
        await world.complete(closed := await world.started(), None)

        async def listed() -> bool:
            page = await world.engine.changed_since(since, closed_only=True)
            found = {entry.operation_id: entry for entry in page.entries}
            assert running not in found
            return closed in found and found[closed].closed_at == (await world.observe(closed)).closed_at

        await eventually(listed)

    async def test_earlier_changes_are_not_listed(self, world: EngineWorld) -> None:
        """After the index has caught up."""
        closed = await world.started()
        await world.complete(closed, None)
        assert await world.settled_changes(world.now(), [closed], {}) == {}

    async def test_new_runs_of_old_operations_are_listed(self, world: EngineWorld) -> None:
        """A reset and a retry start new runs, which are listed as running. The index may also list the retried run, as
        FAILED: a hint, not evidence."""
        reset, retried = await world.started(), await world.started(retry_policy=RETRYING)
        await world.pick_up(reset)
        await world.terminate_from_outside(reset, "by mistake", "ops")
        since = world.now()
        await world.reset(reset)
        await world.retry_attempt(retried)
        expected = {reset: ExecutionState.RUNNING, retried: ExecutionState.RUNNING}
        assert await world.settled_changes(since, expected, expected) == expected

    async def test_stalled_execution_is_observed_and_listed(self, world: EngineWorld) -> None:
        """While its workflow task keeps failing, the observation has the reason and the index lists it. After a
        completed task neither does."""
        operation_id, other = await world.started(), await world.started()
        await world.fail_tasks(operation_id, 3, "RuntimeError", "plain bug")
        seen = await world.observe(operation_id)
        assert (seen.state, seen.problem) == (ExecutionState.RUNNING, STALLED)
        assert (await world.observe(own_chain(operation_id), likely_closed=True)).problem == STALLED

        async def listed() -> bool:
            found = await with_problems(world)
            return operation_id in found and other not in found

        async def unlisted() -> bool:
            return operation_id not in await with_problems(world)

        await eventually(listed)
        await world.recover_task(operation_id)
        assert (await world.observe(operation_id)).problem is None
        await eventually(unlisted)

    async def test_closed_execution_is_not_stalled(self, world: EngineWorld) -> None:
        """Terminated while its task fails: the observation has no problem, and the index does not list it."""
        operation_id = await world.started()
        await world.fail_tasks(operation_id, 3, "RuntimeError", "plain bug")
        await world.terminate_from_outside(operation_id, "x", "ops")
        seen = await world.observe(operation_id)
        assert (seen.state, seen.problem) == (ExecutionState.TERMINATED, None)

        async def unlisted() -> bool:
            return operation_id not in await with_problems(world)

        await eventually(unlisted)

    async def test_watched_types_are_listed_without_the_search_attribute(self, world: EngineWorld) -> None:
        """Each has workflow id and run. Other types are not listed."""
        watched, other, since = f"Watched it's {uuid4()}", f"Other {uuid4()}", world.now()
        ours = await world.started()
        foreign = await world.start_from_outside(f"order {uuid4()}", workflow_type=watched)
        await world.start_from_outside(f"order {uuid4()}", workflow_type=other)

        async def listed(closed_only: bool, *expected: IndexEntry) -> bool:
            page = await world.engine.changed_since(since, closed_only=closed_only, watched=[watched, *MANY])
            found = [replace(entry, closed_at=None) for entry in page.entries]
            known = {ours, None}
            return [entry for entry in found if entry.operation_id in known] == list(expected)

        run = IndexEntry(foreign.workflow_id, foreign.run_id, None, ExecutionState.RUNNING)
        own = IndexEntry(str(ours), world.first_runs[ours], ours, ExecutionState.RUNNING)
        await eventually(lambda: listed(False, own, run))
        await world.terminate_from_outside(foreign.workflow_id, "x", "ops")
        await eventually(lambda: listed(True, replace(run, state=ExecutionState.TERMINATED)))
        page = await world.engine.changed_since(since, closed_only=True)
        assert foreign.workflow_id not in {entry.workflow_id for entry in page.entries}

    async def test_stalled_execution_of_a_watched_type_is_listed(self, world: EngineWorld) -> None:
        """It needs no search attribute."""
        watched = f"Watched {uuid4()}"
        run = await world.start_from_outside(f"order {uuid4()}", workflow_type=watched)
        await world.fail_tasks(run.workflow_id, 3, "RuntimeError", "plain bug")
        expected = IndexEntry(run.workflow_id, run.run_id, None, ExecutionState.RUNNING)

        async def listed() -> bool:
            return expected in await world.engine.with_problems(watched=[watched])

        await eventually(listed)
        assert expected not in await world.engine.with_problems(watched=["Nothing"])

    async def test_invalid_page_token_is_refused(self, world: EngineWorld) -> None:
        """The error is EngineUnavailable."""
        with pytest.raises(EngineUnavailable):
            await world.engine.changed_since(world.now(), b"garbage")


class TestMemoryIndex(IndexContract):
    """The in-memory engine fulfils the contract."""

    @pytest.fixture
    def world(self, memory_world: MemoryWorld) -> MemoryWorld:
        return memory_world

    async def test_page_size_can_be_set(self) -> None:
        """The last page has no `next_page`."""
        world = MemoryWorld(page_size=2)
        since = world.now()
        ids = [await world.started() for _ in range(5)]
        sizes, page = [], await world.engine.changed_since(since)
        while page.next_page is not None:
            sizes.append(len(page.entries))
            page = await world.engine.changed_since(since, page.next_page)
        assert [*sizes, len(page.entries)] == [2, 2, 1]
        assert set(await world.changes(since)) == set(ids)

    async def test_deleting_between_pages_hides_nothing(self) -> None:
        """The second page starts after the last operation of the first, even if that one was deleted."""
        world = MemoryWorld(page_size=2)
        since = world.now()
        first, *_, last = sorted([await world.started() for _ in range(3)])
        page = await world.engine.changed_since(since)
        world.memory.lose(first)
        page = await world.engine.changed_since(since, page.next_page)
        assert [entry.operation_id for entry in page.entries] == [last]

    async def test_frozen_index_is_stale(self, world: MemoryWorld) -> None:
        """A frozen index misses new executions and lists closed ones as running. After the thaw it is correct."""
        since = world.now()
        closing, stalling = await world.started(), await world.started()
        world.memory.freeze_listing()
        world.memory.complete(closing)
        world.memory.stall(stalling, "x")
        starting = await world.started()
        running = ExecutionState.RUNNING
        assert await world.changes(since) == {closing: running, stalling: running}
        assert await with_problems(world) == set()
        world.memory.thaw_listing()
        expected = {closing: ExecutionState.COMPLETED, stalling: running, starting: running}
        assert await world.changes(since) == expected
        assert await with_problems(world) == {stalling}

    async def test_unknown_state_is_listed_as_such(self, world: MemoryWorld) -> None:
        """A state of a later engine version is UNKNOWN in the index too."""
        since = world.now()
        operation_id = await world.started()
        world.memory.report_unknown_state(operation_id)
        assert await world.changes(since) == {operation_id: ExecutionState.UNKNOWN}

    async def test_lost_execution_is_not_listed(self, world: MemoryWorld) -> None:
        """The index forgets it too."""
        since = world.now() - timedelta(days=1)
        world.memory.lose(await world.started())
        assert await world.changes(since) == {}


class TestTemporalIndex(IndexContract):
    """The real server fulfils the contract."""

    @pytest.fixture
    def world(self, temporal_world: TemporalWorld) -> TemporalWorld:
        return temporal_world
