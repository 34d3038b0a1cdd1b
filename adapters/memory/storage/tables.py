"""The committed tables, and the changes of one unit of work."""

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from adapters.memory.storage.change_log import ChangeLog
from adapters.memory.storage.overlay import Overlay
from application.ports.idempotency_keys import IdempotencyRecord
from domain.errors import OperationNotFound
from domain.operation.operation import Operation
from domain.operation.transition import Transition

KeyId = tuple[str, str]


@dataclass(frozen=True, slots=True)
class TurnRow:
    """A lease: when it ends, and the mark up to which its work is done."""

    until: datetime
    mark: datetime | None


@dataclass(slots=True)
class Tables:
    """Rows by primary key."""

    operations: dict[UUID, Operation] = field(default_factory=dict)
    history: dict[UUID, tuple[Transition, ...]] = field(default_factory=dict)
    keys: dict[KeyId, IdempotencyRecord] = field(default_factory=dict)
    watermarks: dict[str, datetime] = field(default_factory=dict)
    turns: dict[str, TurnRow] = field(default_factory=dict)
    log: ChangeLog = field(default_factory=ChangeLog)


class Draft:
    """The committed rows with the changes of one unit of work."""

    def __init__(self, committed: Tables) -> None:
        self._committed = committed
        self.operations = Overlay(committed.operations)
        self.history = Overlay(committed.history)
        self.keys = Overlay(committed.keys)
        self.watermarks = Overlay(committed.watermarks)
        self.turns = Overlay(committed.turns)

    def commit(self) -> None:
        """Commits the changes. Raises OperationNotFound for a key without its operation."""
        if any(record.operation_id not in self.operations for record in self.keys.changed.values()):
            raise OperationNotFound("an idempotency key belongs to an operation that is not stored")
        changed, written = self._changes()
        self.operations.commit()
        self.history.commit()
        self.keys.commit()
        self.watermarks.commit()
        self.turns.commit()
        self._committed.log.note(changed, written)

    def _changes(self) -> tuple[list[UUID], list[tuple[UUID, int]]]:
        """Returns the operations with a new version, and the new history lines."""
        before = self._committed
        changed = [
            row.id
            for row in self.operations.changed.values()
            if row.id not in before.operations or before.operations[row.id].version != row.version
        ]
        written = [
            (operation_id, line.sequence)
            for operation_id, lines in self.history.changed.items()
            for line in lines[len(before.history.get(operation_id, ())) :]
        ]
        return changed, written

    def rollback(self) -> None:
        """Discards the changes."""
        self.operations.rollback()
        self.history.rollback()
        self.keys.rollback()
        self.watermarks.rollback()
        self.turns.rollback()
