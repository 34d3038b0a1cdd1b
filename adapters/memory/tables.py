"""What is committed, and what one unit of work has changed on top of it."""

from collections import ChainMap
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

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
        self._committed = committed
        self._own = Tables()
        self.operations = ChainMap(self._own.operations, committed.operations)
        self.history = ChainMap(self._own.history, committed.history)
        self.keys = ChainMap(self._own.keys, committed.keys)
        self.watermarks = ChainMap(self._own.watermarks, committed.watermarks)
        self.forgotten: set[KeyId] = set()

    def commit(self) -> None:
        """Make this unit's changes everybody's. Raises OperationNotFound for a key without its operation."""
        if any(record.operation_id not in self.operations for record in self._own.keys.values()):
            raise OperationNotFound("an idempotency key belongs to an operation that is not stored")
        for name in self.forgotten:
            self._committed.keys.pop(name, None)
        self._committed.operations.update(self._own.operations)
        self._committed.history.update(self._own.history)
        self._committed.keys.update(self._own.keys)
        self._committed.watermarks.update(self._own.watermarks)
        self.rollback()

    def rollback(self) -> None:
        """Forget this unit's changes."""
        for table in (self._own.operations, self._own.history, self._own.keys, self._own.watermarks):
            table.clear()
        self.forgotten.clear()
