"""Steps that claim more as soon as there is room for it, so that nothing waits for the slowest of what was claimed."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

from application.batching.step import CONCURRENCY, Step, act_on, claim_in_one, work_through
from application.ports.unit_of_work import UnitOfWork, UnitOfWorkFactory
from domain.operation.operation import Operation

Claim = Callable[[UnitOfWork, int], Awaitable[list[Operation]]]
"""Up to so many of what is due."""
Act = Callable[[Operation], Awaitable[bool]]
"""Whether the engine was there to answer."""
MOST = 2 * CONCURRENCY
"""Under way at most, half of them waiting for their turn: so a claim is for many, and no turn waits for a claim."""


@contextlib.asynccontextmanager
async def refilling(
    units: UnitOfWorkFactory, claim: Claim, act: Act
) -> AsyncIterator[Callable[[int], Awaitable[Step]]]:
    """The step, for the block. Its end cancels what is under way, which is left to its lease."""
    refill = _Refill(units, claim, act)
    try:
        yield refill.step
    finally:
        await refill.cancel()


class _Refill:
    """Under the rules of `work_through`, but that acting goes on in the background."""

    def __init__(self, units: UnitOfWorkFactory, claim: Claim, act: Act) -> None:
        self._units = units
        self._claim = claim
        self._act = act
        self._gate = asyncio.Semaphore(CONCURRENCY)
        self._under_way: set[asyncio.Task[None]] = set()
        self._ended = asyncio.Event()
        self._found_away = False
        """The engine, by one of those under way."""
        self._trying = False
        """Whether it has come back; once a step has told that it is away."""

    async def step(self, limit: int) -> Step:
        """Wait for room, and claim what fits in, up to `limit`. Once the engine was away, a step ends with all that was
        under way and claims nothing; the next ones wait for what they claim, until one finds the engine there."""
        if self._trying:
            return await self._try_again(limit)
        await self._at_most_under_way(CONCURRENCY)
        if self._found_away:
            await self._at_most_under_way(0)
            self._found_away, self._trying = False, True
            return Step(0, engine_available=False)
        room = min(limit, MOST - len(self._under_way))
        claimed = await claim_in_one(self._units, lambda unit: self._claim(unit, room))
        for operation in claimed:
            task = asyncio.create_task(self._act_in_turn(operation))
            self._under_way.add(task)
            task.add_done_callback(self._end)
        return Step(len(claimed))

    async def cancel(self) -> None:
        """Come back when nothing is under way any more."""
        for task in self._under_way:
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)

    async def _try_again(self, limit: int) -> Step:
        done = await work_through(self._units, lambda unit: self._claim(unit, limit), self._act)
        self._trying = not (done.claimed and done.engine_available)
        return done

    async def _act_in_turn(self, operation: Operation) -> None:
        async with self._gate:
            available = await act_on(operation, self._act)
        self._found_away = self._found_away or not available

    def _end(self, task: asyncio.Task[None]) -> None:
        self._under_way.remove(task)
        self._ended.set()

    async def _at_most_under_way(self, many: int) -> None:
        while len(self._under_way) > many:
            self._ended.clear()
            await self._ended.wait()
