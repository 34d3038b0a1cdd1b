"""The committed tables, and the changes of one unit of work."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from adapters.memory.storage.change_log import ChangeLog
from adapters.memory.storage.events import Event, events_of, forget
from adapters.memory.storage.overlay import Overlay
from application.ports.storage.idempotency_keys import IdempotencyRecord
from domain.bulk.bulk_action import BulkAction
from domain.bulk.target import Target
from domain.errors import OperationNotFound
from domain.operation.operation import Operation
from domain.operation.transition import Transition

KeyId = tuple[str, str]


@dataclass(frozen=True, slots=True)
class LeaseRow:
    """A lease: when it ends, and the mark up to which its work is done."""

    until: datetime
    mark: datetime | None


@dataclass(frozen=True, slots=True)
class BulkRow:
    """A bulk action with its targets, and the handled ones by place."""

    action: BulkAction
    targets: tuple[UUID, ...]
    outcomes: Mapping[int, Target] = field(default_factory=dict)
    problems: Mapping[UUID, UUID] = field(default_factory=dict)
    """By target, the identity of the problem that an acknowledgement is for."""


@dataclass(slots=True)
class Tables:
    """Rows by primary key."""

    operations: dict[UUID, Operation] = field(default_factory=dict)
    history: dict[UUID, tuple[Transition, ...]] = field(default_factory=dict)
    keys: dict[KeyId, IdempotencyRecord] = field(default_factory=dict)
    watermarks: dict[str, datetime] = field(default_factory=dict)
    leases: dict[str, LeaseRow] = field(default_factory=dict)
    bulk_actions: dict[UUID, BulkRow] = field(default_factory=dict)
    events: Counter[Event] = field(default_factory=Counter)
    """Numbers of starts and ends. Those of deleted operations stay."""
    log: ChangeLog = field(default_factory=ChangeLog)


class Draft:
    """The committed rows with the changes of one unit of work."""

    def __init__(self, committed: Tables) -> None:
        self._committed = committed
        self.operations = Overlay(committed.operations)
        self.history = Overlay(committed.history)
        self.keys = Overlay(committed.keys)
        self.watermarks = Overlay(committed.watermarks)
        self.leases = Overlay(committed.leases)
        self.bulk_actions = Overlay(committed.bulk_actions)

    def commit(self) -> None:
        """Commits the changes. Raises OperationNotFound for a key or a bulk action without its operation."""
        if any(record.operation_id not in self.operations for record in self.keys.changed.values()):
            raise OperationNotFound("an idempotency key belongs to an operation that is not stored")
        confirmed = [row.action.id for row in self.bulk_actions.changed.values() if row.action.terms is not None]
        if any(action_id not in self.operations for action_id in confirmed):
            raise OperationNotFound("a confirmed bulk action belongs to an operation that is not stored")
        changed, written = self._changes()
        for row in self.operations.changed.values():
            self._committed.events.update(events_of(row))
            self._committed.events.subtract(events_of(self._committed.operations.get(row.id)))
        self.operations.commit()
        self.history.commit()
        self.keys.commit()
        self.watermarks.commit()
        self.leases.commit()
        self.bulk_actions.commit()
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

    def forget_events(self, now: datetime) -> None:
        """Removes starts and ends that no window shows any more. Not undone by a rollback."""
        forget(self._committed.events, now)

    def rollback(self) -> None:
        """Discards the changes."""
        self.operations.rollback()
        self.history.rollback()
        self.keys.rollback()
        self.watermarks.rollback()
        self.leases.rollback()
        self.bulk_actions.rollback()
