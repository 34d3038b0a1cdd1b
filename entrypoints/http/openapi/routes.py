"""Declarations of routes for the OpenAPI document, besides those that Litestar derives."""

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
from domain.operation.start.labels import KEY, MAX_LABELS, MAX_VALUE, VALUE
from entrypoints.http.problems.kinds import KINDS
from entrypoints.http.problems.problems import MEDIA_TYPE, Problem
from entrypoints.http.requests.query_params import LABEL_PREFIX
from entrypoints.http.security.tickets import PARAMETER as TICKET

_STRING = Schema(type=OpenAPIType.STRING)
_URI = Schema(type=OpenAPIType.STRING, format=OpenAPIFormat.URI_REFERENCE)
_TRUE = Schema(type=OpenAPIType.STRING, const="true")
_LABEL = Schema(type=OpenAPIType.STRING, max_length=MAX_VALUE, pattern=f"^{VALUE}$")
_REQUEST_ID = OpenAPIHeader(schema=_STRING, description="Id of the request in the log: the client's own, or a new one")
_RETRY_AFTER = OpenAPIHeader(schema=Schema(type=OpenAPIType.INTEGER), description="Seconds to wait before a retry")
_ETAG = OpenAPIHeader(schema=_STRING, description="Version of the operation as a strong entity tag")
_CHALLENGE = OpenAPIHeader(schema=_STRING, description="The required authentication")
_HEADER_SCHEMAS: Final = {
    "Retry-After": Schema(type=OpenAPIType.INTEGER),
    "Location": _URI,
    "Idempotent-Replayed": _TRUE,
}
"""Schemas of response headers. All others are strings."""
_PATH_PARAMETERS: Final = {"operation_id": "Id of the operation", "name": "Name of the operation type"}
_GENERAL: Final = {
    *("malformed-body", "invalid-parameter", "invalid-page-token", "invalid-header", "invalid-ticket", "not-found"),
    *("operation-not-found", "version-mismatch", "body-too-large", "unsupported-media-type", "invalid-field"),
    *("idempotency-key-reused", "internal", "busy", "database-unavailable", "identity-provider-unavailable"),
}
"""Slugs of problems that follow from what a route takes. A route names the others that it returns."""
WORKFLOW_ID_CONFLICTS: Final = ("workflow-id-in-use", "workflow-id-used")
CALLBACK_SECURITY: Final = "callbackToken"
WORDS: Final = {
    400: "Malformed request: the body is not I-JSON (RFC 7493), or a query parameter or a header is unknown or invalid",
    401: "The token is missing, repeated or not the token of this operation, or callbacks are off",
    404: "The operation does not exist or belongs to another tenant, or the id is not a UUID",
    409: "The operation is already done",
    412: "The operation does not have a version listed in If-Match",
    413: "The body exceeds 256 KiB",
    415: "The Content-Type is not application/json, or the body has a Content-Encoding",
    422: "A field is invalid",
    500: "Internal error. The log has the cause under the X-Request-Id",
    503: "The database is unavailable, or too many concurrent changes",
}
"""Descriptions of problems by status, unless a route has its own."""


def problems(
    *statuses: int,
    words: Mapping[int, str] | None = None,
    also: Collection[str] = (),
) -> dict[int, ResponseSpec]:
    """The documented problems of a route: the given statuses, 500 and 503. `words`: descriptions by status; `also`:
    slugs of problems that do not follow from what the route takes."""
    described = {**WORDS, **(words or {})}
    return {
        status: ResponseSpec(Problem, False, described[status], MEDIA_TYPE, examples=_examples(status, also))
        for status in sorted({*statuses, 500, 503})
    }


def not_modified() -> dict[int, ResponseSpec]:
    """The response to a client that has the current version."""
    return {304: ResponseSpec(None, False, "The client has the current version")}


def _examples(status: int, also: Collection[str]) -> list[Example]:
    shown = _GENERAL | {*also}
    kinds = {kind.slug: kind for kind in KINDS.values() if kind.status == status and kind.slug in shown}
    return [
        Example(
            id=kind.slug,
            summary=kind.title,
            value={"type": kind.type, "title": kind.title, "status": status, "detail": kind.detail or f"{kind.title}."},
        )
        for kind in kinds.values()
    ]


def _sendable(schema: Schema) -> Schema | Reference:
    """A parameter's schema without null, which stands for its absence and cannot be sent."""
    inner = [one for one in schema.one_of or () if isinstance(one, Reference) or one.type != OpenAPIType.NULL]
    if len(inner) != 1:
        return schema
    if isinstance(inner[0], Reference):
        return inner[0]
    outer = {field.name: getattr(schema, field.name) for field in fields(schema) if field.name != "one_of"}
    return replace(inner[0], **{name: value for name, value in outer.items() if value is not None})


@dataclass
class ContractOperation(Operation):
    """An operation of the contract, with the response headers that every route has."""

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
                    example.id = None  # the id is the key; OpenAPI has no such field
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
    """An operation with an optional body."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.request_body, RequestBody):
            self.request_body.required = False


@dataclass
class ListOperation(ContractOperation):
    """An operation with label filters: a family of query parameters, declared as one object."""

    def __post_init__(self) -> None:
        super().__post_init__()
        labels = Parameter(
            name="labels",
            param_in="query",
            style="form",
            explode=True,
            description=f"`{LABEL_PREFIX}KEY=VALUE`. Operations with all of these labels. At most {MAX_LABELS}",
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
    """An operation that responds with server-sent events."""

    def __post_init__(self) -> None:
        super().__post_init__()
        # Not a security scheme: hey-api clients would send their credential in it, and this parameter is in the URL.
        ticket = Parameter(
            name=TICKET,
            param_in="query",
            description="A ticket from `POST /v1/stream-tickets`, instead of the header `Authorization`",
            schema=Schema(type=OpenAPIType.STRING, pattern=f"^{TICKET_FORM}$"),
        )
        self.parameters = [*(self.parameters or []), ticket]
        answer = (self.responses or {})["200"]
        if isinstance(answer, OpenAPIResponse):
            answer.description = "Server-sent events (HTML standard, 9.2). The schema is that of each event"


@dataclass
class CallbackOperation(ContractOperation):
    """An operation whose body is Temporal's encoding of a workflow's outcome."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.request_body = RequestBody(
            content={"*/*": OpenAPIMediaType(schema=Schema())},
            description="The result or failure of the workflow, as the completion of a Nexus operation. At most 3 MiB",
        )
