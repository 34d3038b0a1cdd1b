"""Optimistic updates of operations: read, decide, compare-and-set, and try again on a conflict."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Self, TypeAlias, TypeVar
from uuid import UUID

from application.ports.storage.operation_repository import StaleOperation, WorkflowIdTaken
from application.ports.storage.unit_of_work import UnitOfWork, UnitOfWorkFactory
from domain.operation.attention import AttentionKind
from domain.operation.operation import Change, Operation
from domain.operation.transition import Transition

_T = TypeVar("_T")
Decide: TypeAlias = Callable[[Operation], Change | None]
"""Returns the change to an operation; None, or the operation itself, changes nothing. May be called repeatedly."""
MAX_TRIES: Final = 50
"""An operation changes a handful of times in its life: that many conflicts in a row mean that something else fails."""
CONFLICTS: Final = (StaleOperation, WorkflowIdTaken)
"""Errors of a unit of work to which another one was faster."""


@dataclass(frozen=True, slots=True)
class UpdateResult:
    """The operation as it is stored now, and what this update changed."""

    operation: Operation
    changed: bool
    transitions: tuple[Transition, ...] = ()
    raised: AttentionKind | None = None
    """The attention that the operation did not need before."""

    @classmethod
    def of(cls, before: Operation, change: Change, saved: Operation) -> Self:
        """The result of a change that was saved."""
        kind = None if saved.attention is None else saved.attention.kind
        known = before.attention is not None and before.attention.kind is kind
        return cls(saved, True, change.transitions, None if known else kind)


async def optimistic_update(units: UnitOfWorkFactory, operation_id: UUID, decide: Decide) -> UpdateResult | None:
    """Applies what `decide` makes of the operation, and decides again after each conflict.

    Returns None if the operation does not exist. Raises StaleOperation after MAX_TRIES conflicts, and whatever `decide`
    raises.
    """

    async def attempt(unit: UnitOfWork) -> UpdateResult | None:
        operation = await unit.operations.get(operation_id)
        if operation is None:
            return None
        change = decide(operation)
        if change is None or change.operation is operation:
            return UpdateResult(operation, changed=False)
        saved = await unit.operations.save(change)
        await unit.commit()
        return UpdateResult.of(operation, change, saved)

    return await retry_on_conflict(units, f"operation {operation_id}", attempt)


async def retry_on_conflict(
    units: UnitOfWorkFactory,
    subject: str,
    attempt: Callable[[UnitOfWork], Awaitable[_T]],
    conflicts: tuple[type[Exception], ...] = CONFLICTS,
) -> _T:
    """Runs `attempt` in a new unit of work until it raises none of the conflicts.

    Raises StaleOperation, which names the subject, after MAX_TRIES conflicts, and whatever else `attempt` raises.
    """
    for _ in range(MAX_TRIES):
        try:
            async with units() as unit:
                return await attempt(unit)
        except conflicts:
            continue
    raise StaleOperation(f"{subject} changed during each of {MAX_TRIES} attempts")
