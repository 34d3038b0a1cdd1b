"""When operations that are done are deleted by age."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Self

from domain.operation.operation import Operation
from domain.operation.operation_type import Forever, OperationType
from domain.operation.status import OperationStatus

TypeAndStatus = tuple[str, OperationStatus]


@dataclass(frozen=True, slots=True)
class Cutoffs:
    """Times before which operations must have finished to be deleted. None: they are never deleted by age."""

    general: datetime | None
    own: Mapping[TypeAndStatus, datetime | None] = field(default_factory=dict)
    """Of types that declare a time, by type and final status. The others have the general one."""

    def of(self, type_name: str, status: OperationStatus) -> datetime | None:
        """Returns the time for operations of the type with the final status."""
        return self.own.get((type_name, status), self.general)

    def may_delete(self, operation: Operation) -> bool:
        """Whether the operation may be deleted by age: it is done, not kept, and finished before its time."""
        if operation.keep or operation.finished_at is None:
            return False
        cutoff = self.of(operation.type, operation.status)
        return cutoff is not None and operation.finished_at < cutoff


@dataclass(frozen=True, slots=True)
class Retention:
    """The ages at which operations that are done are deleted. None: never."""

    general: timedelta | None = None
    own: Mapping[TypeAndStatus, timedelta | None] = field(default_factory=dict)

    @classmethod
    def of(cls, general: timedelta | None, types: Iterable[OperationType]) -> Self:
        """Returns the retention of the declared types. `general` is that of all others, and of outcomes for which a
        type declares none."""
        own: dict[TypeAndStatus, timedelta | None] = {}
        for declared in types:
            for status, age in (
                (OperationStatus.COMPLETED, declared.retain.completed),
                (OperationStatus.FAILED, declared.retain.failed),
            ):
                if age is not None:
                    own[declared.name, status] = None if isinstance(age, Forever) else age
        return cls(general, own)

    @property
    def deletes(self) -> bool:
        """Whether any operation is ever deleted by age."""
        return any(age is not None for age in (self.general, *self.own.values()))

    def cutoffs(self, now: datetime) -> Cutoffs:
        """Returns the times before which operations must have finished."""
        return Cutoffs(_before(now, self.general), {rule: _before(now, age) for rule, age in self.own.items()})


def _before(now: datetime, age: timedelta | None) -> datetime | None:
    """None also for an age from before the calendar begins."""
    try:
        return None if age is None else now - age
    except OverflowError:
        return None
