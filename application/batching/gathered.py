"""One question for all that is asked at the same time."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextvars import copy_context
from typing import Generic, TypeVar

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")


class Gathered(Generic[_Key, _Value]):
    """Look-ups by key. The first is asked at once, and what is asked until its answer is there goes together as the
    next question: a busy process asks little more often than an idle one, and nobody is given what was read before he
    asked."""

    def __init__(
        self,
        ask: Callable[[Collection[_Key]], Awaitable[Mapping[_Key, _Value]]],
        *,
        patience: float,
        most: int | None = None,
        at_once: int | None = None,
    ) -> None:
        """`ask` gives what there is of the keys. What it raises is raised to all who are in the question. `patience`:
        seconds after which a question that is not answered holds up the next one no longer. `most`: keys in a question;
        `at_once`: questions that are under way; None: any number."""
        self._ask = ask
        self._context = copy_context()
        self._patience = patience
        self._most = most
        self._at_once = at_once
        self._waiting: list[tuple[_Key, asyncio.Future[_Value | None]]] = []
        self._gathering: asyncio.Task[None] | None = None
        self._answering: set[asyncio.Task[None]] = set()

    async def get(self, key: _Key) -> _Value | None:
        """What is under the key, or None. Whoever gives up does not end the question for the others."""
        answer: asyncio.Future[_Value | None] = asyncio.get_running_loop().create_future()
        self._waiting.append((key, answer))
        if self._gathering is None or self._gathering.done():
            # It works for many: what is bound to the context of one (a request's id) is not its own.
            self._gathering = asyncio.get_running_loop().create_task(self._gather(), context=self._context.copy())
        return await answer

    async def _gather(self) -> None:
        while self._waiting:
            if len(self._answering) == self._at_once:
                await asyncio.wait(self._answering, return_when=asyncio.FIRST_COMPLETED)
            together = self._waiting[: self._most]
            del self._waiting[: self._most]
            answering = asyncio.create_task(self._answer(together))
            self._answering.add(answering)  # or nobody would hold on to it once patience is over
            answering.add_done_callback(self._answering.discard)
            await asyncio.wait({answering}, timeout=self._patience)

    async def _answer(self, together: list[tuple[_Key, asyncio.Future[_Value | None]]]) -> None:
        wanted = [(key, answer) for key, answer in together if not answer.done()]
        if not wanted:
            return
        try:
            found = await self._ask({key for key, _ in wanted})
        except Exception as error:
            for _, answer in wanted:
                if not answer.done():
                    answer.set_exception(error)
        else:
            for key, answer in wanted:
                if not answer.done():
                    answer.set_result(found.get(key))
