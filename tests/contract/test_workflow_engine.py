"""The contract of the workflow engine port: one suite, on the engine in memory and on a real Temporal server."""

import asyncio
import time
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest

from application.ports.workflow_engine import EngineUnavailable, ExecutionExists, StartFailed, StartRejected
from domain.evidence.finality import Finality, OutcomeReports
from domain.evidence.observation import ExecutionState
from domain.json_value import JsonValue
from domain.operation.chain import Chain
from domain.operation.operation import MISSING
from domain.operation.operation_error import ErrorCode
from domain.operation.operation_type import RetryPolicy
from tests.contract.engine_memory import MemoryWorld
from tests.contract.engine_temporal import TemporalWorld
from tests.contract.engine_world import RETRYING, EngineWorld

JSON_VALUES: list[JsonValue] = [{}, [], None, "", 0, False, 1.5, {"a": [1, {"b": None}], "é": "☃"}]


class EngineContract:
    """What every workflow engine does."""

    @pytest.mark.parametrize("value", JSON_VALUES, ids=repr)
    async def test_input_arrives_as_the_single_argument(self, world: EngineWorld, value: JsonValue) -> None:
        """Any JSON value, the empty ones too, reaches the workflow unchanged."""
        assert await world.input_of(await world.started(value)) == [value]

    async def test_missing_input_is_no_argument(self, world: EngineWorld) -> None:
        """An input that was not given is not a null."""
        assert await world.input_of(await world.started(MISSING)) == []

    async def test_waits_for_a_worker(self, world: EngineWorld) -> None:
        """Started, but not taken up by a worker, is PENDING."""
        before = world.now()
        seen = await world.observe(await world.started())
        assert seen.state is ExecutionState.PENDING
        assert before <= seen.asked_at <= world.now()
        assert seen.started_at is not None
        assert seen.closed_at is None

    async def test_runs_once_taken_up(self, world: EngineWorld) -> None:
        """From its first task on an execution is RUNNING."""
        operation_id = await world.started()
        await world.take_up(operation_id)
        assert (await world.observe(operation_id)).state is ExecutionState.RUNNING

    async def test_cancel_request_does_not_take_it_up(self, world: EngineWorld) -> None:
        """A request to cancel leaves an execution that no worker has taken up PENDING."""
        operation_id = await world.started()
        await world.engine.cancel(Chain(operation_id), "too late")
        assert (await world.observe(operation_id)).state is ExecutionState.PENDING

    async def test_unknown_execution(self, world: EngineWorld) -> None:
        """What was never started is NOT_FOUND."""
        seen = await world.observe(uuid4())
        assert (seen.state, seen.started_at, seen.error) == (ExecutionState.NOT_FOUND, None, None)

    @pytest.mark.parametrize("value", JSON_VALUES, ids=repr)
    async def test_completion_brings_the_result(self, world: EngineWorld, value: JsonValue) -> None:
        """The result of a completed execution comes with the observation, the falsy ones too."""
        operation_id = await world.started()
        await world.complete(operation_id, value)
        seen = await world.observe(operation_id)
        assert (seen.state, seen.result, seen.result_unreadable) == (ExecutionState.COMPLETED, value, None)
        assert seen.started_at is not None
        assert seen.closed_at is not None
        assert seen.started_at <= seen.closed_at

    async def test_nan_in_a_result_is_null(self, world: EngineWorld) -> None:
        """JSON has no NaN: it is read as null, and the observation says where."""
        operation_id = await world.started()
        await world.complete(operation_id, {"ratio": [float("nan"), float("inf"), 1.0]})
        seen = await world.observe(operation_id)
        assert seen.result == {"ratio": [None, None, 1.0]}
        assert seen.result_unreadable is None
        assert seen.result_altered == "JSON has no NaN and no infinity; shown as null: /ratio/0, /ratio/1"

    async def test_failure_brings_the_error(self, world: EngineWorld) -> None:
        """A failed execution tells why, and what kind of failure it was."""
        operation_id = await world.started()
        await world.fail(operation_id, "disk full")
        seen = await world.observe(operation_id)
        assert seen.state is ExecutionState.FAILED
        assert seen.error is not None
        assert (seen.error.code, seen.error.message) == (ErrorCode.WORKFLOW_FAILED, "disk full")
        expected = {"type": "ApplicationError", "non_retryable": False, "causes": ["ApplicationError"]}
        assert dict(seen.error.details) == expected
        assert seen.closed_at is not None

    async def test_termination_through_the_port(self, world: EngineWorld) -> None:
        """Terminate ends an execution that no worker has taken up, with our reason and our identity."""
        operation_id = await world.started()
        await world.engine.terminate(Chain(operation_id), "not wanted any more")
        seen = await world.observe(operation_id)
        assert seen.state is ExecutionState.TERMINATED
        assert seen.error is not None
        assert (seen.error.code, seen.error.message) == (ErrorCode.TERMINATED, "not wanted any more")
        assert seen.error.details == {"reason": "not wanted any more", "actor": world.identity}
        assert seen.actor == world.identity

    async def test_termination_from_outside(self, world: EngineWorld) -> None:
        """Reason and actor of a termination by somebody else are known."""
        operation_id = await world.started()
        await world.take_up(operation_id)
        await world.terminate_from_outside(operation_id, "cleaning up", "ops@host")
        seen = await world.observe(operation_id)
        assert seen.error is not None
        assert (seen.error.message, seen.actor) == ("cleaning up", "ops@host")

    async def test_termination_without_a_word(self, world: EngineWorld) -> None:
        """Where a termination gives neither reason nor actor, the engine fills in its own."""
        operation_id = await world.started()
        await world.terminate_from_outside(operation_id, "", "")
        seen = await world.observe(operation_id)
        assert seen.error is not None
        assert (seen.error.message, seen.actor) == ("terminated by user via frontend", "frontend-service")

    async def test_cancellation_is_the_workflows_to_make(self, world: EngineWorld) -> None:
        """After a request the execution runs on until the workflow gives way; then it is CANCELED, by whom and why."""
        operation_id = await world.started()
        await world.take_up(operation_id)
        await world.engine.cancel(Chain(operation_id), "changed my mind")
        assert (await world.observe(operation_id)).state is ExecutionState.RUNNING
        await world.acknowledge_cancel(operation_id)
        seen = await world.observe(operation_id)
        assert seen.state is ExecutionState.CANCELED
        assert seen.error is not None
        assert (seen.error.code, seen.error.message) == (ErrorCode.CANCELED, "changed my mind")
        assert seen.actor == world.identity

    async def test_first_cancel_request_stays(self, world: EngineWorld) -> None:
        """A second request to cancel is no error and changes neither reason nor actor."""
        operation_id = await world.started()
        await world.cancel_from_outside(operation_id, "first", "ops@host")
        await world.engine.cancel(Chain(operation_id), "second")
        await world.acknowledge_cancel(operation_id)
        seen = await world.observe(operation_id)
        assert seen.error is not None
        assert (seen.error.message, seen.actor) == ("first", "ops@host")

    async def test_time_out_says_which(self, world: EngineWorld) -> None:
        """A run that did not close in time is TIMED_OUT, and says by which timeout."""
        operation_id = await world.started(run_timeout=timedelta(seconds=1))
        await world.time_out(operation_id)
        seen = await world.observe(operation_id)
        assert seen.state is ExecutionState.TIMED_OUT
        assert seen.error is not None
        assert seen.error.message == "the workflow did not close within its run timeout of 1 s"
        assert (seen.error.code, seen.error.details) == (ErrorCode.TIMED_OUT, {"timeout": "run", "seconds": 1.0})

    async def test_latest_run_of_a_chain_decides(self, world: EngineWorld) -> None:
        """Continue-as-new is neither end nor failure: the operation runs until the last run closes, and started when
        the first one did."""
        operation_id = await world.started()
        first = await world.observe(operation_id)
        await world.continue_as_new(operation_id)
        between = await world.observe(operation_id)
        assert (between.state, between.started_at) == (ExecutionState.RUNNING, first.started_at)
        await world.complete(operation_id, "at last")
        assert (await world.observe(operation_id)).result == "at last"

    async def test_failed_attempt_is_not_the_end(self, world: EngineWorld) -> None:
        """A run that the workflow's retry policy repeats leaves the operation RUNNING."""
        operation_id = await world.started(retry_policy=RETRYING)
        first = await world.observe(operation_id)
        await world.retry_attempt(operation_id)
        between = await world.observe(operation_id)
        assert (between.state, between.started_at) == (ExecutionState.RUNNING, first.started_at)
        await world.fail(operation_id, "for good")
        assert (await world.observe(operation_id)).state is ExecutionState.FAILED

    async def test_reset_runs_again(self, world: EngineWorld) -> None:
        """A closed execution that is reset is RUNNING again, since its first start; the new run's end counts."""
        operation_id = await world.started()
        await world.take_up(operation_id)
        first = await world.observe(operation_id)
        await world.terminate_from_outside(operation_id, "by mistake", "ops")
        await world.reset(operation_id)
        again = await world.observe(operation_id)
        assert (again.state, again.started_at) == (ExecutionState.RUNNING, first.started_at)
        await world.complete(operation_id, 42)
        assert (await world.observe(operation_id)).result == 42

    async def test_deleted_execution_is_not_found(self, world: EngineWorld) -> None:
        """What was deleted is unknown."""
        operation_id = await world.started()
        await world.delete(operation_id)
        assert (await world.observe(operation_id)).state is ExecutionState.NOT_FOUND

    async def test_same_request_starts_once(self, world: EngineWorld) -> None:
        """A repeat of a start is nothing: before the execution is taken up, after, and once it has closed."""
        request = world.request({"n": 1})
        await world.engine.start(request)
        await world.engine.start(request)
        await world.take_up(request.operation_id)
        await world.engine.start(request)
        await world.complete(request.operation_id, "once")
        await world.engine.start(request)
        assert (await world.observe(request.operation_id)).result == "once"

    async def test_the_trace_goes_along(self, world: EngineWorld) -> None:
        """Where the engine's own libraries look for it; and nothing where there is none."""
        request, plain = world.request(), await world.started()
        trace = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "tracestate": "a=1"}
        await world.engine.start(replace(request, trace=trace))
        assert await world.trace_of(request.operation_id) == trace
        assert await world.trace_of(plain) == {}

    async def test_every_run_says_whether_it_reports_its_outcome(self, world: EngineWorld) -> None:
        """The start writes the rule down, and no further run of the chain loses it."""
        operation_id = await world.started(retry_policy=RETRYING)
        assert await world.outcome_reports_of(operation_id) == OutcomeReports.WHEN_SAFE
        await world.take_up(operation_id)
        await world.continue_as_new(operation_id)
        assert await world.outcome_reports_of(operation_id) == OutcomeReports.WHEN_SAFE
        await world.take_up(operation_id)
        await world.retry_attempt(operation_id)
        assert await world.outcome_reports_of(operation_id) == OutcomeReports.WHEN_SAFE

    async def test_workflow_whose_report_is_final_always_reports(self, world: EngineWorld) -> None:
        """Its report is all that the ledger waits for."""
        request = replace(world.request(), finality=Finality.WORKFLOW)
        await world.engine.start(request)
        assert await world.outcome_reports_of(request.operation_id) == OutcomeReports.ALWAYS

    async def test_lost_reply_starts_once(self, world: EngineWorld) -> None:
        """A start whose reply was lost took effect; repeating it is nothing."""
        request = world.request()
        await world.lose_next_reply()
        with pytest.raises(EngineUnavailable):
            await world.engine.start(request)
        await world.answering()
        assert (await world.observe(request.operation_id)).state is ExecutionState.PENDING
        await world.engine.start(request)
        await world.complete(request.operation_id, "once")
        assert (await world.observe(request.operation_id)).result == "once"

    async def test_concurrent_starts_start_once(self, world: EngineWorld) -> None:
        """Any number of dispatchers may start the same operation at once."""
        request = world.request()
        await asyncio.gather(*(world.engine.start(request) for _ in range(8)))
        await world.complete(request.operation_id, "once")
        assert (await world.observe(request.operation_id)).result == "once"

    async def test_another_requests_execution_exists(self, world: EngineWorld) -> None:
        """An execution that somebody else started under the operation's id is not ours, open or closed."""
        request = world.request()
        await world.start_from_outside(request.operation_id)
        with pytest.raises(ExecutionExists):
            await world.engine.start(request)
        await world.complete(request.operation_id, None)
        with pytest.raises(ExecutionExists):
            await world.engine.start(request)

    async def test_repeat_after_a_further_run_exists(self, world: EngineWorld) -> None:
        """The engine no longer knows the request once the chain has gone on: the execution exists, and no second one
        is started."""
        request = world.request()
        await world.engine.start(request)
        await world.continue_as_new(request.operation_id)
        with pytest.raises(ExecutionExists):
            await world.engine.start(request)
        await world.complete(request.operation_id, None)
        with pytest.raises(ExecutionExists):
            await world.engine.start(request)

    async def test_repeat_after_a_retry_exists(self, world: EngineWorld) -> None:
        """The same after the workflow's own retry."""
        request = world.request(retry_policy=RETRYING)
        await world.engine.start(request)
        await world.retry_attempt(request.operation_id)
        with pytest.raises(ExecutionExists):
            await world.engine.start(request)

    async def test_repeat_after_a_reset_is_nothing(self, world: EngineWorld) -> None:
        """A reset run is known by the old request."""
        request = world.request()
        await world.engine.start(request)
        await world.take_up(request.operation_id)
        await world.reset(request.operation_id)
        await world.engine.start(request)

    async def test_start_after_deletion_starts_anew(self, world: EngineWorld) -> None:
        """The engine has forgotten the request together with the execution."""
        request = world.request()
        await world.engine.start(request)
        await world.delete(request.operation_id)
        await world.engine.start(request)
        assert (await world.observe(request.operation_id)).state is ExecutionState.PENDING

    @pytest.mark.parametrize(
        "fields",
        [
            {"workflow": ""},
            {"workflow": "w" * 1_001},
            {"task_queue": ""},
            {"task_queue": "q" * 1_001},
            {"task_queue": "/_sys/queue"},
            {"run_timeout": timedelta(seconds=-1)},
            {"execution_timeout": timedelta(seconds=-1)},
            {"task_timeout": timedelta(seconds=-1)},
            {"retry_policy": RetryPolicy(initial_interval=timedelta(seconds=-1))},
            {"retry_policy": RetryPolicy(backoff_coefficient=0.5)},
            {"retry_policy": RetryPolicy(maximum_interval=timedelta(milliseconds=1))},
            {"retry_policy": RetryPolicy(maximum_attempts=-1)},
        ],
        ids=lambda fields: " ".join(f"{key}={str(value)[:60]}" for key, value in fields.items()),
    )
    async def test_impossible_type_is_rejected(self, world: EngineWorld, fields: dict[str, object]) -> None:
        """What can never be started is refused for good, in words, and nothing is started."""
        request = world.request(**fields)  # type: ignore[arg-type]
        with pytest.raises(StartRejected, match=r"\w+ .*\w+"):
            await world.engine.start(request)
        assert (await world.observe(request.operation_id)).state is ExecutionState.NOT_FOUND

    @pytest.mark.parametrize("fields", [{"workflow": "w" * 1_000}, {"task_queue": "é" * 500}], ids=["type", "queue"])
    async def test_longest_names_are_taken(self, world: EngineWorld, fields: dict[str, object]) -> None:
        """1,000 bytes of UTF-8 are the limit."""
        await world.started(**fields)  # type: ignore[arg-type]

    @pytest.mark.parametrize("size", [2_097_119, 4_194_304, 6_000_000])
    async def test_too_large_input_is_rejected(self, world: EngineWorld, size: int) -> None:
        """Too large for a payload or for a message: either way refused for good, never taken for an outage."""
        with pytest.raises(StartRejected, match=r"exceeds limit|larger than max"):
            await world.engine.start(world.request("x" * size))

    async def test_largest_input_is_taken(self, world: EngineWorld) -> None:
        """2 MiB with all that is around it are the limit."""
        await world.started("x" * 2_097_118)

    async def test_too_deep_input_is_rejected(self, world: EngineWorld) -> None:
        """What cannot be encoded is refused for good."""
        value: JsonValue = 1
        for _ in range(100_000):
            value = [value]
        with pytest.raises(StartRejected, match="nested too deeply"):
            await world.engine.start(world.request(value))

    async def test_closed_or_unknown_is_left_alone(self, world: EngineWorld) -> None:
        """Cancel and terminate do nothing to what is closed or unknown."""
        operation_id = await world.started()
        await world.complete(operation_id, "done")
        for target in (operation_id, uuid4()):
            await world.engine.cancel(Chain(target), "late")
            await world.engine.terminate(Chain(target), "late")
        assert (await world.observe(operation_id)).result == "done"

    async def test_ping(self, world: EngineWorld) -> None:
        """An engine that answers is well."""
        await world.engine.ping()

    async def test_outage_is_told_apart_and_passes(self, world: EngineWorld) -> None:
        """While the engine is away every call says so, soon; then the same object works again."""
        operation_id = await world.started()
        request = world.request()
        await world.go_down()
        begun = time.monotonic()
        try:
            for call in (
                lambda: world.engine.start(request),
                lambda: world.engine.observe(Chain(operation_id)),
                lambda: world.engine.observe(Chain(operation_id), likely_closed=True),
                lambda: world.engine.changed_since(world.now()),
                lambda: world.engine.with_problems(),
                lambda: world.engine.check_callback(world.callback(operation_id)),
                lambda: world.engine.cancel(Chain(operation_id), "x"),
                lambda: world.engine.terminate(Chain(operation_id), "x"),
                lambda: world.engine.ping(),
            ):
                with pytest.raises(EngineUnavailable):
                    await call()
            assert time.monotonic() - begun < 40
        finally:
            await world.come_back()
        await world.engine.start(replace(request, input=None))
        assert (await world.observe(operation_id)).state is ExecutionState.PENDING


