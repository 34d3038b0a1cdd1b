"""The contract of the workflow engine port, tested on the engine in memory and on a real Temporal server."""

import asyncio
import time
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest

from application.ports.engine.workflow_engine import EngineUnavailable, ExecutionExists, StartFailed, StartRejected
from domain.evidence.finality import Finality, OutcomeReports
from domain.evidence.observation import ExecutionState
from domain.json_value import JsonValue
from domain.operation.operation import MISSING
from domain.operation.operation_error import ErrorCode
from domain.operation.operation_type import RetryPolicy
from tests.contract.engine.memory import MemoryWorld
from tests.contract.engine.temporal import TemporalWorld
from tests.contract.engine.world import RETRYING, EngineWorld
from tests.support.chains import own_chain

JSON_VALUES: list[JsonValue] = [{}, [], None, "", 0, False, 1.5, {"a": [1, {"b": None}], "é": "☃"}]


class EngineContract:
    """The contract of every workflow engine."""

    @pytest.mark.parametrize("value", JSON_VALUES, ids=repr)
    async def test_input_is_the_single_argument(self, world: EngineWorld, value: JsonValue) -> None:
        """Any JSON value reaches the workflow unchanged, empty ones too."""
        assert await world.input_of(await world.started(value)) == [value]

    async def test_missing_input_is_no_argument(self, world: EngineWorld) -> None:
        """A missing input is not a null."""
        assert await world.input_of(await world.started(MISSING)) == []

    async def test_execution_without_a_worker_is_pending(self, world: EngineWorld) -> None:
        """It has started, but no worker has taken it."""
        before = world.now()
        seen = await world.observe(await world.started())
        assert seen.state is ExecutionState.PENDING
        assert before <= seen.asked_at <= world.now()
        assert seen.started_at is not None
        assert seen.closed_at is None

    async def test_execution_is_running_from_its_first_task(self, world: EngineWorld) -> None:
        """A worker has taken it."""
        operation_id = await world.started()
        await world.pick_up(operation_id)
        assert (await world.observe(operation_id)).state is ExecutionState.RUNNING

    async def test_cancel_request_leaves_a_pending_execution_pending(self, world: EngineWorld) -> None:
        """No worker has taken it."""
        operation_id = await world.started()
        await world.engine.cancel(own_chain(operation_id), "too late")
        assert (await world.observe(operation_id)).state is ExecutionState.PENDING

    async def test_unknown_execution_is_not_found(self, world: EngineWorld) -> None:
        """It was never started."""
        seen = await world.observe(uuid4())
        assert (seen.state, seen.started_at, seen.error) == (ExecutionState.NOT_FOUND, None, None)

    @pytest.mark.parametrize("value", JSON_VALUES, ids=repr)
    async def test_observation_of_a_completed_execution_has_the_result(
        self, world: EngineWorld, value: JsonValue
    ) -> None:
        """Falsy results too."""
        operation_id = await world.started()
        await world.complete(operation_id, value)
        seen = await world.observe(operation_id)
        assert (seen.state, seen.result, seen.result_unreadable) == (ExecutionState.COMPLETED, value, None)
        assert seen.started_at is not None
        assert seen.closed_at is not None
        assert seen.started_at <= seen.closed_at

    async def test_nan_in_a_result_is_null(self, world: EngineWorld) -> None:
        """JSON has no NaN. The observation says where it was."""
        operation_id = await world.started()
        await world.complete(operation_id, {"ratio": [float("nan"), float("inf"), 1.0]})
        seen = await world.observe(operation_id)
        assert seen.result == {"ratio": [None, None, 1.0]}
        assert seen.result_unreadable is None
        assert seen.result_altered == "JSON has no NaN and no infinity; shown as null: /ratio/0, /ratio/1"

    async def test_observation_of_a_failed_execution_has_the_error(self, world: EngineWorld) -> None:
        """The error has the kind of the failure."""
        operation_id = await world.started()
        await world.fail(operation_id, "disk full")
        seen = await world.observe(operation_id)
        assert seen.state is ExecutionState.FAILED
        assert seen.error is not None
        assert (seen.error.code, seen.error.message) == (ErrorCode.WORKFLOW_FAILED, "disk full")
        expected = {"type": "ApplicationError", "non_retryable": False, "causes": ["ApplicationError"]}
        assert dict(seen.error.details) == expected
        assert seen.closed_at is not None

    async def test_terminate_ends_a_pending_execution(self, world: EngineWorld) -> None:
        """The termination has the ledger's reason and identity."""
        operation_id = await world.started()
        await world.engine.terminate(own_chain(operation_id), "not wanted any more")
        seen = await world.observe(operation_id)
        assert seen.state is ExecutionState.TERMINATED
        assert seen.error is not None
        assert (seen.error.code, seen.error.message) == (ErrorCode.TERMINATED, "not wanted any more")
        assert seen.error.details == {"reason": "not wanted any more", "actor": world.identity}
        assert seen.actor == world.identity

    async def test_termination_by_another_client_has_reason_and_actor(self, world: EngineWorld) -> None:
        """The observation reports them."""
        operation_id = await world.started()
        await world.pick_up(operation_id)
        await world.terminate_from_outside(operation_id, "cleaning up", "ops@host")
        seen = await world.observe(operation_id)
        assert seen.error is not None
        assert (seen.error.message, seen.actor) == ("cleaning up", "ops@host")

    async def test_termination_without_reason_and_actor_gets_the_engines(self, world: EngineWorld) -> None:
        """The engine fills them in."""
        operation_id = await world.started()
        await world.terminate_from_outside(operation_id, "", "")
        seen = await world.observe(operation_id)
        assert seen.error is not None
        assert (seen.error.message, seen.actor) == ("terminated by user via frontend", "frontend-service")

    async def test_cancelled_execution_runs_until_the_workflow_closes(self, world: EngineWorld) -> None:
        """Then it is CANCELED, with actor and reason."""
        operation_id = await world.started()
        await world.pick_up(operation_id)
        await world.engine.cancel(own_chain(operation_id), "changed my mind")
        assert (await world.observe(operation_id)).state is ExecutionState.RUNNING
        await world.acknowledge_cancel(operation_id)
        seen = await world.observe(operation_id)
        assert seen.state is ExecutionState.CANCELED
        assert seen.error is not None
        assert (seen.error.code, seen.error.message) == (ErrorCode.CANCELED, "changed my mind")
        assert seen.actor == world.identity

    async def test_first_cancel_request_stays(self, world: EngineWorld) -> None:
        """A second one is no error and changes neither reason nor actor."""
        operation_id = await world.started()
        await world.cancel_from_outside(operation_id, "first", "ops@host")
        await world.engine.cancel(own_chain(operation_id), "second")
        await world.acknowledge_cancel(operation_id)
        seen = await world.observe(operation_id)
        assert seen.error is not None
        assert (seen.error.message, seen.actor) == ("first", "ops@host")

    async def test_timed_out_execution_names_the_timeout(self, world: EngineWorld) -> None:
        """A run that exceeds it is TIMED_OUT."""
        operation_id = await world.started(run_timeout=timedelta(seconds=1))
        await world.time_out(operation_id)
        seen = await world.observe(operation_id)
        assert seen.state is ExecutionState.TIMED_OUT
        assert seen.error is not None
        assert seen.error.message == "the workflow did not close within its run timeout of 1 s"
        assert (seen.error.code, seen.error.details) == (ErrorCode.TIMED_OUT, {"timeout": "run", "seconds": 1.0})

    async def test_latest_run_of_a_chain_decides(self, world: EngineWorld) -> None:
        """Continue-as-new is no close: the chain runs until its last run closes, and started with its first."""
        operation_id = await world.started()
        first = await world.observe(operation_id)
        await world.continue_as_new(operation_id)
        between = await world.observe(operation_id)
        assert (between.state, between.started_at) == (ExecutionState.RUNNING, first.started_at)
        await world.complete(operation_id, "at last")
        assert (await world.observe(operation_id)).result == "at last"

    async def test_failed_attempt_leaves_the_chain_running(self, world: EngineWorld) -> None:
        """The workflow's retry policy starts the next run."""
        operation_id = await world.started(retry_policy=RETRYING)
        first = await world.observe(operation_id)
        await world.retry_attempt(operation_id)
        between = await world.observe(operation_id)
        assert (between.state, between.started_at) == (ExecutionState.RUNNING, first.started_at)
        await world.fail(operation_id, "for good")
        assert (await world.observe(operation_id)).state is ExecutionState.FAILED

    async def test_reset_execution_is_running_since_its_first_start(self, world: EngineWorld) -> None:
        """The new run's close counts."""
        operation_id = await world.started()
        await world.pick_up(operation_id)
        first = await world.observe(operation_id)
        await world.terminate_from_outside(operation_id, "by mistake", "ops")
        await world.reset(operation_id)
        again = await world.observe(operation_id)
        assert (again.state, again.started_at) == (ExecutionState.RUNNING, first.started_at)
        await world.complete(operation_id, 42)
        assert (await world.observe(operation_id)).result == 42

    async def test_deleted_execution_is_not_found(self, world: EngineWorld) -> None:
        """The engine does not know it any more."""
        operation_id = await world.started()
        await world.delete(operation_id)
        assert (await world.observe(operation_id)).state is ExecutionState.NOT_FOUND

    async def test_a_repeated_start_starts_nothing(self, world: EngineWorld) -> None:
        """While the execution is pending, running or closed."""
        request = world.request({"n": 1})
        await world.engine.start(request)
        await world.engine.start(request)
        await world.pick_up(request.operation_id)
        await world.engine.start(request)
        await world.complete(request.operation_id, "once")
        await world.engine.start(request)
        assert (await world.observe(request.operation_id)).result == "once"

    async def test_start_carries_the_trace_context(self, world: EngineWorld) -> None:
        """Where the engine's own libraries read it; none if there is none."""
        request, plain = world.request(), await world.started()
        trace = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "tracestate": "a=1"}
        await world.engine.start(replace(request, trace=trace))
        assert await world.trace_of(request.operation_id) == trace
        assert await world.trace_of(plain) == {}

    async def test_every_run_has_the_rule_for_outcome_reports(self, world: EngineWorld) -> None:
        """The start stores it, and further runs keep it."""
        operation_id = await world.started(retry_policy=RETRYING)
        assert await world.outcome_reports_of(operation_id) == OutcomeReports.WHEN_SAFE
        await world.pick_up(operation_id)
        await world.continue_as_new(operation_id)
        assert await world.outcome_reports_of(operation_id) == OutcomeReports.WHEN_SAFE
        await world.pick_up(operation_id)
        await world.retry_attempt(operation_id)
        assert await world.outcome_reports_of(operation_id) == OutcomeReports.WHEN_SAFE

    async def test_workflow_with_final_reports_always_reports_its_outcome(self, world: EngineWorld) -> None:
        """The ledger waits for nothing else."""
        request = replace(world.request(), finality=Finality.WORKFLOW)
        await world.engine.start(request)
        assert await world.outcome_reports_of(request.operation_id) == OutcomeReports.ALWAYS

    async def test_start_with_a_lost_reply_starts_once(self, world: EngineWorld) -> None:
        """The start took effect. Its repeat starts nothing."""
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
        """Several dispatchers may start one operation at once."""
        request = world.request()
        await asyncio.gather(*(world.engine.start(request) for _ in range(8)))
        await world.complete(request.operation_id, "once")
        assert (await world.observe(request.operation_id)).result == "once"

    async def test_execution_of_another_request_exists(self, world: EngineWorld) -> None:
        """Another client started it under the operation's id, and it is open or closed."""
        request = world.request()
        await world.start_from_outside(request.operation_id)
        with pytest.raises(ExecutionExists):
            await world.engine.start(request)
        await world.complete(request.operation_id, None)
        with pytest.raises(ExecutionExists):
            await world.engine.start(request)

    async def test_repeated_start_after_continue_as_new_exists(self, world: EngineWorld) -> None:
        """The engine no longer knows the request, and starts no second execution."""
        request = world.request()
        await world.engine.start(request)
        await world.continue_as_new(request.operation_id)
        with pytest.raises(ExecutionExists):
            await world.engine.start(request)
        await world.complete(request.operation_id, None)
        with pytest.raises(ExecutionExists):
            await world.engine.start(request)

    async def test_repeated_start_after_a_retry_exists(self, world: EngineWorld) -> None:
        """The start is refused as after continue-as-new."""
        request = world.request(retry_policy=RETRYING)
        await world.engine.start(request)
        await world.retry_attempt(request.operation_id)
        with pytest.raises(ExecutionExists):
            await world.engine.start(request)

    async def test_repeated_start_after_a_reset_starts_nothing(self, world: EngineWorld) -> None:
        """The reset run has the same request id."""
        request = world.request()
        await world.engine.start(request)
        await world.pick_up(request.operation_id)
        await world.reset(request.operation_id)
        await world.engine.start(request)

    async def test_start_after_deletion_starts_anew(self, world: EngineWorld) -> None:
        """The engine has deleted the request id with the execution."""
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
    async def test_invalid_type_is_rejected(self, world: EngineWorld, fields: dict[str, object]) -> None:
        """The rejection has a message, and nothing starts."""
        request = world.request(**fields)  # type: ignore[arg-type]
        with pytest.raises(StartRejected, match=r"\w+ .*\w+"):
            await world.engine.start(request)
        assert (await world.observe(request.operation_id)).state is ExecutionState.NOT_FOUND

    @pytest.mark.parametrize("fields", [{"workflow": "w" * 1_000}, {"task_queue": "é" * 500}], ids=["type", "queue"])
    async def test_longest_names_are_accepted(self, world: EngineWorld, fields: dict[str, object]) -> None:
        """The limit is 1,000 bytes of UTF-8."""
        await world.started(**fields)  # type: ignore[arg-type]

    @pytest.mark.parametrize("size", [2_097_119, 4_194_304, 6_000_000])
    async def test_too_large_input_is_rejected(self, world: EngineWorld, size: int) -> None:
        """Too large for a payload or for a message: it is rejected, and never taken for an outage."""
        with pytest.raises(StartRejected, match=r"exceeds limit|larger than max"):
            await world.engine.start(world.request("x" * size))

    async def test_largest_input_is_accepted(self, world: EngineWorld) -> None:
        """The limit is 2 MiB, overhead included."""
        await world.started("x" * 2_097_118)

    async def test_too_deep_input_is_rejected(self, world: EngineWorld) -> None:
        """It cannot be encoded."""
        value: JsonValue = 1
        for _ in range(100_000):
            value = [value]
        with pytest.raises(StartRejected, match="nested too deeply"):
            await world.engine.start(world.request(value))

    async def test_cancel_and_terminate_ignore_closed_and_unknown_executions(self, world: EngineWorld) -> None:
        """They raise nothing."""
        operation_id = await world.started()
        await world.complete(operation_id, "done")
        for target in (operation_id, uuid4()):
            await world.engine.cancel(own_chain(target), "late")
            await world.engine.terminate(own_chain(target), "late")
        assert (await world.observe(operation_id)).result == "done"

    async def test_ping_returns_if_the_engine_answers(self, world: EngineWorld) -> None:
        """It raises nothing."""
        await world.engine.ping()

    async def test_every_call_raises_during_an_outage_and_works_after_it(self, world: EngineWorld) -> None:
        """Soon, and with the same object."""
        operation_id = await world.started()
        request = world.request()
        await world.go_down()
        begun = time.monotonic()
        try:
            for call in (
                lambda: world.engine.start(request),
                lambda: world.engine.observe(own_chain(operation_id)),
                lambda: world.engine.observe(own_chain(operation_id), likely_closed=True),
                lambda: world.engine.changed_since(world.now()),
                lambda: world.engine.with_problems(),
                lambda: world.engine.check_callback(world.callback(operation_id)),
                lambda: world.engine.cancel(own_chain(operation_id), "x"),
                lambda: world.engine.terminate(own_chain(operation_id), "x"),
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
    """The engine in memory."""

    @pytest.fixture
    def world(self, memory_world: MemoryWorld) -> MemoryWorld:
        return memory_world

    async def test_planned_refusals_apply_to_starts_in_order(self, world: MemoryWorld) -> None:
        """One for each start. Later starts are accepted."""
        world.memory.fail_next("no such namespace")
        world.memory.reject_next("no such type")
        for error in (StartFailed, StartRejected):
            with pytest.raises(error, match="no such"):
                await world.started()
        assert world.memory.starts == []
        await world.started()
        assert len(world.memory.starts) == 1

    async def test_unknown_state_can_be_reported(self, world: MemoryWorld) -> None:
        """A later version of the engine may report one."""
        operation_id = await world.started()
        world.memory.report_unknown_state(operation_id)
        assert (await world.observe(operation_id)).state is ExecutionState.UNKNOWN
        world.memory.report_unknown_state(operation_id, False)
        assert (await world.observe(operation_id)).state is ExecutionState.PENDING

    async def test_lost_execution_is_not_found(self, world: MemoryWorld) -> None:
        """Open or closed."""
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
        for event in (world.memory.pick_up, world.memory.complete, world.memory.time_out, world.memory.continue_as_new):
            with pytest.raises(ValueError, match="already COMPLETED"):
                event(operation_id)

    async def test_later_changes_of_an_input_do_not_reach_the_engine(self, world: MemoryWorld) -> None:
        """The engine copies it."""
        value: dict[str, JsonValue] = {"n": 1}
        await world.started(value)
        value["n"] = 2
        assert world.memory.starts[0].input == {"n": 1}


class TestTemporalEngine(EngineContract):
    """The real server."""

    @pytest.fixture
    def world(self, temporal_world: TemporalWorld) -> TemporalWorld:
        return temporal_world
