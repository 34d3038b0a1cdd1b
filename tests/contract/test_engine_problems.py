"""The contract of why an open execution makes no progress: no worker, or an activity that keeps failing."""

import pytest

from domain.evidence.observation import ExecutionState
from domain.operation.attention import AttentionKind
from tests.contract.engine_memory import MemoryWorld
from tests.contract.engine_temporal import TemporalWorld
from tests.contract.engine_world import EngineWorld, eventually


class TroubleContract:
    """What every workflow engine says of an open execution."""

    async def test_no_worker(self, world: EngineWorld) -> None:
        """The words name the task queue, and the engine says since when the first task waits."""
        operation_id = await world.started()
        await world.without_worker(operation_id)
        seen = await world.observe(operation_id)
        assert seen.state is ExecutionState.PENDING
        assert seen.problem is not None
        assert seen.problem.kind is AttentionKind.NO_WORKER
        assert seen.problem.message == f'no worker polls task queue "queue-{operation_id}"'
        assert seen.problem.waits_since == seen.started_at

    async def test_a_worker_takes_it(self, world: EngineWorld) -> None:
        """Then nothing is the matter."""
        operation_id = await world.started()
        await world.without_worker(operation_id)
        await world.pick_up(operation_id)
        seen = await world.observe(operation_id)
        assert (seen.state, seen.problem) == (ExecutionState.RUNNING, None)

    async def test_activity_that_keeps_failing(self, world: EngineWorld) -> None:
        """The words name the activity, how often it has failed, and the root cause of the last failure."""
        operation_id = await world.started()
        await world.fail_activity(operation_id, 5, "ConnectionError", "no route to host")
        seen = await world.observe(operation_id)
        assert seen.state is ExecutionState.RUNNING
        assert seen.problem is not None
        assert seen.problem.kind is AttentionKind.ACTIVITY_RETRYING
        assert seen.problem.message.startswith('activity "ship" (1)')
        assert "has failed 5 times" in seen.problem.message
        assert seen.problem.message.endswith("last failure: ConnectionError: no route to host")
        await world.finish_activity(operation_id)

        async def recovered() -> bool:
            return (await world.observe(operation_id)).problem is None

        await eventually(recovered)

    async def test_closed_has_no_trouble(self, world: EngineWorld) -> None:
        """Whatever was the matter before."""
        operation_id = await world.started()
        await world.without_worker(operation_id)
        await world.terminate_from_outside(operation_id, "x", "ops")
        assert (await world.observe(operation_id)).problem is None


class TestMemoryTrouble(TroubleContract):
    """The engine in memory keeps the contract."""

    @pytest.fixture
    def world(self, memory_world: MemoryWorld) -> MemoryWorld:
        return memory_world


class TestTemporalTrouble(TroubleContract):
    """The real server keeps the contract."""

    @pytest.fixture
    def world(self, temporal_world: TemporalWorld) -> TemporalWorld:
        return temporal_world
