"""Responses for pages with a view: the page, and the stream that keeps it up to date."""

from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any

from litestar import Response
from litestar.params import QueryParameter
from litestar.response import Stream

from application.ports.storage.unit_of_work import DatabaseUnavailable
from domain.throughput import Window
from entrypoints.http.responses.sse import KEEP_ALIVE, EventStream
from entrypoints.http.security.authorization import recheck
from entrypoints.ui.live.view import Source, View
from entrypoints.ui.rendering.page import render
from entrypoints.ui.request import UiRequest

WindowChoice = Annotated[Window, QueryParameter(name="window")]
"""Parameter that the pages with charts have in common."""


def source_of(request: UiRequest) -> Source:
    """What views are read from."""
    return Source(request.services, request.parts.clock)


def live_path(request: UiRequest, path: str) -> str:
    """The path of a stream, with the query of the page."""
    query = request.scope["query_string"].decode("latin-1")
    return f"{path}?{query}" if query else path


async def page_of(
    request: UiRequest,
    view: View,
    template: str,
    *,
    live: str | None,
    status: int = 200,
    instead: Mapping[str, Any] | None = None,
    **more: Any,
) -> Response[str]:
    """The page. `live`: path of its stream; `instead`: what it shows where the database is not available. Raises the
    errors of the view."""
    try:
        values = await view.read(source_of(request))
    except DatabaseUnavailable:
        if instead is None:
            raise
        values = instead
    return render(request, template, status=status, live=live, **values, **more)


async def stream_of(request: UiRequest, view: View) -> Stream:
    """The stream: all parts, and then those that change. Raises DatabaseUnavailable, ClientWaiterLimitReached."""
    request.parts.views.check_room(view)
    if view.follows_changes:
        await request.ledger.head()  # while the database is down, pages get an error, and try again less and less often
    items = request.parts.views.watch(view, source_of(request))
    return EventStream(items, _bytes, partial(recheck, request), request.ledger.acquire_waiter())


def _bytes(update: bytes | None) -> bytes:
    return KEEP_ALIVE if update is None else update
