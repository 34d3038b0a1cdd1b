"""Waiting for what other processes do: nothing announces it, so it is asked again and again."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, overload

from temporalio.service import RPCError, RPCStatusCode

from application.ports.engine.workflow_engine import EngineUnavailable
from application.ports.storage.unit_of_work import DatabaseUnavailable

TIMEOUT = 300.0
"""Seconds for anything that happens at all: generous, so that only what never happens is a failure."""
_TRANSIENT = {
    RPCStatusCode.UNAVAILABLE,
    RPCStatusCode.CANCELLED,
    RPCStatusCode.DEADLINE_EXCEEDED,
    RPCStatusCode.RESOURCE_EXHAUSTED,
}
_T = TypeVar("_T")


def _is_transient(error: Exception) -> bool:
    if isinstance(error, RPCError):
        return error.status in _TRANSIENT
    return isinstance(error, EngineUnavailable | DatabaseUnavailable)


@overload
async def until(check: Callable[[], Awaitable[_T]], within: float = ..., *, every: float = ...) -> _T: ...
@overload
async def until(check: Callable[[], _T], within: float = ..., *, every: float = ...) -> _T: ...
async def until(check: Callable[[], Any], within: float = TIMEOUT, *, every: float = 0.05) -> Any:
    """Ask until the answer is true; the last answer, which is false where the time, in seconds, was not enough. A
    server that is unavailable is asked again, and its error raised if the time was not enough.

    Args:
        check: A function or a coroutine function.
        within: Seconds until the last time it is asked.
        every: Seconds from an answer to the next question.
    """
    deadline = time.monotonic() + within
    while True:
        late = time.monotonic() > deadline
        try:
            answer = check()
            found = await answer if inspect.isawaitable(answer) else answer
            if found or late:
                return found
        except Exception as error:
            if late or not _is_transient(error):
                raise
        await asyncio.sleep(every)


@overload
async def eventually(check: Callable[[], Awaitable[_T | None]], what: str = ..., *, within: float = ...) -> _T: ...
@overload
async def eventually(check: Callable[[], _T | None], what: str = ..., *, within: float = ...) -> _T: ...
async def eventually(check: Callable[[], Any], what: str = "", *, within: float = TIMEOUT) -> Any:
    """Ask until the answer is true, and return it. AssertionError if it never is; `what` says what was waited for."""
    waited_for = what or getattr(check, "__qualname__", repr(check))
    try:
        found = await until(check, within)
    except Exception as error:
        error.add_note(f"while waiting for {waited_for}")
        raise
    assert found, f"still waiting after {within:g} s for {waited_for}; the last answer: {found!r}"
    return found


def wait_until(check: Callable[[], _T | None], what: str = "", *, within: float = TIMEOUT, every: float = 0.02) -> _T:
    """The same for tests without an event loop."""
    deadline = time.monotonic() + within
    while not (found := check()):
        assert time.monotonic() < deadline, f"still waiting after {within:g} s for {what or check!r}"
        time.sleep(every)
    return found
