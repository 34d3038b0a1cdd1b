"""Read, decide, compare-and-set: how every service changes an operation."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeAlias, TypeVar
from uuid import UUID

from application.ports.operation_repository import StaleOperation
from application.ports.unit_of_work import UnitOfWork, UnitOfWorkFactory
from domain.operation.attention import AttentionKind
from domain.operation.operation import Change, Operation
from domain.operation.transition import Transition

_T = TypeVar("_T")
Decide: TypeAlias = Callable[[Operation], Change | None]
"""What to make of an operation; nothing, where it returns None or the operation itself. It may be asked repeatedly."""
MAX_TRIES = 50
"""An operation is changed a handful of times in its life: losing this often in a row means something else is wrong."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The operation as it is stored now, and what this call changed."""

    operation: Operation
    changed: bool
    transitions: tuple[Transition, ...] = ()
    raised: AttentionKind | None = None
    """The attention that the operation did not need before."""


async def change_operation(units: UnitOfWorkFactory, operation_id: UUID, decide: Decide) -> Outcome | None:
    """Apply what `decide` makes of the operation; decide again whenever somebody else was quicker.

    Returns None if there is no such operation. Raises StaleOperation after MAX_TRIES lost races, and whatever
    `decide` raises.
    """

    async def attempt(unit: UnitOfWork) -> Outcome | None:
        operation = await unit.operations.get(operation_id)
        if operation is None:
            return None
        change = decide(operation)
        if change is None or change.operation is operation:
            return Outcome(operation, changed=False)
        saved = await unit.operations.save(change)
        await unit.commit()
        return outcome_of(operation, change, saved)

    return await until_current(units, operation_id, attempt)


async def until_current(
    units: UnitOfWorkFactory, operation_id: UUID, attempt: Callable[[UnitOfWork], Awaitable[_T]]
) -> _T:
    """Attempt it, each time in a unit of work of its own, until nobody else has changed the operation meanwhile.

    Raises StaleOperation after MAX_TRIES lost races, and whatever else `attempt` raises.
    """
    for _ in range(MAX_TRIES):
        async with units() as unit:
            try:
                return await attempt(unit)
            except StaleOperation:
                continue
    raise StaleOperation(f"operation {operation_id} changed under every one of {MAX_TRIES} attempts")


def outcome_of(before: Operation, change: Change, saved: Operation) -> Outcome:
    """Of a change that is stored."""
    return Outcome(saved, True, change.transitions, _raised(before, saved))


def _raised(before: Operation, after: Operation) -> AttentionKind | None:
    if after.attention is None or (before.attention and before.attention.kind is after.attention.kind):
        return None
    return after.attention.kind
