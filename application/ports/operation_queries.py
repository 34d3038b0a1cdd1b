"""Port: what one tenant may read."""

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
"""Of inputs, results and details of errors, as JSON: a page that holds so much ends. In Python's objects it is thirty
times as much."""


@dataclass(frozen=True, slots=True)
class PageKey:
    """The last row of a page: the next one starts behind it."""

    accepted_at: datetime
    operation_id: UUID


@dataclass(frozen=True, slots=True)
class Page:
    """Some operations, and where the next page starts, if there is one."""

    items: Sequence[OperationView]
    next_after: PageKey | None = None

    @classmethod
    def of(cls, items: Sequence[OperationView], *, more: bool) -> Self:
        """Of those operations; `more`: there are others behind the last."""
        return cls(items, PageKey(items[-1].accepted_at, items[-1].id) if more else None)


@dataclass(frozen=True, slots=True)
class OperationFilter:
    """Which operations to list; what is empty does not restrict."""

    statuses: frozenset[OperationStatus] = frozenset()
    type: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    attention: AttentionKind | None = None
    accepted_after: datetime | None = None
    """Exclusive."""
    accepted_before: datetime | None = None
    """Exclusive."""


class OperationQueries(Protocol):
    """One tenant's operations. The tenant is fixed when it is made, so that no query can forget it."""

    async def get(self, operation_id: UUID) -> OperationView | None:
        """The operation, or None: there is none, or it is another tenant's."""

    async def page(self, criteria: OperationFilter, *, newest_first: bool, after: PageKey | None, limit: int) -> Page:
        """Up to `limit` operations by acceptance, behind `after`: fewer where those before hold PAGE_BYTES, and at
        least one where there is any."""

    async def transitions(self, operation_id: UUID) -> list[Transition]:
        """The history, oldest first; empty where `get` gives None."""

    async def counts(self) -> Mapping[tuple[str, OperationStatus], int]:
        """How many operations there are of each type and status."""


class OperationQueriesFactory(Protocol):
    """Makes the queries of one tenant."""

    def __call__(self, tenant: str) -> OperationQueries: ...
