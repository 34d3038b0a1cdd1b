"""Contract of completion callbacks: the engine sends one at every close of a chain, or refuses the start."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest

from application.ports.engine.workflow_engine import CallbackRefused, CompletionCallback, StartRejected
from domain.evidence.finality import OutcomeReports
from domain.evidence.observation import ExecutionState
from tests.contract.engine.memory import MemoryWorld
from tests.contract.engine.temporal import TemporalWorld
from tests.contract.engine.world import RETRYING, EngineWorld
from tests.support.chains import own_chain

STATE = "nexus-operation-state"


class CallbacksContract:
    """Callbacks of every workflow engine."""

    async def test_close_sends_one_callback(self, world: EngineWorld) -> None:
        """The callback has the headers of the start and those of the close."""
        operation_id = await world.with_callback()
        await world.complete(operation_id, {"n": 1})
        await asyncio.sleep(world.quiet)
        [message] = await world.delivered(operation_id, 1)
        assert message.headers["x-token"] == f"token of {operation_id}"
        assert message.headers[STATE] == "succeeded"
        assert message.headers.keys() >= {"nexus-operation-close-time", "nexus-operation-start-time", "content-type"}

    async def test_open_chain_sends_no_callback(self, world: EngineWorld) -> None:
        """Continue-as-new, a retry and a reset are no closes. The end of the chain's last run is one."""
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

    async def test_every_close_sends_a_callback(self, world: EngineWorld) -> None:
        """A closed execution that is reset closes twice."""
        operation_id = await world.with_callback()
        await world.pick_up(operation_id)
        await world.terminate_from_outside(operation_id, "by mistake", "ops")
        await world.delivered(operation_id, 1)
        await world.reset(operation_id)
        await world.complete(operation_id, 42)
        messages = await world.delivered(operation_id, 2)
        assert [message.headers[STATE] for message in messages] == ["failed", "succeeded"]

    async def test_every_kind_of_close_sends_a_callback(self, world: EngineWorld) -> None:
        """Termination and timeout too."""
        timed_out = await world.with_callback(run_timeout=timedelta(seconds=1))
        canceled, terminated = await world.with_callback(), await world.with_callback()
        await world.pick_up(canceled)
        await world.engine.cancel(own_chain(canceled), "x")
        await world.acknowledge_cancel(canceled)
        await world.terminate_from_outside(terminated, "x", "ops")
        await world.time_out(timed_out)
        states = [(await world.delivered(ours, 1))[0].headers[STATE] for ours in (canceled, terminated, timed_out)]
        assert states == ["canceled", "failed", "failed"]

    async def test_deletion_may_send_a_callback(self, world: EngineWorld) -> None:
        """The deletion of an open execution terminates it. The real server rarely sends the callback before everything
        is deleted (measured: 7 times in 40), so the ledger cannot rely on it."""
        operation_id = await world.with_callback()
        await world.delete(operation_id)
        await asyncio.sleep(world.quiet)
        states = [message.headers[STATE] for message in await world.delivered(operation_id, 0)]
        assert states in ([], ["failed"])

    async def test_refused_callback_starts_nothing(self, world: EngineWorld) -> None:
        """The error is CallbackRefused. The same start without the callback succeeds."""
        request = world.request()
        with pytest.raises(CallbackRefused, match="does not match any configured callback address"):
            await world.engine.start(replace(request, callback=world.refused_callback(request.operation_id)))
        assert (await world.observe(request.operation_id)).state is ExecutionState.NOT_FOUND
        await world.engine.start(request)
        assert (await world.observe(request.operation_id)).state is ExecutionState.PENDING
        assert await world.outcome_reports_of(request.operation_id) == OutcomeReports.WHEN_SAFE

    async def test_execution_with_a_callback_does_not_report_its_outcome(self, world: EngineWorld) -> None:
        """The engine sends a callback when the chain closes. The rule is in the memo of every run."""
        operation_id = await world.with_callback()
        assert await world.outcome_reports_of(operation_id) == OutcomeReports.NEVER
        await world.pick_up(operation_id)
        await world.continue_as_new(operation_id)
        assert await world.outcome_reports_of(operation_id) == OutcomeReports.NEVER

    async def test_invalid_type_is_refused_before_the_callback(self, world: EngineWorld) -> None:
        """The error is StartRejected."""
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
    async def test_invalid_callback_is_refused(
        self, world: EngineWorld, url: str, headers: dict[str, str], words: str
    ) -> None:
        """By a start, and by the check."""
        callback = CompletionCallback(url, headers)
        with pytest.raises(CallbackRefused, match=words):
            await world.engine.start(replace(world.request(), callback=callback))
        with pytest.raises(CallbackRefused, match=words):
            await world.engine.check_callback(callback)

    async def test_callback_check_starts_nothing(self, world: EngineWorld) -> None:
        """Neither for an accepted callback nor for a refused one."""
        operation_id = uuid4()
        await world.engine.check_callback(world.callback(operation_id))
        with pytest.raises(CallbackRefused, match="does not match any configured callback address"):
            await world.engine.check_callback(world.refused_callback(operation_id))
        await asyncio.sleep(world.quiet)
        assert await world.delivered(operation_id, 0) == []
        assert (await world.observe(operation_id)).state is ExecutionState.NOT_FOUND


class TestMemoryCallbacks(CallbacksContract):
    """The in-memory engine fulfils the contract."""

    @pytest.fixture
    def world(self, memory_world: MemoryWorld) -> MemoryWorld:
        return memory_world

    async def test_deletion_sends_a_callback(self, world: MemoryWorld) -> None:
        """The in-memory engine always sends it."""
        operation_id = await world.with_callback()
        world.memory.delete(operation_id)
        assert [pending.operation_id for pending in world.memory.callbacks] == [operation_id]

    async def test_lost_execution_sends_no_callback(self, world: MemoryWorld) -> None:
        """Retention and a restored backup are no closes, and neither is the deletion of a closed execution."""
        lost, closed = await world.with_callback(), await world.with_callback()
        world.memory.lose(lost)
        world.memory.complete(closed)
        world.memory.delete(closed)
        assert [pending.operation_id for pending in world.memory.callbacks] == [closed]

    async def test_callbacks_can_be_accepted_again(self, world: MemoryWorld) -> None:
        """After the operator changed the allowed addresses."""
        world.memory.refuse_callbacks()
        with pytest.raises(CallbackRefused):
            await world.with_callback()
        world.memory.refuse_callbacks(False)
        await world.with_callback()


class TestTemporalCallbacks(CallbacksContract):
    """The real server fulfils the contract."""

    @pytest.fixture
    def world(self, temporal_world: TemporalWorld) -> TemporalWorld:
        return temporal_world
