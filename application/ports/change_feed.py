"""Port: what has changed, in an order in which nothing appears late."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final, Protocol
from uuid import UUID

from application.ports.operation_view import OperationView
from domain.errors import OpledgerError
from domain.operation.transition import Transition

STATE: Final = 2**31 - 1
"""The sequence of an operation's own mark: it stands behind the history lines of its transaction."""
LAST_ID: Final = UUID(int=2**128 - 1)
"""No operation's id: it stands behind all of them."""


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """A place in the feed. Positions are compared, and otherwise mean nothing."""

    transaction: int
    operation_id: UUID
    sequence: int
    """The history line's, or STATE."""

    @classmethod
    def behind(cls, transaction: int) -> "Position":
        """Behind everything of the transaction."""
        return cls(transaction, LAST_ID, STATE)

    @property
    def before(self) -> "Position":
        """Behind everything of the transactions before. It names no operation: anybody may have it."""
        return Position.behind(self.transaction - 1)


class FeedRewound(OpledgerError):
    """The place is one that the feed has not come to: the database is another, or is at an earlier state."""


@dataclass(frozen=True, slots=True)
class Mark:
    """Something happened: a history line was written, or (at STATE) the operation took a new version."""

    position: Position
    tenant: str


@dataclass(frozen=True, slots=True, eq=False)
class Event:
    """A mark, and what it is about: the history line, or the operation as that version has it."""

    position: Position
    tenant: str
    content: OperationView | Transition
    weight: int = 0
    """Characters that are stored of it, roughly: what it costs to keep."""

    @property
    def operation_id(self) -> UUID:
        """Whose event it is."""
        return self.position.operation_id


@dataclass(frozen=True, slots=True)
class MarkPage:
    """Some marks, in order."""

    marks: Sequence[Mark]
    settled: bool
    """False: a transaction is still open, and what was committed after it began is held back until it ends."""


class ChangeFeed(Protocol):
    """Every history line once, and every operation at its last version: one that is changed again before it is read
    has its mark at the later place alone. What leaves the version as it is is no change of the operation.

    What was read stays behind the reader: no mark appears later at a place before it. The marks are those of all
    tenants, and what they hold is for whoever is of their tenant.
    """

    async def head(self) -> Position:
        """Behind everything that can be read now."""

    async def read(self, after: Position, limit: int) -> MarkPage:
        """Up to `limit` marks behind `after`. Raises FeedRewound, DatabaseUnavailable."""

    async def load(self, marks: Sequence[Mark]) -> list[Event]:
        """What the marks are about, in their order. Left out is what has moved on to a later place, or is deleted."""

    async def gone(self, operation_ids: Collection[UUID]) -> set[UUID]:
        """Those of the operations that are not there."""

    async def changed(self, within: float) -> None:
        """Wait until something may have changed since the last call, at most so many seconds. Raises nothing: where
        changes cannot be heard of, the time is what is waited for."""
