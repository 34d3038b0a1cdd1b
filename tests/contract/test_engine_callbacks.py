"""The contract of completion callbacks: the engine calls once at every close of a chain, or says that it will not."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest

from application.ports.workflow_engine import CallbackRefused, CompletionCallback, StartRejected
from domain.evidence.finality import OutcomeReports
from domain.evidence.observation import ExecutionState
from domain.operation.chain import Chain
from tests.contract.engine_memory import MemoryWorld
from tests.contract.engine_temporal import TemporalWorld
from tests.contract.engine_world import RETRYING, EngineWorld

STATE = "nexus-operation-state"


class CallbacksContract:
    """What every workflow engine does with callbacks."""

    async def test_close_calls_once(self, world: EngineWorld) -> None:
        """One message, with the headers that were given at the start and the closing's own."""
        operation_id = await world.with_callback()
        await world.complete(operation_id, {"n": 1})
        await asyncio.sleep(world.quiet)
        [message] = await world.delivered(operation_id, 1)
        assert message.headers["x-token"] == f"token of {operation_id}"
        assert message.headers[STATE] == "succeeded"
        assert message.headers.keys() >= {"nexus-operation-close-time", "nexus-operation-start-time", "content-type"}

    async def test_open_calls_nobody(self, world: EngineWorld) -> None:
        """Starting, running, going on as new, failing an attempt and being reset are no closes; the chain's end is one,
        whichever run it is the end of."""
        continued, retried = await world.with_callback(), await world.with_callback(retry_policy=RETRYING)
        reset = await world.with_callback()
        await world.continue_as_new(continued)
        await world.retry_attempt(retried)
        await world.pick_up(reset)
        await world.reset(reset)
        await asyncio.sleep(world.quiet)
        assert [await world.delivered(ours, 0) for ours in (continued, retried, reset)] == [[], [], []]
        await world.complete(continued, 1)
        await world.fail(retried, "for good")
        await world.complete(reset, 2)
        await asyncio.sleep(world.quiet)
        states = [[m.headers[STATE] for m in await world.delivered(ours, 1)] for ours in (continued, retried, reset)]
        assert states == [["succeeded"], ["failed"], ["succeeded"]]

    async def test_every_close_calls(self, world: EngineWorld) -> None:
        """A closed execution that is reset has closed twice in the end."""
        operation_id = await world.with_callback()
        await world.pick_up(operation_id)
        await world.terminate_from_outside(operation_id, "by mistake", "ops")
        await world.delivered(operation_id, 1)
        await world.reset(operation_id)
        await world.complete(operation_id, 42)
        messages = await world.delivered(operation_id, 2)
        assert [message.headers[STATE] for message in messages] == ["failed", "succeeded"]

    async def test_every_way_of_ending_calls(self, world: EngineWorld) -> None:
        """Also those that the workflow has no say in."""
        timed_out = await world.with_callback(run_timeout=timedelta(seconds=1))
        canceled, terminated = await world.with_callback(), await world.with_callback()
        await world.pick_up(canceled)
        await world.engine.cancel(Chain(canceled), "x")
        await world.acknowledge_cancel(canceled)
        await world.terminate_from_outside(terminated, "x", "ops")
        await world.time_out(timed_out)
        states = [(await world.delivered(ours, 1))[0].headers[STATE] for ours in (canceled, terminated, timed_out)]
        assert states == ["canceled", "failed", "failed"]

    async def test_deletion_may_call(self, world: EngineWorld) -> None:
        """An open execution that is deleted is terminated by that. The real server seldom comes to call before all is
        gone (measured: 7 times in 40), so nobody may count on it."""
        operation_id = await world.with_callback()
        await world.delete(operation_id)
        await asyncio.sleep(world.quiet)
        states = [message.headers[STATE] for message in await world.delivered(operation_id, 0)]
        assert states in ([], ["failed"])

    async def test_refused_callback_starts_nothing(self, world: EngineWorld) -> None:
        """A start with a callback that the engine does not take is refused as such; without it, it goes through."""
        request = world.request()
        with pytest.raises(CallbackRefused, match="does not match any configured callback address"):
            await world.engine.start(replace(request, callback=world.refused_callback(request.operation_id)))
        assert (await world.observe(request.operation_id)).state is ExecutionState.NOT_FOUND
        await world.engine.start(request)
        assert (await world.observe(request.operation_id)).state is ExecutionState.PENDING
        assert await world.outcome_reports_of(request.operation_id) == OutcomeReports.WHEN_SAFE

    async def test_execution_with_a_callback_does_not_report_its_outcome(self, world: EngineWorld) -> None:
        """The engine calls when the chain closes; the rule holds in every run of it."""
        operation_id = await world.with_callback()
        assert await world.outcome_reports_of(operation_id) == OutcomeReports.NEVER
        await world.pick_up(operation_id)
        await world.continue_as_new(operation_id)
        assert await world.outcome_reports_of(operation_id) == OutcomeReports.NEVER

    async def test_refused_type_is_no_refused_callback(self, world: EngineWorld) -> None:
        """What is wrong with the type is said first."""
        request = world.request(workflow="")
        with pytest.raises(StartRejected):
            await world.engine.start(replace(request, callback=world.refused_callback(request.operation_id)))

    @pytest.mark.parametrize(
        ("url", "headers", "words"),
        [
            ("ftp://127.0.0.1/x", {}, "unknown scheme"),
            ("", {}, "unknown scheme"),
            ("http:///x", {}, "missing host"),
            ("http://127.0.0.1:1/" + "x" * 1_000, {}, "longer than max length"),
            ("http://127.0.0.1:1/", {"token": "x" * 9_000}, "header size longer than max"),
        ],
        ids=["scheme", "empty", "no host", "long", "headers"],
    )
    async def test_impossible_callback(self, world: EngineWorld, url: str, headers: dict[str, str], words: str) -> None:
        """No start goes through with what is no callback, and asking says the same."""
        callback = CompletionCallback(url, headers)
        with pytest.raises(CallbackRefused, match=words):
            await world.engine.start(replace(world.request(), callback=callback))
        with pytest.raises(CallbackRefused, match=words):
            await world.engine.check_callback(callback)

    async def test_asking_starts_nothing(self, world: EngineWorld) -> None:
        """Whether a callback would be taken can be asked, both ways, at no cost."""
        operation_id = uuid4()
        await world.engine.check_callback(world.callback(operation_id))
        with pytest.raises(CallbackRefused, match="does not match any configured callback address"):
            await world.engine.check_callback(world.refused_callback(operation_id))
        await asyncio.sleep(world.quiet)
        assert await world.delivered(operation_id, 0) == []
        assert (await world.observe(operation_id)).state is ExecutionState.NOT_FOUND


