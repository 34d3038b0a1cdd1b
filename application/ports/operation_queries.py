"""Port: queries on the operations of one tenant."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Protocol, Self
from uuid import UUID

from application.ports.operation_view import OperationView
from domain.operation.attention import AttentionKind
from domain.operation.status import OperationStatus
from domain.operation.transition import Transition

PAGE_BYTES: Final = 1024 * 1024
"""JSON bytes of inputs, results and error details after which a page ends. Python objects take thirty times as much."""


@dataclass(frozen=True, slots=True)
class PageKey:
    """The last row of a page. The next page starts behind it."""

    accepted_at: datetime
    operation_id: UUID


@dataclass(frozen=True, slots=True)
class Page:
    """A page of operations, and where the next page starts, if there is one."""

    items: Sequence[OperationView]
    next_after: PageKey | None = None

    @classmethod
    def of(cls, items: Sequence[OperationView], *, more: bool) -> Self:
        """Returns the page of these operations. `more`: others follow the last one."""
        return cls(items, PageKey(items[-1].accepted_at, items[-1].id) if more else None)


@dataclass(frozen=True, slots=True)
class OperationFilter:
    """Which operations to list. An empty field does not restrict."""

    statuses: frozenset[OperationStatus] = frozenset()
    type: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    attention: AttentionKind | None = None
    accepted_after: datetime | None = None
    """Exclusive."""
    accepted_before: datetime | None = None
    """Exclusive."""


class OperationQueries(Protocol):
    """Operations of one tenant, which is fixed at construction so that no query can forget it."""

    async def get(self, operation_id: UUID) -> OperationView | None:
        """Returns the operation; None if it does not exist or belongs to another tenant."""

    async def page(self, criteria: OperationFilter, *, newest_first: bool, after: PageKey | None, limit: int) -> Page:
        """Returns up to `limit` operations behind `after`, in the order of acceptance. A page ends at PAGE_BYTES, and
        has at least one operation if there is any."""

    async def transitions(self, operation_id: UUID) -> list[Transition]:
        """Returns the history, oldest first; empty if `get` returns None."""

    async def counts(self) -> Mapping[tuple[str, OperationStatus], int]:
        """Returns the number of operations of each type and status."""


class OperationQueriesFactory(Protocol):
    """Creates the queries of one tenant."""

    def __call__(self, tenant: str) -> OperationQueries: ...
