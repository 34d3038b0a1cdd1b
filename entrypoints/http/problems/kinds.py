"""The table of problems: which exception becomes which status, type and title."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

import msgspec
from litestar.exceptions import (
    HTTPException,
    MethodNotAllowedException,
    NotFoundException,
)

from application.adopt.adopt import ExecutionNotFound, ExecutionOfOtherType
from application.ports.engine.workflow_engine import EngineUnavailable
from application.ports.storage.operation_repository import StaleOperation
from application.ports.storage.unit_of_work import DatabaseUnavailable
from application.ports.token_verifier import IdentityProviderUnavailable
from application.watch.waiter_limit import ClientWaiterLimitReached, WaiterLimitReached
from domain.access.callback_token import TOKEN_HEADER
from domain.access.credentials import InvalidCredentials, MissingCredentials
from domain.access.scope import MissingScope
from domain.access.stream_ticket import InvalidTicket
from domain.access.token_bucket import RateLimited
from domain.errors import (
    Conflict,
    IdempotencyKeyReused,
    InvalidInput,
    OperationAlreadyDone,
    OperationAlreadyRetried,
    OperationNotDone,
    OperationNotFound,
    UnknownOperationType,
    VersionMismatch,
    WorkflowIdInUse,
    WorkflowIdUsed,
)
from entrypoints.http.problems.problems import (
    BodyTooLarge,
    CallbackNotTaken,
    ClientGone,
    FieldError,
    ForeignOrigin,
    ForeignReport,
    HeadTooLarge,
    InvalidBody,
    InvalidHeader,
    InvalidPageToken,
    InvalidParameter,
    MalformedBody,
    MalformedHead,
    MisdirectedRequest,
    NotReady,
    NotReadyProblem,
    Problem,
    RequestError,
    SlowBody,
    TooManyOpenBodies,
    TooManyPipelined,
    TypeNotDeclared,
    UnauthorizedCallback,
    UnsupportedMediaType,
    UnsupportedTransferCoding,
    UnsupportedVersion,
    clip,
    clip_text,
)

MAYBE_STORED = "A change may or may not have been stored. Retry; send a submission with the same Idempotency-Key."
"""The response to a commit may be lost although the commit succeeded."""
MAX_BODY: Final = 256 * 1024
"""Bytes of a request body, unless the route sets its own limit."""


@dataclass(frozen=True, slots=True)
class Kind:
    """The problem for an exception. `detail` replaces the exception's message where that is not for clients."""

    status: int
    slug: str
    title: str
    detail: str | None = None
    retry_after: int | None = None
    """Seconds."""
    challenge: str | None = None
    """Value of the WWW-Authenticate header."""

    @property
    def type(self) -> str:
        """The URI of the problem type."""
        return f"urn:opledger:problem:{self.slug}"


