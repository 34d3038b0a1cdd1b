"""What is committed, and what one unit of work has changed on top of it."""

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from adapters.memory.overlay import Overlay
from application.ports.idempotency_keys import IdempotencyRecord
from domain.errors import OperationNotFound
from domain.operation import Operation
from domain.transition import Transition

KeyId = tuple[str, str]


@dataclass(slots=True)
class Tables:
    """Rows by primary key."""

    operations: dict[UUID, Operation] = field(default_factory=dict)
    history: dict[UUID, tuple[Transition, ...]] = field(default_factory=dict)
    keys: dict[KeyId, IdempotencyRecord] = field(default_factory=dict)
    watermarks: dict[str, datetime] = field(default_factory=dict)


class Draft:
    """A view of the committed rows with this unit's own changes over them."""

    def __init__(self, committed: Tables) -> None:
        self.operations = Overlay(committed.operations)
        self.history = Overlay(committed.history)
        self.keys = Overlay(committed.keys)
        self.watermarks = Overlay(committed.watermarks)

    def commit(self) -> None:
        """Make this unit's changes everybody's. Raises OperationNotFound for a key without its operation."""
        if any(record.operation_id not in self.operations for record in self.keys.changed.values()):
            raise OperationNotFound("an idempotency key belongs to an operation that is not stored")
        self.operations.commit()
        self.history.commit()
        self.keys.commit()
        self.watermarks.commit()

    def rollback(self) -> None:
        """Forget this unit's changes."""
        self.operations.rollback()
        self.history.rollback()
        self.keys.rollback()
        self.watermarks.rollback()
