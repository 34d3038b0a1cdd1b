"""What a route says of itself in the OpenAPI document, where Litestar cannot know it."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields, replace
from typing import Final

from litestar.openapi import ResponseSpec
from litestar.openapi.spec import (
    Example,
    OpenAPIHeader,
    OpenAPIMediaType,
    OpenAPIResponse,
    Operation,
    Parameter,
    Reference,
    RequestBody,
    Schema,
)
from litestar.openapi.spec.enums import OpenAPIFormat, OpenAPIType

from domain.access.stream_ticket import PATTERN as TICKET_FORM
from domain.operation.labels import KEY, MAX_LABELS, MAX_VALUE, VALUE
from entrypoints.http.problems.kinds import KINDS
from entrypoints.http.problems.problems import MEDIA_TYPE, Problem
from entrypoints.http.requests.query_params import LABEL_PREFIX
from entrypoints.http.security.tickets import PARAMETER as TICKET

_STRING = Schema(type=OpenAPIType.STRING)
_URI = Schema(type=OpenAPIType.STRING, format=OpenAPIFormat.URI_REFERENCE)
_TRUE = Schema(type=OpenAPIType.STRING, const="true")
_LABEL = Schema(type=OpenAPIType.STRING, max_length=MAX_VALUE, pattern=f"^{VALUE}$")
_REQUEST_ID = OpenAPIHeader(
    schema=_STRING, description="The client's own, or a new one; the log knows the request by it"
)
_RETRY_AFTER = OpenAPIHeader(schema=Schema(type=OpenAPIType.INTEGER), description="Seconds to wait before trying again")
_ETAG = OpenAPIHeader(schema=_STRING, description="The operation's version, as a strong entity tag")
_CHALLENGE = OpenAPIHeader(schema=_STRING, description="How to show credentials")
_HEADER_SCHEMAS: Final = {
    "Retry-After": Schema(type=OpenAPIType.INTEGER),
    "Location": _URI,
    "Idempotent-Replayed": _TRUE,
}
"""Of the headers that a route declares; the schema of any other is a string."""
_PATH_PARAMETERS: Final = {"operation_id": "The id of the operation"}
_RARE: Final = {
    "malformed-head",
    "not-ready",
    "callback-not-taken",
    "missing-credentials",
    "invalid-credentials",
    "waiting-room-full",
}
"""Kinds of problems that most routes do not have."""
CALLBACK_SECURITY: Final = "callbackToken"
_WORDS: Final = {
    400: "Malformed: the body is not I-JSON (RFC 7493), or a query parameter or header is unknown or wrong",
    401: "The token is missing, given twice, or not this operation's; or callbacks are off",
    404: "There is no such operation; the same for an id that is no UUID, and for another tenant's operation",
    409: "The operation is done already",
    412: "The operation is not at a version that If-Match names",
    413: "The body is over 256 KiB",
    415: "The body is not sent as application/json without a content coding",
    422: "Understood but wrong: a field of the body, an undeclared type, input against its schema, a key used before",
    500: "Our fault; the log has the rest under the X-Request-Id",
    503: "The database cannot be reached, or the operation changes too fast",
}


def problems(
    *statuses: int, words: Mapping[int, str] | None = None, never: Collection[str] = ()
) -> dict[int, ResponseSpec]:
    """The documented problems of a route: those given, and what can happen to any. `words`: its own ones; `never`: the
    kinds that it does not have."""
    described = {**_WORDS, **(words or {})}
    return {
        status: ResponseSpec(Problem, False, described[status], MEDIA_TYPE, examples=_examples(status, never))
        for status in sorted({*statuses, 500, 503})
    }


def not_modified() -> dict[int, ResponseSpec]:
    """The answer to a client that has the current version."""
    return {304: ResponseSpec(None, False, "The client has the current version")}


def _examples(status: int, never: Collection[str]) -> list[Example]:
    kinds = {kind.slug: kind for kind in KINDS.values() if kind.status == status and kind.slug not in _RARE | {*never}}
    return [
        Example(
            id=kind.slug,
            summary=kind.title,
            value={"type": kind.type, "title": kind.title, "status": status, "detail": kind.detail or f"{kind.title}."},
        )
        for kind in kinds.values()
    ]


def _sendable(schema: Schema) -> Schema | Reference:
    """A parameter's schema without the null that stands for its absence: nobody can send one."""
    inner = [one for one in schema.one_of or () if isinstance(one, Reference) or one.type != OpenAPIType.NULL]
    if len(inner) != 1:
        return schema
    if isinstance(inner[0], Reference):
        return inner[0]
    outer = {field.name: getattr(schema, field.name) for field in fields(schema) if field.name != "one_of"}
    return replace(inner[0], **{name: value for name, value in outer.items() if value is not None})


