"""The contract between the engines' callbacks and their reader: a whole callback equals an observation."""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from temporalio.api.command.v1 import (
    CompleteWorkflowExecutionCommandAttributes,
    FailWorkflowExecutionCommandAttributes,
)
from temporalio.api.common.v1 import Payload
from temporalio.api.failure.v1 import (
    ActivityFailureInfo,
    ApplicationFailureInfo,
    CanceledFailureInfo,
    ChildWorkflowExecutionFailureInfo,
    Failure,
    NexusHandlerFailureInfo,
    TerminatedFailureInfo,
    TimeoutFailureInfo,
)
from temporalio.client import Client
from temporalio.converter import DataConverter

from adapters.temporal.callback_reader import TemporalCallbackReader
from application.ports.engine.callback_reader import CallbackMessage, CloseEvent, UnreadableCallback
from domain.evidence.observation import ExecutionState, Observation
from domain.json_value import JsonValue
from domain.operation.operation_error import ErrorCode, OperationError
from tests.contract.engine.memory import MemoryWorld
from tests.contract.engine.temporal import TemporalWorld, payload
from tests.contract.engine.world import RETRYING, EngineWorld
from tests.integration.temporal.test_payloads import MASKED
from tests.support.chains import own_chain

READER = TemporalCallbackReader(DataConverter.default, "default")
VALUES: list[JsonValue] = [{}, [], None, "", 0, False, 1.5, {"a": [1, {"b": None}], "é": "☃"}]
SECOND = timedelta(seconds=1)


async def last_event(
    world: EngineWorld, operation_id: UUID, count: int = 1, reader: TemporalCallbackReader = READER
) -> CloseEvent:
    messages = await world.delivered(operation_id, count)
    assert len(messages) == count
    return await reader.read(operation_id, messages[-1], world.now())


def outcome(seen: Observation) -> Observation:
    return replace(seen, asked_at=seen.asked_at.min, started_at=None, first_run_id=None)


async def same_as_observed(
    world: EngineWorld, operation_id: UUID, reader: TemporalCallbackReader = READER
) -> Observation:
    """The callback equals an observation at the time of the close."""
    event = await last_event(world, operation_id, reader=reader)
    said, seen = event.observation, await world.observe(operation_id)
    assert event.whole
    assert outcome(said) == outcome(seen)
    assert said.asked_at == said.closed_at
    assert said.started_at is not None
    assert seen.started_at is not None
    assert said.started_at >= seen.started_at - SECOND
    return said


async def state_only(world: EngineWorld, operation_id: UUID) -> OperationError:
    """The callback has the state and the time, and says that there is more. Returns its error."""
    event = await last_event(world, operation_id)
    said, seen = event.observation, await world.observe(operation_id)
    assert not event.whole
    assert (said.state, said.closed_at) == (seen.state, seen.closed_at)
    assert said.error is not None
    assert seen.error is not None
    assert said.error.code is seen.error.code
    return said.error


class ReaderContract:
    """The contract for the callbacks of every engine."""

    @pytest.mark.parametrize("value", VALUES, ids=repr)
    async def test_result_is_read_as_returned(self, world: EngineWorld, value: JsonValue) -> None:
        """Falsy results too."""
        await world.complete(operation_id := await world.with_callback(), value)
        assert (await same_as_observed(world, operation_id)).result == value

    @pytest.mark.parametrize("name", ["deploy m/1 50%", "it's é☃"])
    async def test_run_of_any_workflow_id_is_named(self, world: EngineWorld, name: str) -> None:
        """Also if it is not the operation's id."""
        request = world.named_request(f"{name} {uuid4()}")
        callback = world.callback(request.operation_id)
        first = await world.engine.start(replace(request, callback=callback))
        await world.complete(request.workflow_id, 1)
        assert (await last_event(world, request.operation_id)).run_id == first

    async def test_nan_is_read_as_null(self, world: EngineWorld) -> None:
        """An observation reads it so too: JSON has no NaN."""
        await world.complete(operation_id := await world.with_callback(), {"ratio": [float("nan"), 1.0]})
        said = await same_as_observed(world, operation_id)
        assert said.result == {"ratio": [None, 1.0]}
        assert said.result_altered == "JSON has no NaN and no infinity; shown as null: /ratio/0"

    async def test_failure_is_read_as_observed(self, world: EngineWorld) -> None:
        """The error is the one that an observation has."""
        await world.fail(operation_id := await world.with_callback(), "disk full")
        assert (await same_as_observed(world, operation_id)).state is ExecutionState.FAILED

    async def test_close_of_the_last_run_is_the_close_of_the_chain(self, world: EngineWorld) -> None:
        """After continue-as-new and after a retry."""
        continued, retried = await world.with_callback(), await world.with_callback(retry_policy=RETRYING)
        await world.continue_as_new(continued)
        await world.complete(continued, "at last")
        await world.retry_attempt(retried)
        await world.fail(retried, "for good")
        for operation_id in (continued, retried):
            await same_as_observed(world, operation_id)

    async def test_termination_lacks_reason_and_actor(self, world: EngineWorld) -> None:
        """The callback does not contain them."""
        operation_id = await world.with_callback()
        await world.terminate_from_outside(operation_id, "cleaning up", "ops@host")
        error = await state_only(world, operation_id)
        assert error == OperationError(ErrorCode.TERMINATED, "terminated", {"reason": None, "actor": None})

    async def test_cancellation_lacks_reason_and_actor(self, world: EngineWorld) -> None:
        """The callback does not contain them."""
        operation_id = await world.with_callback()
        await world.pick_up(operation_id)
        await world.engine.cancel(own_chain(operation_id), "changed my mind")
        await world.acknowledge_cancel(operation_id)
        error = await state_only(world, operation_id)
        assert error == OperationError(ErrorCode.CANCELED, "canceled", {"reason": None, "actor": None})

    async def test_timeout_lacks_its_kind(self, world: EngineWorld) -> None:
        """The callback does not contain which timeout it was."""
        await world.time_out(operation_id := await world.with_callback(run_timeout=SECOND))
        error = await state_only(world, operation_id)
        assert error == OperationError(ErrorCode.TIMED_OUT, "the workflow did not close within its timeout")

    async def test_callback_after_a_reset_is_about_the_second_close(self, world: EngineWorld) -> None:
        """It reports the current outcome."""
        operation_id = await world.with_callback()
        await world.pick_up(operation_id)
        await world.terminate_from_outside(operation_id, "by mistake", "ops")
        assert (await last_event(world, operation_id)).observation.state is ExecutionState.TERMINATED
        await world.reset(operation_id)
        await world.complete(operation_id, 42)
        event = await last_event(world, operation_id, 2)
        assert outcome(event.observation) == outcome(await world.observe(operation_id))