class TestMemoryCallbacks(CallbacksContract):
    """The engine in memory keeps the contract."""

    @pytest.fixture
    def world(self, memory_world: MemoryWorld) -> MemoryWorld:
        return memory_world

    async def test_deletion_calls(self, world: MemoryWorld) -> None:
        """In memory the callback always makes it."""
        operation_id = await world.with_callback()
        world.memory.delete(operation_id)
        assert [pending.operation_id for pending in world.memory.callbacks] == [operation_id]

    async def test_forgetting_calls_nobody(self, world: MemoryWorld) -> None:
        """Retention and a restored backup make no close; deleting what has closed makes none either."""
        lost, closed = await world.with_callback(), await world.with_callback()
        world.memory.lose(lost)
        world.memory.complete(closed)
        world.memory.delete(closed)
        assert [pending.operation_id for pending in world.memory.callbacks] == [closed]

    async def test_callbacks_are_taken_again(self, world: MemoryWorld) -> None:
        """The operator has changed the list of addresses."""
        world.memory.refuse_callbacks()
        with pytest.raises(CallbackRefused):
            await world.with_callback()
        world.memory.refuse_callbacks(False)
        await world.with_callback()


class TestTemporalCallbacks(CallbacksContract):
    """The real server keeps the contract."""

    @pytest.fixture
    def world(self, temporal_world: TemporalWorld) -> TemporalWorld:
        return temporal_world