@dataclass
class ContractOperation(Operation):
    """An operation of the contract, with the headers that Litestar's route does not carry."""

    def __post_init__(self) -> None:
        for status, response in (self.responses or {}).items():
            if isinstance(response, OpenAPIResponse):
                self._complete(status, response)
        for parameter in self.parameters or []:
            if isinstance(parameter, Parameter):
                if isinstance(parameter.schema, Schema):
                    parameter.schema = _sendable(parameter.schema)
                parameter.description = parameter.description or _PATH_PARAMETERS.get(parameter.name)

    def _complete(self, status: str, response: OpenAPIResponse) -> None:
        for media in (response.content or {}).values():
            for example in (media.examples or {}).values():
                if isinstance(example, Example):
                    example.id = None  # it is the key already, and OpenAPI has no such field
        headers = dict(response.headers or {}) | {"X-Request-Id": _REQUEST_ID}
        for name, header in headers.items():
            if isinstance(header, OpenAPIHeader) and header.schema is None:
                header.schema = _HEADER_SCHEMAS.get(name, _STRING)
        if status == "401":
            headers["WWW-Authenticate"] = _CHALLENGE
        if status == "503":
            headers["Retry-After"] = _RETRY_AFTER
        if status == "304":
            headers |= {"ETag": _ETAG, "Retry-After": _RETRY_AFTER}
        response.headers = headers


@dataclass
class OptionalBodyOperation(ContractOperation):
    """An operation whose body may be left out."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.request_body, RequestBody):
            self.request_body.required = False


@dataclass
class ListOperation(ContractOperation):
    """An operation that takes label filters: a family of parameters, which no single one can describe."""

    def __post_init__(self) -> None:
        super().__post_init__()
        labels = Parameter(
            name="labels",
            param_in="query",
            style="form",
            explode=True,
            description=f"`{LABEL_PREFIX}KEY=VALUE`, at most {MAX_LABELS}. Operations that have all these labels",
            schema=Schema(
                type=OpenAPIType.OBJECT,
                property_names=Schema(pattern=f"^label\\.{KEY}$"),
                additional_properties=_LABEL,
                max_properties=MAX_LABELS,
                examples=[{"label.team": "a"}],
            ),
        )
        self.parameters = [*(self.parameters or []), labels]


@dataclass
class EventsOperation(ContractOperation):
    """An operation whose answer is a stream of server-sent events."""

    def __post_init__(self) -> None:
        super().__post_init__()
        # Not a security scheme: clients of hey-api send their credential in each one, and this one is in the URL.
        ticket = Parameter(
            name=TICKET,
            param_in="query",
            description="A ticket of `POST /v1/stream-tickets`, in place of `Authorization`, for EventSource",
            schema=Schema(type=OpenAPIType.STRING, pattern=f"^{TICKET_FORM}$"),
        )
        self.parameters = [*(self.parameters or []), ticket]
        answer = (self.responses or {})["200"]
        if isinstance(answer, OpenAPIResponse):
            answer.description = "Events, as text/event-stream (HTML standard, 9.2); the schema is that of each event"


@dataclass
class CallbackOperation(ContractOperation):
    """An operation whose body is whatever the engine makes of a workflow's end."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.request_body = RequestBody(
            content={"*/*": OpenAPIMediaType(schema=Schema())},
            description="The workflow's result or failure, as a Nexus operation's completion; up to 3 MiB",
        )
