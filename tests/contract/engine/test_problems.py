"""Contract of execution problems: no worker, and an activity that keeps failing."""

import pytest

from domain.evidence.observation import ExecutionState
from domain.operation.attention import AttentionKind
from tests.contract.engine.memory import MemoryWorld
from tests.contract.engine.temporal import TemporalWorld
from tests.contract.engine.world import EngineWorld
from tests.support.eventually import eventually


class ProblemsContract:
    """Problems of open executions in every workflow engine."""

    async def test_task_queue_without_poller_is_a_problem(self, world: EngineWorld) -> None:
        """The message names the task queue, and the problem has the time since which the first task waits."""
        operation_id = await world.started()
        await world.without_worker(operation_id)
        seen = await world.observe(operation_id)
        assert seen.state is ExecutionState.PENDING
        assert seen.problem is not None
        assert seen.problem.kind is AttentionKind.NO_WORKER
        assert seen.problem.message == f'no worker polls task queue "queue-{operation_id}"'
        assert seen.problem.waits_since == seen.started_at

    async def test_pick_up_ends_the_problem(self, world: EngineWorld) -> None:
        """A worker polls the queue again."""
        operation_id = await world.started()
        await world.without_worker(operation_id)
        await world.pick_up(operation_id)
        seen = await world.observe(operation_id)
        assert (seen.state, seen.problem) == (ExecutionState.RUNNING, None)

    async def test_failing_activity_is_a_problem(self, world: EngineWorld) -> None:
        """The message names the activity, the number of failures, and the root cause of the last one."""
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

    async def test_closed_execution_has_no_problem(self, world: EngineWorld) -> None:
        """Even if it had one before the close."""
        operation_id = await world.started()
        await world.without_worker(operation_id)
        await world.terminate_from_outside(operation_id, "x", "ops")
        assert (await world.observe(operation_id)).problem is None


class TestMemoryProblems(ProblemsContract):
    """The in-memory engine fulfils the contract."""

    @pytest.fixture
    def world(self, memory_world: MemoryWorld) -> MemoryWorld:
        return memory_world


class TestTemporalProblems(ProblemsContract):
    """The real server fulfils the contract."""

    @pytest.fixture
    def world(self, temporal_world: TemporalWorld) -> TemporalWorld:
        return temporal_world
