"""One step of a loop that competes with others for what is due: claim, then act on each."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta

from application.ports.unit_of_work import DatabaseUnavailable, UnitOfWork, UnitOfWorkFactory
from domain.operation.operation import Operation

LEASE = timedelta(seconds=30)
"""How long a claimed operation is left to its claimant: longer than an engine's answer usually takes. A claimant that
takes longer, or wakes up later, does no harm: starting and recording may be repeated."""
CONCURRENCY = 16
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Step:
    """What one step did."""

    claimed: int
    engine_available: bool = True
    engine_asked: bool = False
    """The engine was asked and answered, although nothing was claimed."""


async def work_through(
    units: UnitOfWorkFactory,
    claim: Callable[[UnitOfWork], Awaitable[list[Operation]]],
    act: Callable[[Operation], Awaitable[bool]],
) -> Step:
    """Claim in one commit, then act on each operation; `act` says whether the engine was there to answer.

    No transaction is open while the engine is asked. An operation that fails is left to its lease and does not stop
    the others.
    """
    claimed = await claim_in_one(units, claim)
    gate = asyncio.Semaphore(CONCURRENCY)

    async def gated(operation: Operation) -> bool:
        async with gate:
            return await act_on(operation, act)

    available = await asyncio.gather(*(gated(operation) for operation in claimed))
    return Step(len(claimed), all(available))


async def claim_in_one(
    units: UnitOfWorkFactory, claim: Callable[[UnitOfWork], Awaitable[list[Operation]]]
) -> list[Operation]:
    """What is claimed, in a commit of its own."""
    async with units() as unit:
        claimed = await claim(unit)
        await unit.commit()
    return claimed


async def act_on(operation: Operation, act: Callable[[Operation], Awaitable[bool]]) -> bool:
    """What `act` says. Raises nothing: an operation that fails is left to its lease."""
    try:
        return await act(operation)
    except DatabaseUnavailable as outage:
        _log.warning("operation %s is due again after its lease: %s", operation.id, outage)
    except Exception:
        _log.exception("acting on operation %s failed; it is due again after its lease", operation.id)
    return True
