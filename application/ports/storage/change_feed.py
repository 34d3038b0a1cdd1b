"""Port: changes, in an order in which none appears late."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final, Protocol
from uuid import UUID

from application.ports.storage.operation_view import OperationView
from domain.errors import OpledgerError
from domain.operation.transition import Transition

STATE: Final = 2**31 - 1
"""Sequence of an operation's own mark: it sorts behind the history lines of its transaction."""
LAST_ID: Final = UUID(int=2**128 - 1)
"""Sorts behind the ids of all operations."""


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """A position in the feed. Positions can be compared, and mean nothing else."""

    transaction: int
    operation_id: UUID
    sequence: int
    """Number of the history line, or STATE."""

    @classmethod
    def behind(cls, transaction: int) -> "Position":
        """Returns the position behind everything of the transaction."""
        return cls(transaction, LAST_ID, STATE)

    @property
    def before(self) -> "Position":
        """The position behind everything of the earlier transactions. It names no operation: any client may have it."""
        return Position.behind(self.transaction - 1)


class FeedRewound(OpledgerError):
    """The feed has not reached the position: the database is another one, or was set back to an earlier state."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A change: a new history line or, at STATE, a new version of the operation."""

    position: Position
    tenant: str


@dataclass(frozen=True, slots=True, eq=False)
class Event:
    """A mark with its content: the history line, or the operation at that version."""

    position: Position
    tenant: str
    content: OperationView | Transition
    weight: int = 0
    """Size in characters, about."""

    @property
    def operation_id(self) -> UUID:
        """The operation that the event is about."""
        return self.position.operation_id


@dataclass(frozen=True, slots=True)
class MarkPage:
    """A page of marks, in order."""

    marks: Sequence[Mark]
    settled: bool
    """False: a transaction is still open, and holds back what was committed after its start."""


class ChangeFeed(Protocol):
    """Has every history line once, and every operation at its last version: one that changes again before it is read
    has only its later mark. A change that leaves the version as it is has no mark.

    No mark appears at a position that was read already. The feed has the marks of all tenants.
    """

    async def head(self) -> Position:
        """Returns the position behind everything that can be read now."""

    async def read(self, after: Position, limit: int) -> MarkPage:
        """Returns up to `limit` marks behind `after`. Raises FeedRewound, DatabaseUnavailable."""

    async def load(self, marks: Sequence[Mark]) -> list[Event]:
        """Returns the events of the marks, in their order, without those that have a later mark or are deleted."""

    async def gone(self, operation_ids: Collection[UUID]) -> set[UUID]:
        """Returns the operations that do not exist."""

    async def changed(self, within: float) -> None:
        """Waits until something may have changed since the last call, at most `within` seconds. Raises nothing: without
        notifications it waits for the full time."""
