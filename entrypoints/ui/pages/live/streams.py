"""Event streams of the list and of one operation.

They subscribe to the change hub, as the API's streams do: all dashboards of a process share one feed.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from functools import lru_cache, partial
from typing import Annotated, Final
from uuid import UUID

from litestar import Controller, get
from litestar.params import FromPath, QueryParameter
from litestar.response import Stream

from application.ports.storage.change_feed import Event, FeedRewound
from application.watch.stream import Heartbeat, Resync, StreamItem
from domain.access.scope import Scope
from domain.operation.transition import Transition
from entrypoints.http.problems.problems import InvalidParameter
from entrypoints.http.requests.listing.list_parameters import OrderBy
from entrypoints.http.requests.listing.list_query import FILTERED, Criteria, sorting
from entrypoints.http.requests.parameters import HeaderParameter
from entrypoints.http.requests.query_params import instant
from entrypoints.http.responses.event_ids import (
    HEADER,
    PARAMETER,
    ResumePoint,
    position_id,
    read_position,
    read_seen,
    seen_id,
)
from entrypoints.http.responses.sse import KEEP_ALIVE, MEDIA_TYPE, EventStream, data_event
from entrypoints.http.security.authorization import recheck
from entrypoints.ui.live.list_watch import MAX_ROWS, ListPage, ListWatch, RowUpdate, decoded_rows
from entrypoints.ui.rendering.environment import environment
from entrypoints.ui.request import UiRequest

_Item = StreamItem | Heartbeat | Resync
_LAST_EVENT: Final = HeaderParameter(HEADER, "Id of the last received event")
Since = Annotated[str | None, QueryParameter(name=PARAMETER)]
"""Position in the change feed at which the page was read: the stream begins there. A reconnection sends a newer one as
a header."""
Rows = Annotated[str, QueryParameter(name="rows", max_length=8 * MAX_ROWS)]
"""The operations on the page."""
Last = Annotated[str | None, QueryParameter(name="last")]
"""Time of the last row, by which the list is sorted, if others follow."""
_END: Final = b"event: end\ndata:\n\n"


class LiveController(Controller):
    """Streams for htmx's extension for server-sent events."""

    opt = {"scope": Scope.READ}  # noqa: RUF012

    @get("/live/operations", media_type=MEDIA_TYPE, **FILTERED)
    async def rows(
        self,
        request: UiRequest,
        criteria: Criteria,
        rows: Rows = "",
        order: OrderBy = None,
        last: Last = None,
        since: Since = None,
    ) -> Stream:
        """Sends each changed operation of the page as a row that replaces the old one, whether it still matches or not.
        For other operations: `new` for each that the page would show now, and `gone` when it would no longer."""
        resume = ResumePoint(_LAST_EVENT.values(request), since, read_position)
        by, newest_first = sorting(order, criteria)
        known = decoded_rows(rows)
        if known is None:
            raise InvalidParameter("rows", "must be that of the page")
        watch = ListWatch(ListPage(criteria, by, newest_first, instant("last", last), known))
        ledger = request.ledger
        try:
            # The page then loads itself again, which costs less than reading all the changes.
            if resume.seen is not None and await ledger.is_far_behind(resume.seen):
                raise resume.refused()
        except FeedRewound:
            raise resume.refused() from None
        items, render = ledger.follow_some(resume.seen, watch.wants), partial(_row_event, watch, request.link(""))
        return EventStream(items, render, partial(recheck, request), ledger.acquire_waiter())

    @get("/live/operations/{operation_id:uuid}", media_type=MEDIA_TYPE)
    async def changes(self, request: UiRequest, operation_id: FromPath[UUID], since: Since = None) -> Stream:
        """`changed` after each change of the operation, and `end` after its last one."""
        resume = ResumePoint(_LAST_EVENT.values(request), since, read_seen)
        ledger = request.ledger
        await ledger.get(operation_id)
        items = _and_end(ledger.follow(operation_id, resume.seen))
        return EventStream(items, _change_event, partial(recheck, request), ledger.acquire_waiter())


def _row_event(watch: ListWatch, base: str, item: Event | Heartbeat | Resync) -> bytes:
    if not isinstance(item, Event):
        return _control(item)
    update = None if isinstance(item.content, Transition) else watch.update_for(item.content)
    if update is None:
        return b""
    head = b"id: %s\n" % position_id(item.position).encode()
    if update is RowUpdate.ROW:
        return head + _row(item, base)
    return head + b"event: %s\ndata: op-%s\n\n" % (update.name.lower().encode(), str(item.operation_id).encode())


@lru_cache(maxsize=64)
def _row(event: Event, base: str) -> bytes:
    """The row as data of an event. Cached: the dashboards of a tenant receive the same bytes."""
    macros = environment().get_template("macros/operation_row.html").module
    assert not isinstance(event.content, Transition)
    html = macros.operation_row(event.content, base.__add__, event.content.updated_at, "outerHTML")  # type: ignore[attr-defined]
    return data_event(html)


def _change_event(item: _Item | None) -> bytes:
    if item is None:
        return _END
    if not isinstance(item, StreamItem):
        return _control(item)
    if isinstance(item.event.content, Transition):
        return b""  # the operation follows
    return b"id: %s\nevent: changed\ndata:\n\n" % seen_id(item.cursor).encode()


async def _and_end(items: AsyncGenerator[_Item]) -> AsyncGenerator[_Item | None]:
    """Yields the items, and None after the one with which the operation is done. A stream that ends for another reason,
    such as a shutdown, has no None: the page connects again."""
    async with aclosing(items):
        async for item in items:
            yield item
            content = item.event.content if isinstance(item, StreamItem) else None
            if content is not None and not isinstance(content, Transition) and content.done:
                yield None


def _control(item: Heartbeat | Resync) -> bytes:
    """Without an event the connection is kept alive. A reader that is too slow reconnects by itself."""
    if isinstance(item, Heartbeat) and item.position is not None:
        return b"id: %s\n\n" % position_id(item.position).encode()
    return KEEP_ALIVE
