"""Selects the changes that an open page of the list needs."""

import base64
import binascii
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto
from typing import Final
from uuid import UUID

from application.ports.storage.change_feed import Event
from application.ports.storage.matching import matches
from application.ports.storage.operation_queries import OperationFilter, SortTime
from application.ports.storage.operation_view import OperationView
from application.watch.subscription import MAX_QUEUE
from domain.operation.transition import Transition

MAX_ANNOUNCED: Final = 100
"""Operations that a stream announces as new: the page then says "100+ new", and needs no more."""
MAX_ROWS: Final = 200
"""Rows that a page can have."""
_SIZE: Final = 4
"""Bytes of an id that identify it on a page: the last ones, which are random."""


class RowUpdate(Enum):
    """What the page does with a change."""

    ROW = auto()
    """The operation is on the page: its row takes the place of the old one."""
    NEW = auto()
    """The page would show the operation, but does not: it is announced."""
    GONE = auto()
    """The page would no longer show an announced operation."""


@dataclass(frozen=True, slots=True)
class ListPage:
    """What the first page of a list shows."""

    criteria: OperationFilter
    by: SortTime
    newest_first: bool
    last: datetime | None
    """Time of the last row, if others follow: an operation behind it is not on this page."""
    rows: frozenset[bytes]
    """The ends of the ids on the page."""

    def has(self, operation_id: UUID) -> bool:
        """Returns whether the page has a row of the operation."""
        return _end(operation_id) in self.rows

    def would_show(self, operation: OperationView) -> bool:
        """Returns whether the operation would be on the page if it was loaded again."""
        at: datetime | None = getattr(operation, self.by)
        if at is None or not matches(operation, self.criteria):
            return False
        return self.last is None or (at >= self.last if self.newest_first else at <= self.last)


class ListWatch:
    """Follows the changes of one open page."""

    def __init__(self, page: ListPage) -> None:
        self._page = page
        self._announced: set[UUID] = set()
        self._queued: dict[UUID, None] = {}
        """Operations of the last events that `wants` accepted: those of all events in the queue, and older ones."""

    def wants(self, event: Event) -> bool:
        """Returns whether the page may need the event. Cheap for most of them."""
        if isinstance(event.content, Transition):
            return False  # the operation follows
        if self._page.has(event.operation_id):
            return True
        known = event.operation_id in self._announced or event.operation_id in self._queued
        full = len(self._announced) >= MAX_ANNOUNCED
        if not known and (full or not self._page.would_show(event.content)):
            return False
        self._queued.pop(event.operation_id, None)
        self._queued[event.operation_id] = None
        if len(self._queued) > MAX_QUEUE:
            del self._queued[next(iter(self._queued))]
        return True

    def update_for(self, operation: OperationView) -> RowUpdate | None:
        """Returns what the page does with the operation; None: nothing."""
        if self._page.has(operation.id):
            return RowUpdate.ROW
        shown = self._page.would_show(operation)
        if shown and operation.id not in self._announced and len(self._announced) < MAX_ANNOUNCED:
            self._announced.add(operation.id)
            return RowUpdate.NEW
        if not shown and operation.id in self._announced:
            self._announced.discard(operation.id)
            return RowUpdate.GONE
        return None


def encoded_rows(ids: Iterable[UUID]) -> str:
    """Returns the ids of a page in a short form, for the URL of its stream."""
    return base64.urlsafe_b64encode(b"".join(map(_end, ids))).decode().rstrip("=")


def decoded_rows(text: str) -> frozenset[bytes] | None:
    """Returns the ends of ids in a text of `encoded_rows`; None: the text is invalid."""
    try:
        ends = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    if len(ends) % _SIZE or len(ends) > _SIZE * MAX_ROWS:
        return None
    return frozenset(ends[place : place + _SIZE] for place in range(0, len(ends), _SIZE))


def _end(operation_id: UUID) -> bytes:
    return operation_id.bytes[-_SIZE:]
