"""Missing workers and failing activities on the real server: messages, and number of requests."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from adapters.temporal.executions.pollers import POLLER_TIMEOUT, UNPOLLED_TTL, Pollers, TaskKind
from adapters.temporal.workflow_engine import TemporalWorkflowEngine
from domain.evidence.observation import ExecutionProblem, ExecutionState, Observation
from domain.operation.attention import AttentionKind
from tests.contract.engine.temporal import SystemClock, TemporalWorld
from tests.support.chains import own_chain
from tests.support.eventually import eventually
from tests.support.tcp_proxy import Proxy


@pytest.fixture(scope="module")
async def world(temporal_address: str, temporal_client: Client) -> TemporalWorld:
    return TemporalWorld(temporal_client, temporal_client, Proxy(temporal_address))


class LaterClock:
    """A clock that is ahead by POLLER_TIMEOUT."""

    def now(self) -> datetime:
        return datetime.now(UTC) + POLLER_TIMEOUT


async def later(world: TemporalWorld, operation_id: object) -> Observation:
    """The observation at that time."""
    return await TemporalWorkflowEngine(world.client, LaterClock()).observe(own_chain(operation_id))  # type: ignore[arg-type]


async def test_message_names_the_last_worker(world: TemporalWorld) -> None:
    """A worker that picked up the workflow and polls no more."""
    operation_id = await world.started()
    await world.pick_up(operation_id)
    assert (await world.observe(operation_id)).problem is None
    seen = await later(world, operation_id)
    assert seen.state is ExecutionState.RUNNING
    assert seen.problem is not None
    assert seen.problem.kind is AttentionKind.NO_WORKER
    assert seen.problem.waits_since is None
    assert seen.problem.message.startswith(
        f'no worker polls task queue "queue-{operation_id}"; the last one was worker at '
    )


async def test_activity_on_a_queue_without_a_worker_is_a_problem(world: TemporalWorld) -> None:
    """Even if the workflow has a worker."""
    operation_id, queue = await world.started(), f"nobody-{uuid4()}"
    await world.run_activity(operation_id, queue, timedelta(seconds=1))
    polling = asyncio.create_task(world.poll(operation_id))  # the server may have forgotten the poll that was answered
    message = f'no worker polls task queue "{queue}"; activity "ship" (1) waits for one'

    async def found() -> ExecutionProblem | None:
        problem = (await world.observe(operation_id)).problem
        return problem if problem is not None and problem.message == message else None

    problem = await eventually(found)
    assert problem.kind is AttentionKind.NO_WORKER
    assert problem.waits_since is not None
    polling.cancel()
    await asyncio.gather(polling, return_exceptions=True)


async def test_few_failures_are_no_problem(world: TemporalWorld) -> None:
    """They may be accidental."""
    operation_id = await world.started()
    await world.fail_activity(operation_id, 3, "ConnectionError", "no route to host")
    assert (await world.observe(operation_id)).problem is None


async def test_one_failure_with_a_distant_next_attempt_is_a_problem(world: TemporalWorld) -> None:
    """The message has the time of the next attempt."""
    operation_id = await world.started()
    await world.run_activity(operation_id, f"queue-{operation_id}", timedelta(hours=1))
    await world.fail_attempts(f"queue-{operation_id}", 1, "ConnectionError", "no route to host")
    seen = await world.observe(operation_id)
    assert seen.problem is not None
    assert seen.problem.kind is AttentionKind.ACTIVITY_RETRYING
    words = f'activity "ship" (1) on task queue "queue-{operation_id}" has failed once; attempt 2 is due at '
    assert seen.problem.message.startswith(words)
    due = datetime.fromisoformat(seen.problem.message.removeprefix(words)[:19] + "+00:00")
    assert datetime.now(UTC) < due <= datetime.now(UTC) + timedelta(hours=1)


async def test_pollers_of_a_queue_are_requested_once_per_interval(
    world: TemporalWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For any number of concurrent or successive callers."""
    pollers, now, queue = Pollers(world.client), SystemClock().now(), f"nobody-{uuid4()}"
    asked, describe = [], world.client.workflow_service.describe_task_queue

    async def counted(*args: Any, **named: Any) -> Any:
        asked.append(args)
        return await describe(*args, **named)

    monkeypatch.setattr(world.client.workflow_service, "describe_task_queue", counted)
    answers = await asyncio.gather(*(pollers.unpolled(queue, TaskKind.WORKFLOW, now) for _ in range(50)))
    assert set(answers) == {f'no worker polls task queue "{queue}"'}
    assert len(asked) == 1
    await pollers.unpolled(queue, TaskKind.WORKFLOW, now + UNPOLLED_TTL)
    assert len(asked) == 2


async def test_unknown_pollers_are_no_problem(world: TemporalWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """A credential that may not describe task queues: everything else is still observed."""
    operation_id = await world.started()

    async def refuse(*args: object, **named: object) -> object:
        raise RPCError("not allowed", RPCStatusCode.PERMISSION_DENIED, b"")

    monkeypatch.setattr(world.client.workflow_service, "describe_task_queue", refuse)
    seen = await world.observe(operation_id)
    assert (seen.state, seen.problem) == (ExecutionState.PENDING, None)