class TestMemoryMessages(ReaderContract):
    """Callbacks of the engine in memory."""

    @pytest.fixture
    def world(self, memory_world: MemoryWorld) -> MemoryWorld:
        return memory_world

    @pytest.mark.parametrize(
        "details",
        [
            {"type": "DiskFull", "non_retryable": True, "causes": ["ActivityError", "DiskFull"], "details": [{"a": 1}]},
            {"type": "TimeoutError", "non_retryable": False, "causes": ["ChildWorkflowError", "TimeoutError"]},
            {"type": "CancelledError", "non_retryable": False, "causes": ["CancelledError"]},
        ],
        ids=lambda details: details["type"],
    )
    async def test_wrappers_details_and_kinds_of_failures_are_read(
        self, world: MemoryWorld, details: dict[str, JsonValue]
    ) -> None:
        """They are read as in an observation."""
        operation_id = await world.with_callback()
        world.memory.fail(operation_id, OperationError(ErrorCode.WORKFLOW_FAILED, "é went wrong", details))
        await same_as_observed(world, operation_id)

    async def test_unreadable_result_is_unreadable_in_the_callback(self, world: MemoryWorld) -> None:
        """An observation cannot read it either."""
        operation_id = await world.with_callback()
        world.memory.complete(operation_id, unreadable="its encoding is binary/plain, not JSON")
        event = await last_event(world, operation_id)
        assert (event.observation.state, event.whole) == (ExecutionState.COMPLETED, False)
        assert event.observation.result_unreadable


ROOT = Failure(
    message="disk full",
    stack_trace="at disk.py:7",
    application_failure_info=ApplicationFailureInfo(type="DiskFull", non_retryable=True),
)
ROOT.application_failure_info.details.payloads.append(payload({"path": "/var", "n": [1, None]}))
TIMED_OUT = Failure(message="late", timeout_failure_info=TimeoutFailureInfo(timeout_type=1))  # type: ignore[arg-type]
WHOLE = {
    "application": ROOT,
    "activity": Failure(message="x", activity_failure_info=ActivityFailureInfo(activity_id="1"), cause=ROOT),
    "child": Failure(
        message="x",
        child_workflow_execution_failure_info=ChildWorkflowExecutionFailureInfo(initiated_event_id=5),
        cause=Failure(message="", terminated_failure_info=TerminatedFailureInfo()),
    ),
    "activity timed out": Failure(message="x", activity_failure_info=ActivityFailureInfo(), cause=TIMED_OUT),
    "no kind at all": Failure(message="plain"),
    "nothing": Failure(),
    "canceled, and failed by that": Failure(message="x", canceled_failure_info=CanceledFailureInfo()),
}


async def failed(world: TemporalWorld, failure: Failure) -> UUID:
    operation_id = await world.with_callback()
    attributes = FailWorkflowExecutionCommandAttributes(failure=failure)
    await world.close(operation_id, fail_workflow_execution_command_attributes=attributes)
    return operation_id


