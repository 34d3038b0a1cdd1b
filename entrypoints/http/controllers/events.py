"""Routes: server-sent events of one operation, and of all operations of a tenant."""

from collections.abc import AsyncGenerator, Callable
from functools import lru_cache, partial
from typing import Annotated, Any, Final, TypeVar
from uuid import UUID

from litestar import Controller, Response, get
from litestar.openapi import ResponseSpec
from litestar.params import FromPath, QueryParameter
from litestar.response import Stream
from msgspec.structs import asdict

from application.ports.storage.change_feed import Event
from application.tenant_ledger import TenantLedger
from application.watch.stream import Heartbeat, Resync, StreamItem
from domain.access.scope import Scope
from domain.operation.transition import Transition
from entrypoints.http.openapi.routes import EventsOperation, problems
from entrypoints.http.requests.api_request import ApiRequest
from entrypoints.http.requests.parameters import HeaderParameter
from entrypoints.http.responses.event_ids import (
    HEADER,
    OF_OPERATION,
    OF_TENANT,
    PARAMETER,
    ResumePoint,
    position_id,
    read_position,
    read_seen,
    seen_id,
)
from entrypoints.http.responses.sse import KEEP_ALIVE, MEDIA_TYPE, EventStream
from entrypoints.http.security.authorization import recheck
from entrypoints.http.security.tickets import TAKES_TICKETS
from entrypoints.response_bodies import TransitionBody, json_bytes, operation_body, transition_body

_T = TypeVar("_T")
_RESYNC: Final = b"event: resync\ndata: {}\n\n"
_RESUMES: Final = "Id of the last received event. The stream resumes after it"
_DESCRIPTIONS: Final = {401: "The stream ticket is invalid"}
_QUERY: Final = f"Same as the header {HEADER}, which a new EventSource cannot set. The header takes precedence"
OPERATION_EVENT_ID: Final = HeaderParameter(HEADER, _RESUMES, {"pattern": OF_OPERATION})
TENANT_EVENT_ID: Final = HeaderParameter(HEADER, _RESUMES, {"pattern": OF_TENANT})
OperationEvent = Annotated[
    str | None, QueryParameter(name=PARAMETER, description=_QUERY, schema_extra={"pattern": OF_OPERATION})
]
TenantEvent = Annotated[
    str | None, QueryParameter(name=PARAMETER, description=_QUERY, schema_extra={"pattern": OF_TENANT})
]


class LineBody(TransitionBody, frozen=True, kw_only=True):
    """A line of an operation's history, with the operation's id."""

    operation_id: UUID


class EventController(Controller):
    """Event streams. A subscriber that reads too slowly gets `resync`, and its stream ends. It loses no event: it
    resumes with `Last-Event-ID`."""

    tags = ("events",)
    opt = {TAKES_TICKETS: True}  # noqa: RUF012

    @get(
        "/operations/{operation_id:uuid}/events",
        scope=Scope.READ,
        operation_id="streamOperation",
        summary="Follow an operation until it is done",
        operation_class=EventsOperation,
        header_parameters=(OPERATION_EVENT_ID,),
        media_type=MEDIA_TYPE,
        responses={204: ResponseSpec(None, False, "The operation is done and has no more events")}
        | problems(400, 401, 404, words=_DESCRIPTIONS),
    )
    async def of_operation(
        self, request: ApiRequest, operation_id: FromPath[UUID], last_event: OperationEvent = None
    ) -> Stream | Response[None]:
        """First sends `operation`, the current state. Then sends a `transition` for each new line of the history, and
        `operation` after every change; changes that are faster than the client reads are combined. Sends a comment
        every 15 seconds. The stream ends when the operation is done; to resume after its end returns 204."""
        resume = ResumePoint(OPERATION_EVENT_ID.values(request), last_event, read_seen)
        ledger = request.ledger
        operation = await ledger.get(operation_id)
        seen = resume.seen
        if seen is not None:
            if seen.version > operation.version or seen.lines > operation.history_length:
                raise resume.refused()
            if operation.done and seen.version == operation.version:
                return Response(None, status_code=204)
        return _stream(request, ledger, ledger.follow(operation_id, seen), _operation_event)

    @get(
        "/events",
        scope=Scope.READ,
        operation_id="streamEvents",
        summary="Follow all operations",
        operation_class=EventsOperation,
        header_parameters=(TENANT_EVENT_ID,),
        media_type=MEDIA_TYPE,
        responses=problems(400, 401, words=_DESCRIPTIONS),
    )
    async def of_tenant(self, request: ApiRequest, last_event: TenantEvent = None) -> Stream:
        """Starts from now. Sends a `transition` for each new line of a history, and the current `operation` after every
        change; changes that are faster than the client reads are combined. `position` carries only an id from which to
        resume. Sends a comment every 15 seconds."""
        resume = ResumePoint(TENANT_EVENT_ID.values(request), last_event, read_position)
        ledger = request.ledger
        head = await ledger.head()
        if resume.seen is not None and resume.seen > head:
            raise resume.refused()
        return _stream(request, ledger, ledger.follow_all(resume.seen), _tenant_event)


@lru_cache(maxsize=32)
def _operation_event(item: StreamItem | Heartbeat | Resync) -> bytes:
    """The encoded event of an operation's stream, cached because all subscribers receive the same bytes."""
    return _with_id(seen_id(item.cursor), item.event) if isinstance(item, StreamItem) else _control_event(item)


@lru_cache(maxsize=32)
def _tenant_event(item: Event | Heartbeat | Resync) -> bytes:
    """The encoded event of a tenant's stream, cached as in `_operation_event`."""
    return _with_id(position_id(item.position), item) if isinstance(item, Event) else _control_event(item)


def _control_event(item: Heartbeat | Resync) -> bytes:
    if isinstance(item, Resync):
        return _RESYNC
    if item.position is None:
        return KEEP_ALIVE
    return KEEP_ALIVE + b"id: %s\nevent: position\ndata: {}\n\n" % position_id(item.position).encode()


def _with_id(name: str, event: Event) -> bytes:
    content = event.content
    if isinstance(content, Transition):
        line = LineBody(operation_id=event.operation_id, **asdict(transition_body(content)))
        return b"id: %s\nevent: transition\ndata: %s\n\n" % (name.encode(), _data_lines(line))
    return b"id: %s\nevent: operation\ndata: %s\n\n" % (name.encode(), _data_lines(operation_body(content)))


def _data_lines(body: Any) -> bytes:
    """JSON as the data of an event, one `data:` per line: stored JSON may have several lines."""
    return b"\ndata: ".join(json_bytes(body).splitlines())


def _stream(
    request: ApiRequest, ledger: TenantLedger, items: AsyncGenerator[_T], render: Callable[[_T], bytes]
) -> Stream:
    return EventStream(items, render, partial(recheck, request), ledger.acquire_waiter())
