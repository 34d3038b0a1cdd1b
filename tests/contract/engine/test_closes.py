"""Contract of `observe(likely_closed=True)`: fewer requests, and the same answer."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from domain.evidence.observation import ExecutionState, Observation
from tests.contract.engine.memory import MemoryWorld
from tests.contract.engine.temporal import TemporalWorld
from tests.contract.engine.world import RETRYING, EngineWorld

Story = Callable[[EngineWorld], Awaitable[UUID]]


async def waiting(world: EngineWorld) -> UUID:
    return await world.started()


async def running(world: EngineWorld) -> UUID:
    await world.pick_up(operation_id := await world.started())
    return operation_id


async def completed(world: EngineWorld) -> UUID:
    await world.complete(operation_id := await world.started(), {"n": [1, None]})
    return operation_id


async def failed(world: EngineWorld) -> UUID:
    await world.fail(operation_id := await world.started(), "disk full")
    return operation_id


async def terminated(world: EngineWorld) -> UUID:
    operation_id = await running(world)
    await world.terminate_from_outside(operation_id, "cleaning up", "ops@host")
    return operation_id


async def canceled(world: EngineWorld) -> UUID:
    operation_id = await running(world)
    await world.cancel_from_outside(operation_id, "changed my mind", "ops@host")
    await world.acknowledge_cancel(operation_id)
    return operation_id


async def timed_out(world: EngineWorld) -> UUID:
    await world.time_out(operation_id := await world.started(run_timeout=timedelta(seconds=1)))
    return operation_id


async def continued(world: EngineWorld) -> UUID:
    await world.continue_as_new(operation_id := await world.started())
    return operation_id


async def continued_and_completed(world: EngineWorld) -> UUID:
    await world.complete(operation_id := await continued(world), "at last")
    return operation_id


async def retried(world: EngineWorld) -> UUID:
    await world.retry_attempt(operation_id := await world.started(retry_policy=RETRYING))
    return operation_id


async def retried_and_failed(world: EngineWorld) -> UUID:
    await world.fail(operation_id := await retried(world), "for good")
    return operation_id


async def reset_while_running(world: EngineWorld) -> UUID:
    await world.reset(operation_id := await running(world))
    return operation_id


async def reset_when_closed(world: EngineWorld) -> UUID:
    await world.reset(operation_id := await terminated(world))
    return operation_id


async def reset_and_completed(world: EngineWorld) -> UUID:
    await world.complete(operation_id := await reset_when_closed(world), 42)
    return operation_id


async def deleted(world: EngineWorld) -> UUID:
    await world.delete(operation_id := await world.started())
    return operation_id


async def unknown(world: EngineWorld) -> UUID:
    return uuid4()


STORIES: dict[Story, ExecutionState] = {
    waiting: ExecutionState.PENDING,
    running: ExecutionState.RUNNING,
    completed: ExecutionState.COMPLETED,
    failed: ExecutionState.FAILED,
    terminated: ExecutionState.TERMINATED,
    canceled: ExecutionState.CANCELED,
    timed_out: ExecutionState.TIMED_OUT,
    continued: ExecutionState.RUNNING,
    continued_and_completed: ExecutionState.COMPLETED,
    retried: ExecutionState.RUNNING,
    retried_and_failed: ExecutionState.FAILED,
    reset_while_running: ExecutionState.RUNNING,
    reset_when_closed: ExecutionState.RUNNING,
    reset_and_completed: ExecutionState.COMPLETED,
    deleted: ExecutionState.NOT_FOUND,
    unknown: ExecutionState.NOT_FOUND,
}
BY_LAST_EVENT = frozenset(
    {ExecutionState.COMPLETED, ExecutionState.FAILED, ExecutionState.CANCELED, ExecutionState.TERMINATED}
)


def truth(seen: Observation) -> Observation:
    """The observation without the fields that may differ."""
    return replace(seen, asked_at=seen.closed_at or seen.asked_at.min, started_at=None, never_picked_up=False)


async def terminated_before_its_first_task(world: EngineWorld) -> UUID:
    await world.terminate_from_outside(operation_id := await world.started(), "no need", "ops@host")
    return operation_id


async def asked_to_cancel_and_terminated(world: EngineWorld) -> UUID:
    await world.cancel_from_outside(operation_id := await world.started(), "no need", "ops@host")
    await world.terminate_from_outside(operation_id, "no need", "ops@host")
    return operation_id


async def timed_out_after_a_task(world: EngineWorld) -> UUID:
    await world.pick_up(operation_id := await world.started(run_timeout=timedelta(seconds=3)))
    await world.time_out(operation_id)
    return operation_id


NEVER_PICKED_UP: dict[Story, bool] = {
    terminated_before_its_first_task: True,
    asked_to_cancel_and_terminated: True,
    timed_out: True,
    timed_out_after_a_task: False,
    terminated: False,
    canceled: False,
    failed: False,
    completed: False,
    waiting: False,
    running: False,
}


class ClosesContract:
    """Answers of every workflow engine about executions that have probably closed."""

    @pytest.mark.parametrize(
        ("story", "never_picked_up"), NEVER_PICKED_UP.items(), ids=lambda part: getattr(part, "__name__", "")
    )
    async def test_close_shows_whether_a_worker_ever_picked_it_up(
        self, world: EngineWorld, story: Story, never_picked_up: bool
    ) -> None:
        """A close before the first workflow task differs from the close of a run that had started."""
        operation_id = await story(world)
        assert (await world.observe(operation_id)).never_picked_up is never_picked_up

    @pytest.mark.parametrize(("story", "state"), STORIES.items(), ids=lambda part: getattr(part, "__name__", ""))
    async def test_expected_close_gives_the_same_answer(
        self, world: EngineWorld, story: Story, state: ExecutionState
    ) -> None:
        """Only `started_at` may be missing. `asked_at` is the time of the first request."""
        operation_id = await story(world)
        before = world.now()
        expecting = await world.observe(operation_id, likely_closed=True)
        plain = await world.observe(operation_id)
        assert expecting.state is state
        assert truth(expecting) == truth(plain)
        assert before <= expecting.asked_at <= world.now()
        assert expecting.started_at == (None if state in BY_LAST_EVENT else plain.started_at)


class TestMemoryCloses(ClosesContract):
    """The in-memory engine fulfils the contract."""

    @pytest.fixture
    def world(self, memory_world: MemoryWorld) -> MemoryWorld:
        return memory_world


class TestTemporalCloses(ClosesContract):
    """The real server fulfils the contract."""

    @pytest.fixture
    def world(self, temporal_world: TemporalWorld) -> TemporalWorld:
        return temporal_world
