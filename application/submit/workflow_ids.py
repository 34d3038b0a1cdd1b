"""Gives new operations their workflow ids, by the policies of their types."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from application.ports.storage.operation_repository import StaleOperation
from application.ports.storage.unit_of_work import UnitOfWork
from domain.errors import OpledgerError, WorkflowIdConflict
from domain.operation.operation import Cause, Change, Operation
from domain.operation.operation_type import OperationCatalogue
from domain.operation.start.superseding import supersede
from domain.operation.start.workflow_id_use import WorkflowIdUse, use_workflow_id
from domain.operation.transition import Source


@dataclass(slots=True)
class Placed:
    """New operations in the order of their submissions, and the outcome of each."""

    made: dict[UUID, Change] = field(default_factory=dict)
    """The operations to store. One that a later one of the batch supersedes is final already."""
    changed: dict[UUID, Change] = field(default_factory=dict)
    """Changes of stored operations, which the new ones supersede."""
    existing: dict[UUID, Operation] = field(default_factory=dict)
    """The open operation that is the answer, by the id of the operation that is not made."""
    refused: dict[UUID, OpledgerError] = field(default_factory=dict)
    """Why an operation is not made, by its id."""

    async def store(self, unit: UnitOfWork, *, wait: bool) -> None:
        """Stores operations and changes. `wait`: waits for operations that are locked.

        Raises StaleOperation, WorkflowIdTaken: look at the operations again.
        """
        left = dict(self.changed)
        while left:  # a statement has a limited size: one that is too large for it is left for the next
            saved = await unit.operations.save_all(list(left.values()), wait=wait)
            if not saved:
                raise StaleOperation
            left = {each: change for each, change in left.items() if each not in saved}
        # In the order of their workflow ids, so that concurrent transactions do not deadlock on the unique index.
        await unit.operations.add_all(sorted(self.made.values(), key=_workflow_id))


async def place(unit: UnitOfWork, changes: Sequence[Change], catalogue: OperationCatalogue) -> Placed:
    """Decides about each new operation, after those before it. Asks the database only about types with a template."""
    types = catalogue.types
    named = {change.operation.workflow_id for change in changes if types[change.operation.type].workflow_id is not None}
    holders = await unit.operations.under_workflow_ids(named) if named else {}
    placed = Placed()
    for change in changes:
        if change.operation.workflow_id in named:
            _place(placed, change, catalogue, holders)
        else:
            placed.made[change.operation.id] = change
    return placed


def _place(placed: Placed, change: Change, catalogue: OperationCatalogue, holders: dict[str, list[Operation]]) -> None:
    new = change.operation
    known = holders.setdefault(new.workflow_id, [])
    use = use_of_workflow_id(new, catalogue, known)
    if isinstance(use, WorkflowIdConflict):
        placed.refused[new.id] = use
        return
    if use.existing is not None:
        placed.existing[new.id] = use.existing
        return
    actor = change.transitions[0].actor
    cause = Cause(Source.CLIENT, "", new.accepted_at, actor=actor)
    ended = {row.id: _superseded(placed, row, new.id, cause) for row in use.superseded}
    placed.made[new.id] = change
    holders[new.workflow_id] = [new, *(ended.get(row.id, row) for row in known)]


def use_of_workflow_id(
    new: Operation, catalogue: OperationCatalogue, holders: Sequence[Operation]
) -> WorkflowIdUse | WorkflowIdConflict:
    """Decides by the policies of the operation's declared type."""
    declared = catalogue.get(new.type)
    return use_workflow_id(
        new.tenant, declared.on_running, declared.on_closed, holders, declared.workflow, catalogue.workflow_of
    )


def _superseded(placed: Placed, row: Operation, successor: UUID, cause: Cause) -> Operation:
    """Supersedes the operation, which is stored or new. Returns it as it will be stored."""
    changes = placed.made if row.id in placed.made else placed.changed
    change = supersede(row, successor, cause)
    changes[row.id] = changes[row.id].then(change) if row.id in changes else change
    return change.operation


def _workflow_id(change: Change) -> str:
    """Empty for an operation whose workflow id is its own id: no other one has it."""
    return change.operation.workflow_id if change.operation.has_given_workflow_id else ""
