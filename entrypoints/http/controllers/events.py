"""Server-sent events: what happens to an operation, and to all of a tenant's."""

from collections.abc import AsyncGenerator, Callable
from functools import lru_cache, partial
from typing import Annotated, Any, Final, TypeVar
from uuid import UUID

from litestar import Controller, Response, get
from litestar.openapi import ResponseSpec
from litestar.params import FromPath, QueryParameter
from litestar.response import Stream
from msgspec.structs import asdict

from application.ports.change_feed import Event
from application.tenant_ledger import TenantLedger
from application.watch.stream import Quiet, Resync, Step
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
from entrypoints.http.responses.json_response import json_bytes
from entrypoints.http.responses.schemas import TransitionBody, operation_body, transition_body
from entrypoints.http.responses.sse import MEDIA_TYPE, EventStream
from entrypoints.http.security.authorization import check_still
from entrypoints.http.security.tickets import TAKES_TICKETS

_T = TypeVar("_T")
_KEEP_ALIVE: Final = b": nothing new\n\n"
_RESYNC: Final = b"event: resync\ndata: {}\n\n"
_RESUMES: Final = "The id of the last event that arrived: the stream goes on behind it"
_WORDS: Final = {401: "The stream ticket is not valid"}
_NEVER: Final = ("unauthorized-callback",)
_QUERY: Final = f"As the header {HEADER}, for a new EventSource, which cannot set it; the header goes before it"
OPERATION_EVENT_ID: Final = HeaderParameter(HEADER, _RESUMES, {"pattern": OF_OPERATION})
TENANT_EVENT_ID: Final = HeaderParameter(HEADER, _RESUMES, {"pattern": OF_TENANT})
OperationEvent = Annotated[
    str | None, QueryParameter(name=PARAMETER, description=_QUERY, schema_extra={"pattern": OF_OPERATION})
]
TenantEvent = Annotated[
    str | None, QueryParameter(name=PARAMETER, description=_QUERY, schema_extra={"pattern": OF_TENANT})
]


class LineBody(TransitionBody, frozen=True, kw_only=True):
    """A line of an operation's history, and whose."""

    operation_id: UUID


class EventController(Controller):
    """Streams. Whoever does not read fast enough is sent `resync` and hung up on, and loses nothing by it: reconnecting
    with `Last-Event-ID` goes on where it was."""

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
        responses={204: ResponseSpec(None, False, "Nothing comes any more")}
        | problems(400, 401, 404, words=_WORDS, never=_NEVER),
    )
    async def of_operation(
        self, request: ApiRequest, operation_id: FromPath[UUID], last_event: OperationEvent = None
    ) -> Stream | Response[None]:
        """First `operation`, how it stands. Then for each line of its history a `transition`, and after every change
        `operation` again; what changes faster than it is read is told of once. A comment every 15 seconds. The stream
        ends when the operation is done; resumed behind its end, the answer is 204."""
        resume = ResumePoint(OPERATION_EVENT_ID.values(request), last_event, read_seen)
        ledger = request.ledger
        operation = await ledger.get(operation_id)
        seen = resume.seen
        if seen is not None:
            if seen.version > operation.version or seen.lines > operation.history_length:
                raise resume.refused()
            if operation.done and seen.version == operation.version:
                return Response(None, status_code=204)
        return _stream(request, ledger, ledger.follow(operation_id, seen), _step)

    @get(
        "/events",
        scope=Scope.READ,
        operation_id="streamEvents",
        summary="Follow all operations",
        operation_class=EventsOperation,
        header_parameters=(TENANT_EVENT_ID,),
        media_type=MEDIA_TYPE,
        responses=problems(400, 401, words=_WORDS, never=_NEVER),
    )
    async def of_tenant(self, request: ApiRequest, last_event: TenantEvent = None) -> Stream:
        """From now on: for each new line of a history a `transition`, and after every change the `operation` as it
        stands; what changes faster than it is read is told of once. `position` has nothing to tell but its id, from
        where to resume. A comment every 15 seconds."""
        resume = ResumePoint(TENANT_EVENT_ID.values(request), last_event, read_position)
        ledger = request.ledger
        head = await ledger.head()
        if resume.seen is not None and resume.seen > head:
            raise resume.refused()
        return _stream(request, ledger, ledger.follow_all(resume.seen), _event)


@lru_cache(maxsize=32)
def _step(item: Step | Quiet | Resync) -> bytes:
    """The same bytes for all who are told of it: made once."""
    return _with_id(seen_id(item.seen), item.event) if isinstance(item, Step) else _sign(item)


@lru_cache(maxsize=32)
def _event(item: Event | Quiet | Resync) -> bytes:
    """As `_step`."""
    return _with_id(position_id(item.position), item) if isinstance(item, Event) else _sign(item)


def _sign(item: Quiet | Resync) -> bytes:
    if isinstance(item, Resync):
        return _RESYNC
    if item.position is None:
        return _KEEP_ALIVE
    return _KEEP_ALIVE + b"id: %s\nevent: position\ndata: {}\n\n" % position_id(item.position).encode()


def _with_id(name: str, event: Event) -> bytes:
    content = event.content
    if isinstance(content, Transition):
        line = LineBody(operation_id=event.operation_id, **asdict(transition_body(content)))
        return b"id: %s\nevent: transition\ndata: %s\n\n" % (name.encode(), _lines(line))
    return b"id: %s\nevent: operation\ndata: %s\n\n" % (name.encode(), _lines(operation_body(content)))


def _lines(body: Any) -> bytes:
    """As the data of an event, which ends with its line: JSON that is passed on as somebody else stored it may have
    several."""
    return b"\ndata: ".join(json_bytes(body).splitlines())


def _stream(
    request: ApiRequest, ledger: TenantLedger, items: AsyncGenerator[_T], render: Callable[[_T], bytes]
) -> Stream:
    return EventStream(items, render, partial(check_still, request), ledger.place())
