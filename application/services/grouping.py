"""What comes in at the same time, done as one: as much as came in during the one before.

Whoever comes alone waits for nobody. Whoever is one of many shares the round trips to the database, and its disk's.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from application.ports.unit_of_work import DatabaseContended, DatabaseUnavailable

_K = TypeVar("_K", bound=Hashable)
_Q = TypeVar("_Q")
_A = TypeVar("_A")
GROUP: Final = 32
"""Most requests in a group. A result has up to 3 MiB, and they are all in one statement, which has its time limit."""
AT_ONCE: Final = 2
"""Groups under way: the next is decided on while the database works at one."""
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

    def __init__(self, settle: Callable[[Sequence[Request[_K, _Q, _A]]], Awaitable[None]]) -> None:
        """`settle` does a group's requests in one commit, and tells each its answer after it. It raises
        DatabaseUnavailable where it is not known whether anything is stored; by anything else nothing is."""
        self._settle = settle
        self._waiting: list[Request[_K, _Q, _A]] = []
        self._under_way: set[_K] = set()
        self._tasks: set[asyncio.Task[None] | None] = set()

    async def ask(self, key: _K, question: _Q) -> _A:
        """The answer to it. Requests with the same key are settled one after the other.

        Raises what the request is told, DatabaseUnavailable, and Unsettled. A caller that is cancelled does not learn
        what has become of it, and harms nobody else's.
        """
        loop = asyncio.get_running_loop()
        request: Request[_K, _Q, _A] = Request(key, question, loop.create_future())
        self._waiting.append(request)
        if len(self._tasks) < AT_ONCE:
            self._tasks.add(loop.create_task(self._work()))
        return await request.answer

    async def close(self, within: float = LAST_ONES) -> None:
        """Let what is under way come to its end, if that is so many seconds away at most. Who waits longer is told
        DatabaseUnavailable."""
        tasks = [task for task in self._tasks if task is not None]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=within)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _work(self) -> None:
        """Group after group, while there is one."""
        try:
            while group := self._next_group():
                await self._do(group)
        except asyncio.CancelledError:
            for request in self._waiting:
                request.fail(_ended())
            raise
        finally:
            # Not in a callback of the task, which comes later: who asks in between would wait for ever.
            self._tasks.discard(asyncio.current_task())

    def _next_group(self) -> list[Request[_K, _Q, _A]]:
        """Those that have waited longest, one of a key, none whose key another group has."""
        group: dict[_K, Request[_K, _Q, _A]] = {}
        left = []
        for request in self._waiting:
            if request.answer.done():
                continue
            if len(group) < GROUP and request.key not in group and request.key not in self._under_way:
                group[request.key] = request
            else:
                left.append(request)
        self._waiting = left
        self._under_way.update(group)
        return list(group.values())

    async def _do(self, group: list[Request[_K, _Q, _A]]) -> None:
        """Everybody in it has an answer in the end."""
        end: BaseException = Unsettled()
        try:
            await self._settle(group)
        except DatabaseContended:
            pass  # By one of them; the others have nothing to wait for.
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
            self._under_way.difference_update(request.key for request in group)
            for request in group:
                request.fail(end)


def _ended() -> DatabaseUnavailable:
    return DatabaseUnavailable("the process ends")