class TestMemoryEngine(EngineContract):
    """The engine in memory keeps the contract."""

    @pytest.fixture
    def world(self, memory_world: MemoryWorld) -> MemoryWorld:
        return memory_world

    async def test_next_starts_are_refused_as_told(self, world: MemoryWorld) -> None:
        """Refusals are used up in order, one a start; then starts go through."""
        world.memory.fail_next("no such namespace")
        world.memory.reject_next("no such type")
        for error in (StartFailed, StartRejected):
            with pytest.raises(error, match="no such"):
                await world.started()
        assert world.memory.starts == []
        await world.started()
        assert len(world.memory.starts) == 1

    async def test_unknown_state(self, world: MemoryWorld) -> None:
        """A state of a later version of the engine's can be played."""
        operation_id = await world.started()
        world.memory.report_unknown_state(operation_id)
        assert (await world.observe(operation_id)).state is ExecutionState.UNKNOWN
        world.memory.report_unknown_state(operation_id, False)
        assert (await world.observe(operation_id)).state is ExecutionState.PENDING

    async def test_lost_execution(self, world: MemoryWorld) -> None:
        """What the engine lost, closed or not, is not found."""
        operation_id = await world.started()
        world.memory.complete(operation_id, 1)
        world.memory.lose(operation_id)
        assert (await world.observe(operation_id)).state is ExecutionState.NOT_FOUND

    async def test_impossible_events_are_refused(self, world: MemoryWorld) -> None:
        """A test cannot make the engine do what the real one never does."""
        operation_id = await world.started()
        with pytest.raises(ValueError, match="no worker has taken"):
            world.memory.reset(operation_id)
        with pytest.raises(ValueError, match="the execution exists already"):
            world.memory.start_from_outside(operation_id)
        with pytest.raises(TypeError):
            world.memory.complete(operation_id, object())  # type: ignore[arg-type]
        world.memory.complete(operation_id, 1, unreadable="no key")
        assert (await world.observe(operation_id)).result_unreadable == "no key"
        for event in (world.memory.take_up, world.memory.complete, world.memory.time_out, world.memory.continue_as_new):
            with pytest.raises(ValueError, match="already COMPLETED"):
                event(operation_id)

    async def test_inputs_do_not_alias(self, world: MemoryWorld) -> None:
        """What was sent stays as it was sent."""
        value: dict[str, JsonValue] = {"n": 1}
        await world.started(value)
        value["n"] = 2
        assert world.memory.starts[0].input == {"n": 1}


class TestTemporalEngine(EngineContract):
    """The real server keeps the contract."""

    @pytest.fixture
    def world(self, temporal_world: TemporalWorld) -> TemporalWorld:
        return temporal_world
