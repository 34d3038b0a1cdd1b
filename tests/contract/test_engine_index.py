"""The contract of the engine's index: what has changed, and whose workflow task keeps failing."""

from datetime import timedelta

import pytest

from application.ports.workflow_engine import EngineUnavailable
from domain.evidence.observation import ExecutionProblem, ExecutionState
from domain.operation.attention import AttentionKind
from domain.operation.chain import Chain
from tests.contract.engine_memory import MemoryWorld
from tests.contract.engine_temporal import TemporalWorld
from tests.contract.engine_world import RETRYING, EngineWorld, eventually

STALLED = ExecutionProblem(
    AttentionKind.STALLED, "its workflow task has failed 3 times, first with RuntimeError: plain bug"
)


class IndexContract:
    """What every workflow engine's index lists."""

    async def test_what_began_and_what_closed(self, world: EngineWorld) -> None:
        """Those that began since, waiting ones too, and those that closed since, however long they ran."""
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

    async def test_closes_alone(self, world: EngineWorld) -> None:
        """Without what is open, and with the time of each close."""
        since = world.now()
        await world.pick_up(running := await world.started())
        await world.complete(closed := await world.started(), None)

        async def listed() -> bool:
            page = await world.engine.changed_since(since, closed_only=True)
            found = {entry.operation_id: entry for entry in page.entries}
            assert running not in found
            return closed in found and found[closed].closed_at == (await world.observe(closed)).closed_at

        await eventually(listed)

    async def test_nothing_since_now(self, world: EngineWorld) -> None:
        """The index does not list what lies before, once it has caught up."""
        closed = await world.started()
        await world.complete(closed, None)
        assert await world.settled_changes(world.now(), [closed], {}) == {}

    async def test_further_runs_begin(self, world: EngineWorld) -> None:
        """A reset and a retry make new runs: old operations turn up again, as running. The run that was retried may be
        listed beside the new one, as a failure that is none: a hint, not evidence."""
        reset, retried = await world.started(), await world.started(retry_policy=RETRYING)
        await world.pick_up(reset)
        await world.terminate_from_outside(reset, "by mistake", "ops")
        since = world.now()
        await world.reset(reset)
        await world.retry_attempt(retried)
        expected = {reset: ExecutionState.RUNNING, retried: ExecutionState.RUNNING}
        assert await world.settled_changes(since, expected, expected) == expected

    async def test_stalled_is_said_and_listed(self, world: EngineWorld) -> None:
        """A workflow task that fails again and again: the operation runs, the words say why it does not get on, and the
        index lists it; once the task goes through, neither."""
        operation_id, other = await world.started(), await world.started()
        await world.fail_tasks(operation_id, 3, "RuntimeError", "plain bug")
        seen = await world.observe(operation_id)
        assert (seen.state, seen.problem) == (ExecutionState.RUNNING, STALLED)
        assert (await world.engine.observe(Chain(operation_id), likely_closed=True)).problem == STALLED

        async def listed() -> bool:
            found = await world.engine.with_problems()
            return operation_id in found and other not in found

        async def unlisted() -> bool:
            return operation_id not in await world.engine.with_problems()

        await eventually(listed)
        await world.get_on(operation_id)
        assert (await world.observe(operation_id)).problem is None
        await eventually(unlisted)

    async def test_closed_is_not_stalled(self, world: EngineWorld) -> None:
        """Terminated while its task fails: closed, with no word of the task, and not listed any more."""
        operation_id = await world.started()
        await world.fail_tasks(operation_id, 3, "RuntimeError", "plain bug")
        await world.terminate_from_outside(operation_id, "x", "ops")
        seen = await world.observe(operation_id)
        assert (seen.state, seen.problem) == (ExecutionState.TERMINATED, None)

        async def unlisted() -> bool:
            return operation_id not in await world.engine.with_problems()

        await eventually(unlisted)

    async def test_broken_page_token(self, world: EngineWorld) -> None:
        """A page that is not the engine's own cannot be had."""
        with pytest.raises(EngineUnavailable):
            await world.engine.changed_since(world.now(), b"garbage")


class TestMemoryIndex(IndexContract):
    """The engine in memory keeps the contract."""

    @pytest.fixture
    def world(self, memory_world: MemoryWorld) -> MemoryWorld:
        return memory_world

    async def test_pages(self) -> None:
        """Pages are as small as a test wants them; the last one says so."""
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
        """The second page begins behind the last operation of the first, whatever became of that one."""
        world = MemoryWorld(page_size=2)
        since = world.now()
        first, *_, last = sorted([await world.started() for _ in range(3)])
        page = await world.engine.changed_since(since)
        world.memory.lose(first)
        page = await world.engine.changed_since(since, page.next_page)
        assert [entry.operation_id for entry in page.entries] == [last]

    async def test_frozen_index_is_stale(self, world: MemoryWorld) -> None:
        """Frozen, the index misses what starts, and has what closes or is deleted as it was; thawed, it is right."""
        since = world.now()
        closing, stalling = await world.started(), await world.started()
        world.memory.freeze_listing()
        world.memory.complete(closing)
        world.memory.stall(stalling, "x")
        starting = await world.started()
        running = ExecutionState.RUNNING
        assert await world.changes(since) == {closing: running, stalling: running}
        assert await world.engine.with_problems() == frozenset()
        world.memory.thaw_listing()
        expected = {closing: ExecutionState.COMPLETED, stalling: running, starting: running}
        assert await world.changes(since) == expected
        assert await world.engine.with_problems() == {stalling}

    async def test_unknown_state_is_listed_as_such(self, world: MemoryWorld) -> None:
        """A state of a later version of the engine's is unknown in the index too."""
        since = world.now()
        operation_id = await world.started()
        world.memory.report_unknown_state(operation_id)
        assert await world.changes(since) == {operation_id: ExecutionState.UNKNOWN}

    async def test_lost_is_not_listed(self, world: MemoryWorld) -> None:
        """What the engine has forgotten its index has too."""
        since = world.now() - timedelta(days=1)
        world.memory.lose(await world.started())
        assert await world.changes(since) == {}


class TestTemporalIndex(IndexContract):
    """The real server keeps the contract."""

    @pytest.fixture
    def world(self, temporal_world: TemporalWorld) -> TemporalWorld:
        return temporal_world
