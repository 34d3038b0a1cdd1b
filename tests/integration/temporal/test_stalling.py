"""Workflow tasks that fail or time out on the real server, and the messages about them."""

from datetime import timedelta

import pytest
from temporalio.api.enums.v1 import (
    WorkflowTaskFailedCause,
)
from temporalio.api.failure.v1 import Failure
from temporalio.api.history.v1 import HistoryEvent, WorkflowTaskFailedEventAttributes
from temporalio.client import Client

from adapters.temporal.executions.stalling import MAX_MESSAGE_CHARS, stalled_message
from adapters.temporal.payloads.payloads import PayloadReader
from domain.evidence.observation import ExecutionProblem, ExecutionState
from domain.operation.attention import AttentionKind
from tests.contract.engine.temporal import TemporalWorld
from tests.integration.temporal.test_semantics import fail_task
from tests.support.eventually import eventually
from tests.support.tcp_proxy import Proxy


@pytest.fixture(scope="module")
async def world(temporal_address: str, temporal_client: Client) -> TemporalWorld:
    return TemporalWorld(temporal_client, temporal_client, Proxy(temporal_address))


async def test_timing_out_task_is_stalled(world: TemporalWorld) -> None:
    """A worker that picks up tasks and never answers: the operation is running, and makes no progress."""
    operation_id = await world.started(task_timeout=timedelta(seconds=1))
    for _ in range(2):
        await world.poll(operation_id)

    async def stalled() -> bool:
        return (await world.observe(operation_id)).problem is not None

    await eventually(stalled)
    seen = await world.observe(operation_id)
    assert seen.state is ExecutionState.RUNNING
    words = "its workflow task has timed out 2 times, first start to close"
    assert seen.problem == ExecutionProblem(AttentionKind.STALLED, words)


async def test_two_failures_in_a_row_are_stalled(world: TemporalWorld) -> None:
    """One failure may be accidental. The message has the cause, if it is specific. A completed task ends the
    problem."""
    operation_id = await world.started()
    await fail_task(world, operation_id)
    assert (await world.observe(operation_id)).problem is None
    await fail_task(world, operation_id)
    words = "its workflow task has failed 2 times, first with no stated cause"
    assert (await world.observe(operation_id)).problem == ExecutionProblem(AttentionKind.STALLED, words)
    await world.pick_up(operation_id)
    assert (await world.observe(operation_id)).problem is None


async def test_message_of_a_stalled_task_is_bounded(world: TemporalWorld) -> None:
    """For every kind of event."""
    reader = PayloadReader(world.client.data_converter)
    cause = WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_NON_DETERMINISTIC_ERROR
    attributes = WorkflowTaskFailedEventAttributes(cause=cause, failure=Failure(message="x\0" * 1_000))
    event = HistoryEvent(workflow_task_failed_event_attributes=attributes)
    words = await stalled_message(4, event, reader)
    assert words.startswith("its workflow task has failed 4 times, first with non deterministic error: ")
    assert len(words) == MAX_MESSAGE_CHARS
    assert "\0" not in words
    attributes = WorkflowTaskFailedEventAttributes(cause=WorkflowTaskFailedCause.ValueType(9_999))
    event = HistoryEvent(workflow_task_failed_event_attributes=attributes)
    assert (await stalled_message(4, event, reader)).endswith("with unknown cause 9999")
    assert await stalled_message(4, None, reader) == "its workflow task has failed or timed out 4 times"
