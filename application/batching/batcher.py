"""What comes in at the same time, done as one: as much as came in during the one before.

Whoever comes alone waits for nobody. Whoever is one of many shares the round trips to the database, and its disk's.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Sequence
from contextlib import suppress
from contextvars import copy_context
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from application.ports.unit_of_work import DatabaseContended, DatabaseUnavailable

_K = TypeVar("_K", bound=Hashable)
_Q = TypeVar("_Q")
_A = TypeVar("_A")
GROUP: Final = 32
"""Most requests in a group."""
AT_ONCE: Final = 2
"""Groups under way: the next is decided on while the database works at one."""
PATIENCE: Final = 1.0
"""Seconds after which a group that is not done, as on a connection that hangs, holds up the next one no longer."""
LONGEST_WAIT: Final = 5.0
"""Seconds, about, that a request waits for its group: where more comes than the database takes, the wait would grow
without end."""
LAST_ONES: Final = 5.0
"""Seconds for what is under way when the process ends."""


class Unsettled(Exception):
    """The group has left it as it was. Alone it may succeed."""


@dataclass(eq=False, slots=True)
class Request(Generic[_K, _Q, _A]):
    """Somebody waits for the answer to it."""

    key: _K
    question: _Q
    answer: "asyncio.Future[_A]"
    since: float
    """The event loop's time when it came."""

    def tell(self, answer: _A) -> None:
        """Unless nobody waits for it any more."""
        if not self.answer.done():
            self.answer.set_result(answer)

    def fail(self, error: BaseException) -> None:
        """Unless it has its answer already, or nobody waits for it any more."""
        if not self.answer.done():
            self.answer.set_exception(error)


class Grouping(Generic[_K, _Q, _A]):
    """Gathers requests, and has them settled group by group."""

    def __init__(
        self,
        settle: Callable[[Sequence[Request[_K, _Q, _A]]], Awaitable[None]],
        *,
        patience: float = PATIENCE,
    ) -> None:
        """`settle` does a group's requests in one commit, and tells each its answer after it. It raises
        DatabaseUnavailable where it is not known whether anything is stored; by anything else nothing is."""
        self._settle = settle
        self._context = copy_context()
        self._patience = patience
        self._longest_wait = LONGEST_WAIT
        self._waiting: list[Request[_K, _Q, _A]] = []
        self._under_way: set[_K] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._slow: set[asyncio.Task[None]] = set()
        """Of the tasks, those that no one waits for any more."""

    async def ask(self, key: _K, question: _Q) -> _A:
        """The answer to it. Requests with the same key are settled one after the other.

        Raises what the request is told, DatabaseUnavailable, and Unsettled. A caller that is cancelled does not learn
        what has become of it, and harms nobody else's.
        """
        loop = asyncio.get_running_loop()
        request: Request[_K, _Q, _A] = Request(key, question, loop.create_future(), loop.time())
        self._waiting.append(request)
        self._begin()
        return await request.answer

    async def close(self, within: float = LAST_ONES) -> None:
        """Let what is under way come to its end, if that is so many seconds away at most. Who waits longer is told
        DatabaseUnavailable."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within):
                while self._tasks:
                    await asyncio.wait(self._tasks)
        late = list(self._tasks)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    def _begin(self) -> None:
        """Have those who wait served, if there is a place."""
        if self._waiting and len(self._tasks) - len(self._slow) < AT_ONCE:
            # It works for many: what is bound to the context of one (a request's id) is not its own.
            task = asyncio.get_running_loop().create_task(self._work(), context=self._context.copy())
            self._tasks.add(task)

    async def _work(self) -> None:
        """Group after group, while there is one; after a slow one another has the place."""
        task = asyncio.current_task()
        assert task is not None
        try:
            while task not in self._slow and (group := self._next_group()):
                await self._do(group, task)
        except asyncio.CancelledError:
            for request in self._waiting:
                request.fail(_ended())
            raise
        finally:
            # Not in a callback of the task, which comes later: who asks in between would wait for ever.
            self._tasks.discard(task)
            was_slow = task in self._slow
            self._slow.discard(task)
        if was_slow:
            self._begin()

    def _pass_over(self, task: asyncio.Task[None]) -> None:
        self._slow.add(task)
        self._begin()

    def _next_group(self) -> list[Request[_K, _Q, _A]]:
        """Those that have waited longest, one of a key, none whose key another group has. Who has waited for too long
        is told so."""
        too_long = asyncio.get_running_loop().time() - self._longest_wait
        group: dict[_K, Request[_K, _Q, _A]] = {}
        left = []
        for request in self._waiting:
            if request.answer.done():
                continue
            if request.since < too_long:
                request.fail(DatabaseUnavailable("more comes in than the database takes"))
            elif len(group) < GROUP and request.key not in group and request.key not in self._under_way:
                group[request.key] = request
            else:
                left.append(request)
        self._waiting = left
        self._under_way.update(group)
        return list(group.values())

    async def _do(self, group: list[Request[_K, _Q, _A]], task: asyncio.Task[None]) -> None:
        """Everybody in it has an answer in the end."""
        end: BaseException = Unsettled()
        patience = asyncio.get_running_loop().call_later(self._patience, self._pass_over, task)
        try:
            await self._settle(group)
        except DatabaseContended as contended:
            # One of several: the others have nothing to wait for. One by itself has waited as long as it would alone.
            if len(group) == 1:
                end = contended
        except DatabaseUnavailable as outage:
            end = outage
        except asyncio.CancelledError:
            end = _ended()
            raise
        except Exception:
            pass  # Of whose doing it is shows where each is done alone.
        except BaseException as error:
            end = error
        finally:
            patience.cancel()
            self._under_way.difference_update(request.key for request in group)
            for request in group:
                request.fail(end)


def _ended() -> DatabaseUnavailable:
    return DatabaseUnavailable("the process ends")
