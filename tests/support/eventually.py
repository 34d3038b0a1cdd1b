"""Waiting for what other processes do: nothing announces it, so it is asked again and again."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, overload

TIMEOUT = 90.0
"""Seconds for anything that happens at all: generous, so that only what never happens is a failure."""
_T = TypeVar("_T")


@overload
async def until(check: Callable[[], Awaitable[_T]], within: float = ..., *, every: float = ...) -> _T: ...
@overload
async def until(check: Callable[[], _T], within: float = ..., *, every: float = ...) -> _T: ...
async def until(check: Callable[[], Any], within: float = TIMEOUT, *, every: float = 0.05) -> Any:
    """Ask until the answer is true; the last answer, which is false where the time, in seconds, was not enough.

    Args:
        check: A function or a coroutine function.
        within: Seconds until the last time it is asked.
        every: Seconds from an answer to the next question.
    """
    deadline = time.monotonic() + within
    while True:
        late = time.monotonic() > deadline
        answer = check()
        found = await answer if inspect.isawaitable(answer) else answer
        if found or late:
            return found
        await asyncio.sleep(every)


@overload
async def eventually(check: Callable[[], Awaitable[_T | None]], what: str = ..., *, within: float = ...) -> _T: ...
@overload
async def eventually(check: Callable[[], _T | None], what: str = ..., *, within: float = ...) -> _T: ...
async def eventually(check: Callable[[], Any], what: str = "", *, within: float = TIMEOUT) -> Any:
    """Ask until the answer is true, and return it. AssertionError if it never is; `what` says what was waited for."""
    found = await until(check, within)
    waited_for = what or getattr(check, "__qualname__", repr(check))
    assert found, f"still waiting after {within:g} s for {waited_for}; the last answer: {found!r}"
    return found


def wait_until(check: Callable[[], object], what: str = "", *, within: float = TIMEOUT, every: float = 0.02) -> None:
    """The same for tests without an event loop."""
    deadline = time.monotonic() + within
    while not check():
        assert time.monotonic() < deadline, f"still waiting after {within:g} s for {what or check!r}"
        time.sleep(every)
