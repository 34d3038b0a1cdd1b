"""Port: queries on the operations of one tenant."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final, NamedTuple, Protocol, Self
from uuid import UUID

from application.ports.storage.operation_view import OperationDetails, OperationView
from domain.durations import Durations
from domain.operation.attention import AttentionKind
from domain.operation.operation_error import ErrorCode
from domain.operation.origin import Origin
from domain.operation.status import OperationStatus
from domain.operation.transition import Transition
from domain.throughput import Became, Window

PAGE_BYTES: Final = 1024 * 1024
"""JSON bytes of inputs, results and error details after which a page ends. Python objects take thirty times as much."""


class SortTime(StrEnum):
    """The time by which a list is sorted. Operations with the same time are sorted by id."""

    ACCEPTED = "accepted_at"
    FINISHED = "finished_at"
    """The list has only operations that are done."""


@dataclass(frozen=True, slots=True)
class PageKey:
    """The last row of a page. The next page starts behind it."""

    at: datetime
    """The time by which the list is sorted."""
    operation_id: UUID


@dataclass(frozen=True, slots=True)
class Page:
    """A page of operations, and where the next page starts, if there is one."""

    items: Sequence[OperationView]
    next_after: PageKey | None = None

    @classmethod
    def of(cls, items: Sequence[OperationView], *, more: bool, by: SortTime = SortTime.ACCEPTED) -> Self:
        """Returns the page of these operations. `more`: others follow the last one. `by`: the list's order."""
        return cls(items, PageKey(getattr(items[-1], by), items[-1].id) if more else None)


@dataclass(frozen=True, slots=True)
class OperationFilter:
    """Which operations to list: those that have one of the values of each field. An empty field does not restrict."""

    statuses: frozenset[OperationStatus] = frozenset()
    type: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    """All of them."""
    error_codes: frozenset[ErrorCode] = frozenset()
    attentions: frozenset[AttentionKind] = frozenset()
    parents: frozenset[UUID] = frozenset()
    workflow_ids: frozenset[str] = frozenset()
    origins: frozenset[Origin] = frozenset()
    id_prefix: str | None = None
    """Hexadecimal digits with which the id begins: at most 32, lower-case, without hyphens."""
    accepted_after: datetime | None = None
    """Exclusive."""
    accepted_before: datetime | None = None
    """Exclusive."""
    finished_after: datetime | None = None
    """Exclusive."""
    finished_before: datetime | None = None
    """Exclusive."""


Counts = Mapping[tuple[str, OperationStatus, ErrorCode | None], int]
"""Numbers of operations by type, status and error code, which only FAILED operations have. None is 0."""


class ThroughputCounts(NamedTuple):
    """Numbers of operations that started (RUNNING), completed and failed. None is 0."""

    by_bucket: dict[tuple[datetime, OperationStatus], int]
    """By start of the bucket."""
    totals: dict[Became, int]


class AtLeast(NamedTuple):
    """A number of operations, counted up to a limit."""

    number: int
    more: bool
    """There may be more."""


class OperationQueries(Protocol):
    """Operations of one tenant, which is fixed at construction so that no query can forget it."""

    async def get(self, operation_id: UUID) -> OperationDetails | None:
        """Returns the operation; None if it does not exist or belongs to another tenant."""

    async def page(
        self,
        criteria: OperationFilter,
        *,
        newest_first: bool,
        after: PageKey | None,
        limit: int,
        by: SortTime = SortTime.ACCEPTED,
    ) -> Page:
        """Returns up to `limit` operations behind `after`, in the order of that time. A page ends at PAGE_BYTES, and
        has at least one operation if there is any."""

    async def transitions(self, operation_id: UUID) -> list[Transition]:
        """Returns the history, oldest first; empty if `get` returns None."""

    async def counts(self) -> Counts:
        """Returns the number of operations of each type, status and error code. The cost does not grow with them."""

    async def count_attentive(self, type_name: str | None, limit: int) -> AtLeast:
        """Counts operations that need attention, of the type if one is given, up to `limit`. With a type, it reads a
        bounded number of them, so that the cost does not grow with their number: the result may be a lower bound."""

    async def waiting_since(self, now: datetime) -> datetime | None:
        """Returns since when the operation that has waited longest for its start has waited: since its acceptance or
        its later start. None: none waits. Operations with a start in the future do not wait; an operation behind
        thousands of them may be missed."""

    async def durations(
        self, type_name: str, finished_after: datetime, finished_before: datetime, sample: int
    ) -> Mapping[OperationStatus, Durations]:
        """Returns the durations of the operations of the type that started, and finished between the times, both
        exclusive, by final status; of more than `sample`, of those that finished last. The cost grows with `sample`."""

    async def throughput(self, window: Window, since: datetime, type_name: str | None) -> ThroughputCounts:
        """Returns how many operations, of the type if one is given, started and ended since then, in the buckets of
        the window. `since` is the start of a bucket, and not older than the window. Operations that were deleted count
        too. The cost does not grow with the operations."""

    async def durations_between(self, type_name: str, times: Sequence[datetime], sample: int) -> list[Durations]:
        """Returns the durations of the operations of the type that completed between each time, inclusive, and the
        next; of more than `sample`, of those that finished last. `sampled`: there are `sample` or more."""


class OperationQueriesFactory(Protocol):
    """Creates the queries of one tenant."""

    def __call__(self, tenant: str) -> OperationQueries: ...
