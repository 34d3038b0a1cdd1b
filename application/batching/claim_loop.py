"""Claims due operations and acts on them. Any number of processes compete for the same operations."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from types import TracebackType
from typing import Final, Self

from application.ports.storage.unit_of_work import DatabaseUnavailable, UnitOfWork, UnitOfWorkFactory
from domain.operation.operation import Operation

LEASE: Final = timedelta(seconds=30)
"""Time for which a claimed operation belongs to its claimant: longer than Temporal usually takes to answer. A claimant
that takes longer, or resumes later, does no harm: starting and recording can be repeated."""
CONCURRENCY: Final = 16
"""Operations that are acted on at the same time."""
MAX_IN_FLIGHT: Final = 2 * CONCURRENCY
"""Claimed operations, half of them queued: so a claim is for many, and no slot waits for a claim."""
Claim = Callable[[UnitOfWork, int], Awaitable[list[Operation]]]
"""Claims up to that many due operations."""
Act = Callable[[Operation], Awaitable[bool]]
"""Acts on a claimed operation. Returns whether the engine was available."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ClaimResult:
    """Result of one step of a loop."""

    claimed: int
    engine_available: bool = True
    engine_asked: bool = False
    """The engine answered a request, although nothing was claimed."""


class ClaimLoop:
    """Claims more operations as soon as there is room, so that none waits for the slowest of an earlier claim.

    No transaction is open while the engine is asked. An operation whose action fails becomes due again after its lease,
    and stops no other. At the end of the `async with` block the operations in flight are cancelled, and left to their
    leases.
    """

    def __init__(self, units: UnitOfWorkFactory, claim: Claim, act: Act) -> None:
        self._units = units
        self._claim = claim
        self._act = act
        self._slots = asyncio.Semaphore(CONCURRENCY)
        self._in_flight: set[asyncio.Task[None]] = set()
        self._ended = asyncio.Event()
        """Set whenever an action ends."""
        self._engine_lost = False
        """An action found the engine unavailable."""
        self._probing = False
        """The engine was unavailable, and no action has found it available since."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._in_flight:
            task.cancel()
        await asyncio.gather(*self._in_flight, return_exceptions=True)

    async def step(self, limit: int) -> ClaimResult:
        """Waits for room and claims up to `limit` operations. They are acted on in the background.

        Once the engine is unavailable, a step waits for what is in flight and claims nothing. The following steps also
        wait for what they claim, until the engine is available again. So an outage delays few operations.
        """
        if self._probing:
            return await self._probe(limit)
        await self._wait_for_room()
        if self._engine_lost:
            self._probing = True
            return ClaimResult(0, engine_available=await self.drain())
        return ClaimResult(await self._claim_up_to(limit))

    async def drain(self) -> bool:
        """Waits for everything in flight. Returns whether the engine was available to all of it."""
        await asyncio.gather(*self._in_flight)
        available, self._engine_lost = not self._engine_lost, False
        return available

    async def _probe(self, limit: int) -> ClaimResult:
        claimed = await self._claim_up_to(limit)
        available = await self.drain()
        self._probing = not (claimed and available)
        return ClaimResult(claimed, available)

    async def _claim_up_to(self, limit: int) -> int:
        room = MAX_IN_FLIGHT - len(self._in_flight)
        async with self._units() as unit:
            claimed = await self._claim(unit, min(limit, room))
            await unit.commit()
        for operation in claimed:
            task = asyncio.create_task(self._act_on(operation))
            self._in_flight.add(task)
            task.add_done_callback(self._end)
        return len(claimed)

    async def _act_on(self, operation: Operation) -> None:
        async with self._slots:
            try:
                available = await self._act(operation)
            except DatabaseUnavailable as error:
                _log.warning("operation %s is due again after its lease: %s", operation.id, error)
            except Exception:
                _log.exception("acting on operation %s failed; it is due again after its lease", operation.id)
            else:
                self._engine_lost = self._engine_lost or not available

    def _end(self, task: asyncio.Task[None]) -> None:
        self._in_flight.discard(task)
        self._ended.set()

    async def _wait_for_room(self) -> None:
        while len(self._in_flight) > CONCURRENCY:
            self._ended.clear()
            await self._ended.wait()
