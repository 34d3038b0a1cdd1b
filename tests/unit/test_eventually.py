"""The helper that waits for what other processes do."""

import pytest
from temporalio.service import RPCError, RPCStatusCode

from application.ports.engine.workflow_engine import EngineUnavailable
from application.ports.storage.unit_of_work import DatabaseUnavailable
from domain.evidence.observation import ExecutionState
from tests.contract.engine.memory import MemoryWorld
from tests.support.eventually import eventually, until
from tests.support.ledger.in_memory import WatchedEngine

TRANSIENT = [
    EngineUnavailable("operation was canceled"),
    DatabaseUnavailable(),
    *(
        RPCError("away", status, b"")
        for status in (
            RPCStatusCode.UNAVAILABLE,
            RPCStatusCode.CANCELLED,
            RPCStatusCode.DEADLINE_EXCEEDED,
            RPCStatusCode.RESOURCE_EXHAUSTED,
        )
    ),
]


@pytest.mark.parametrize("error", TRANSIENT, ids=str)
async def test_transient_error_is_no_answer(error: Exception) -> None:
    """A server that is unavailable for a moment is asked again."""
    errors = [error, error]

    async def ask() -> int:
        if errors:
            raise errors.pop()
        return 7

    assert await until(ask, every=0) == 7
    assert errors == []


@pytest.mark.parametrize("error", TRANSIENT, ids=str)
async def test_transient_error_is_raised_at_the_deadline(error: Exception) -> None:
    """With what was waited for."""

    async def ask() -> None:
        raise error

    with pytest.raises(type(error)) as raised:
        await eventually(ask, "the end", within=0)
    assert "while waiting for the end" in raised.value.__notes__


@pytest.mark.parametrize("error", [RPCError("no such workflow", RPCStatusCode.NOT_FOUND, b""), ValueError("a bug")])
async def test_other_error_is_raised_at_once(error: Exception) -> None:
    """It is an answer."""

    async def ask() -> None:
        raise error

    with pytest.raises(type(error)):
        await until(ask, within=3600)


async def test_false_answer_at_the_deadline_is_an_assertion_error() -> None:
    """It names what was waited for, and the last answer."""
    with pytest.raises(AssertionError, match=r"for the end; the last answer: 0"):
        await eventually(lambda: 0, "the end", within=0)


async def test_engine_that_is_unavailable_for_a_moment_is_asked_again() -> None:
    """By the contract tests of the engine: when they start an execution, and when they observe one."""
    world = MemoryWorld()
    engine = world.engine = WatchedEngine(world.memory)

    def fail_once(call: str) -> None:
        async def fail() -> None:
            del engine.before[(call, None)]
            raise EngineUnavailable("operation was canceled")

        engine.before[(call, None)] = fail

    fail_once("start")
    operation_id = await world.started()
    fail_once("start")
    await world.with_callback()
    fail_once("observe")
    assert (await world.observe(operation_id)).state is ExecutionState.PENDING
    fail_once("observe")
    assert (await world.observe(world.chain(operation_id), likely_closed=True)).state is ExecutionState.PENDING
    assert (len(engine.calls["start"]), len(engine.calls["observe"])) == (4, 4)