async def completed(world: TemporalWorld, result: Payload) -> UUID:
    operation_id = await world.with_callback()
    attributes = CompleteWorkflowExecutionCommandAttributes()
    attributes.result.payloads.append(result)
    await world.close(operation_id, complete_workflow_execution_command_attributes=attributes)
    return operation_id


class TestTemporalMessages(ReaderContract):
    """Callbacks of the real server."""

    @pytest.fixture
    def world(self, temporal_world: TemporalWorld) -> TemporalWorld:
        return temporal_world

    @pytest.mark.parametrize("failure", WHOLE.values(), ids=WHOLE)
    async def test_failure_equals_the_observed_error(self, world: TemporalWorld, failure: Failure) -> None:
        """Root cause, wrappers and details."""
        said = await same_as_observed(world, await failed(world, failure))
        assert said.state is ExecutionState.FAILED

    @pytest.mark.parametrize(
        "failure",
        [TIMED_OUT, Failure(message="x", nexus_handler_failure_info=NexusHandlerFailureInfo(type="INTERNAL"))],
        ids=["its own time-out", "a Nexus handler's"],
    )
    async def test_ambiguous_failures_need_an_observation(self, world: TemporalWorld, failure: Failure) -> None:
        """A workflow's failure that looks like the server's is not taken for a termination, and an unusual message
        still is a failure."""
        error = await state_only(world, await failed(world, failure))
        assert (error.code, error.message) == (ErrorCode.WORKFLOW_FAILED, failure.message)

    @pytest.mark.parametrize(
        "result",
        [
            Payload(metadata={"encoding": b"binary/null"}),
            Payload(metadata={"encoding": b"json/protobuf", "messageType": b"a.B"}, data=b'{"a": 1}'),
            Payload(metadata={"encoding": b"json/plain", "more": b"x"}, data=b"[1]"),
        ],
        ids=["null", "protobuf's JSON", "with metadata"],
    )
    async def test_every_encoding_of_a_json_result_is_decoded(self, world: TemporalWorld, result: Payload) -> None:
        """Whatever the server wraps it in."""
        await same_as_observed(world, await completed(world, result))

    @pytest.mark.parametrize(
        "result",
        [
            Payload(metadata={"encoding": b"binary/plain"}, data=b"\x00\x01"),
            Payload(metadata={"encoding": b"binary/protobuf", "messageType": b"a.B"}, data=b"x"),
            Payload(metadata={"encoding": b"custom"}, data=b"1"),
            Payload(data=b"1"),
        ],
        ids=["bytes", "protobuf", "custom", "no encoding"],
    )
    async def test_result_that_is_not_json_completes_the_operation(self, world: TemporalWorld, result: Payload) -> None:
        """The reader does not guess the result."""
        operation_id = await completed(world, result)
        event, seen = await last_event(world, operation_id), await world.observe(operation_id)
        assert (event.observation.state, event.whole) == (ExecutionState.COMPLETED, False)
        assert event.observation.result is seen.result is None
        assert event.observation.result_unreadable
        assert seen.result_unreadable

    async def test_malformed_json_is_unreadable(self, world: TemporalWorld) -> None:
        """It cannot be distinguished from a damaged message."""
        broken = Payload(metadata={"encoding": b"json/plain"}, data=b"{broken")
        operation_id = await completed(world, broken)
        with pytest.raises(UnreadableCallback, match="not the JSON that it says it is"):
            await last_event(world, operation_id)

    async def test_encoded_results_and_errors_are_read_with_their_codec(self, world: TemporalWorld) -> None:
        """No other codec reads them."""
        config = world.client.config()
        config["data_converter"] = MASKED
        masked = TemporalWorld(Client(**config), Client(**config), world.proxy, world.receiver)
        reader = TemporalCallbackReader(MASKED, masked.client.namespace)
        [result] = await MASKED.encode([{"secret": 2}])
        done = await completed(masked, result)
        assert (await same_as_observed(masked, done, reader)).result == {"secret": 2}
        assert not (await last_event(masked, done)).whole
        failure = Failure()
        await MASKED.encode_failure(ValueError("secret"), failure)
        error = (await same_as_observed(masked, await failed(masked, failure), reader)).error
        assert error is not None
        assert error.message == "secret"

    async def test_message_has_the_measured_form(self, world: TemporalWorld) -> None:
        """The form that the reader and the engine in memory assume."""
        operation_id = await failed(world, ROOT)
        [message] = await world.delivered(operation_id, 1)
        assert isinstance(message, CallbackMessage)
        assert message.headers["content-type"] == "application/json"
        assert message.headers["nexus-operation-state"] == "failed"
        assert message.headers["nexus-operation-start-time"].endswith(" GMT")
        run_id = (await world.observe(operation_id)).first_run_id
        link = f"<temporal:///namespaces/default/workflows/{operation_id}/{run_id}/history?"
        assert message.headers["nexus-link"].startswith(link)
        assert message.body.startswith(b'{"message":"disk full","stackTrace":"at disk.py:7","metadata":{"type":"')