_REALM: Final = 'Bearer realm="opledger"'
_INVALID_FIELD = Kind(422, "invalid-field", "Invalid field")
KINDS: Final[Mapping[type[Exception], Kind]] = {
    MalformedHead: Kind(400, "malformed-head", "Malformed request"),
    MalformedBody: Kind(400, "malformed-body", "Malformed request body"),
    InvalidParameter: Kind(400, "invalid-parameter", "Invalid query parameter"),
    InvalidPageToken: Kind(400, "invalid-page-token", "Page token does not match this query"),
    InvalidHeader: Kind(400, "invalid-header", "Invalid request header"),
    UnauthorizedCallback: Kind(401, "unauthorized-callback", "Invalid callback token", challenge=TOKEN_HEADER),
    MissingCredentials: Kind(401, "missing-credentials", "Credentials required", challenge=_REALM),
    InvalidTicket: Kind(401, "invalid-ticket", "Invalid stream ticket", challenge=_REALM),
    InvalidCredentials: Kind(
        401, "invalid-credentials", "Invalid credentials", challenge=f'{_REALM}, error="invalid_token"'
    ),
    MissingScope: Kind(403, "missing-scope", "Missing scope", challenge=f'{_REALM}, error="insufficient_scope"'),
    ForeignOrigin: Kind(403, "foreign-origin", "Cross-origin request refused"),
    NotFoundException: Kind(404, "not-found", "Not found", "No route has this path."),
    TypeNotDeclared: Kind(404, "type-not-declared", "Operation type not declared"),
    OperationNotFound: Kind(404, "operation-not-found", "Operation not found"),
    MethodNotAllowedException: Kind(
        405, "method-not-allowed", "Method not allowed", "The Allow header lists the methods of this path."
    ),
    SlowBody: Kind(408, "slow-body", "Request body too slow"),
    ExecutionNotFound: Kind(404, "execution-not-found", "Execution not found"),
    ExecutionOfOtherType: Kind(409, "execution-of-other-type", "Execution belongs to an operation of another type"),
    ForeignReport: Kind(409, "foreign-report", "Report of another execution"),
    OperationAlreadyDone: Kind(409, "operation-already-done", "Operation already done"),
    OperationAlreadyRetried: Kind(409, "operation-already-retried", "Operation already retried"),
    OperationNotDone: Kind(409, "operation-not-done", "Operation not done"),
    WorkflowIdInUse: Kind(409, "workflow-id-in-use", "Workflow id in use"),
    WorkflowIdUsed: Kind(409, "workflow-id-used", "Workflow id used before"),
    VersionMismatch: Kind(412, "version-mismatch", "Version mismatch"),
    BodyTooLarge: Kind(413, "body-too-large", "Request body too large"),
    UnsupportedMediaType: Kind(415, "unsupported-media-type", "Unsupported media type"),
    MisdirectedRequest: Kind(421, "misdirected-request", "Host not served"),
    InvalidBody: _INVALID_FIELD,
    InvalidInput: _INVALID_FIELD,
    UnknownOperationType: Kind(422, "unknown-operation-type", "Unknown operation type"),
    IdempotencyKeyReused: Kind(422, "idempotency-key-reused", "Idempotency key reused"),
    RateLimited: Kind(429, "rate-limited", "Rate limit exceeded"),
    ClientWaiterLimitReached: Kind(429, "too-many-waiting", "Too many open waits and streams", retry_after=5),
    TooManyOpenBodies: Kind(429, "too-many-open-bodies", "Too many incoming request bodies", retry_after=1),
    TooManyPipelined: Kind(429, "too-many-pipelined", "Too many pipelined requests", retry_after=1),
    HeadTooLarge: Kind(431, "head-too-large", "Request headers too large"),
    ClientGone: Kind(499, "client-gone", "Client closed the connection"),
    UnsupportedTransferCoding: Kind(501, "unsupported-transfer-coding", "Unsupported transfer coding"),
    UnsupportedVersion: Kind(505, "unsupported-http-version", "Unsupported HTTP version"),
    StaleOperation: Kind(503, "busy", "Too many concurrent changes", "Retry.", retry_after=1),
    DatabaseUnavailable: Kind(503, "database-unavailable", "Database unavailable", MAYBE_STORED, retry_after=5),
    EngineUnavailable: Kind(
        503,
        "engine-unavailable",
        "Temporal unavailable",
        "The request needs Temporal, or the codec of its payloads, which is unavailable. Retry.",
        retry_after=5,
    ),
    IdentityProviderUnavailable: Kind(
        503,
        "identity-provider-unavailable",
        "Identity provider unavailable",
        "The identity provider is unavailable. Retry.",
        retry_after=5,
    ),
    WaiterLimitReached: Kind(503, "waiter-limit-reached", "No capacity for waits and streams", retry_after=5),
    CallbackNotTaken: Kind(503, "callback-not-taken", "Callback not stored", retry_after=1),
    NotReady: Kind(503, "not-ready", "Service not ready", retry_after=5),
    Exception: Kind(
        500, "internal", "Internal error", "The request failed. The log has the cause under the X-Request-Id."
    ),
}


def kind_of(error: Exception) -> Kind:
    """The row of the nearest base class in the table. Other HTTP errors of Litestar keep their status."""
    for base in type(error).__mro__:
        if base is HTTPException and isinstance(error, HTTPException) and error.status_code < 500:
            phrase = HTTPStatus(error.status_code).phrase
            return Kind(error.status_code, phrase.lower().replace(" ", "-"), phrase, phrase)
        if base in KINDS:
            return KINDS[base]
    return KINDS[Exception]


def problem_of(error: Exception) -> Problem:
    """The problem of an exception, to embed in another response."""
    return problem_body(kind_of(error), error)


def problem_body(kind: Kind, error: Exception) -> Problem:
    """The problem document (RFC 9457) for the error."""
    errors = _field_errors(error)
    more = f" ({len(errors) - 1} more)" if len(errors) > 1 else ""
    fields: dict[str, Any] = {
        "type": kind.type,
        "title": kind.title,
        "status": kind.status,
        "detail": clip_text(kind.detail or str(error)) + more,
        "errors": errors or msgspec.UNSET,
    }
    if isinstance(error, NotReady):
        return NotReadyProblem(checks=error.checks, **fields)
    if isinstance(error, Conflict):
        fields["operation_id"] = error.operation_id or msgspec.UNSET
    return Problem(**fields)


def problem_headers(kind: Kind, error: Exception) -> dict[str, str]:
    """The headers that go with it: `Retry-After` and the like."""
    headers = {}
    if kind.retry_after is not None:
        headers["Retry-After"] = str(kind.retry_after)
    if isinstance(error, RateLimited):
        headers["Retry-After"] = str(math.ceil(error.wait.total_seconds()))
    if kind.challenge is not None:
        headers["WWW-Authenticate"] = kind.challenge
    if isinstance(error, HTTPException) and error.headers:
        headers |= {name: value for name, value in error.headers.items() if name.lower() == "allow"}
    return headers


def _field_errors(error: Exception) -> list[FieldError]:
    match error:
        case RequestError():
            return error.errors
        case InvalidInput():
            return [clip(FieldError(violation.message, pointer=violation.pointer)) for violation in error.violations]
        case VersionMismatch():
            return [FieldError(str(error), header="If-Match")]
        case IdempotencyKeyReused():
            return [FieldError(str(error), header="Idempotency-Key")]
        case InvalidTicket():
            return [FieldError(str(error), parameter="ticket")]
        case InvalidCredentials():
            return [FieldError(str(error), header="Authorization")]
    return []
