"""From exceptions to problems: the one table."""

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

from application.ports.operation_repository import StaleOperation
from application.ports.token_verifier import IdentityProviderUnavailable
from application.ports.unit_of_work import DatabaseUnavailable
from application.watch.waiter_limit import TooManyWaiting, WaitingRoomFull
from domain.access.callback_token import TOKEN_HEADER
from domain.access.credentials import InvalidCredentials, MissingCredentials
from domain.access.scope import MissingScope
from domain.access.stream_ticket import InvalidTicket
from domain.access.token_bucket import RateLimited
from domain.errors import (
    IdempotencyKeyReused,
    InvalidInput,
    OperationAlreadyDone,
    OperationNotDone,
    OperationNotFound,
    UnknownOperationType,
    VersionMismatch,
)
from entrypoints.http.problems.problems import (
    BodyTooLarge,
    CallbackNotTaken,
    ClientGone,
    FieldError,
    ForeignOrigin,
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
    UnauthorizedCallback,
    UnsupportedMediaType,
    UnsupportedTransferCoding,
    UnsupportedVersion,
    clip,
    clip_text,
)

MAYBE_STORED = "Whether a change was stored is not known. Try again; a submission with the same Idempotency-Key."
"""A commit whose answer was lost may have gone through."""
MAX_BODY: Final = 256 * 1024


@dataclass(frozen=True, slots=True)
class Kind:
    """What an exception becomes. `detail` replaces the exception's own words where those are not for clients."""

    status: int
    slug: str
    title: str
    detail: str | None = None
    retry_after: int | None = None
    challenge: str | None = None
    """How a client that may do this shows that it may."""

    @property
    def type(self) -> str:
        """The problem's type."""
        return f"urn:opledger:problem:{self.slug}"


_REALM: Final = 'Bearer realm="opledger"'
_INVALID_FIELD = Kind(422, "invalid-field", "A field of the body is wrong")
KINDS: Final[Mapping[type[Exception], Kind]] = {
    MalformedHead: Kind(400, "malformed-head", "The request cannot be read"),
    MalformedBody: Kind(400, "malformed-body", "The body cannot be read"),
    InvalidParameter: Kind(400, "invalid-parameter", "A query parameter is wrong"),
    InvalidPageToken: Kind(400, "invalid-page-token", "The page token does not belong to this query"),
    InvalidHeader: Kind(400, "invalid-header", "A request header is wrong"),
    UnauthorizedCallback: Kind(
        401, "unauthorized-callback", "The callback is not one that this ledger asked for", challenge=TOKEN_HEADER
    ),
    MissingCredentials: Kind(401, "missing-credentials", "Credentials are needed", challenge=_REALM),
    InvalidTicket: Kind(401, "invalid-ticket", "The stream ticket is not valid", challenge=_REALM),
    InvalidCredentials: Kind(
        401, "invalid-credentials", "The credentials are not valid", challenge=f'{_REALM}, error="invalid_token"'
    ),
    MissingScope: Kind(
        403, "missing-scope", "The credentials lack a scope", challenge=f'{_REALM}, error="insufficient_scope"'
    ),
    ForeignOrigin: Kind(403, "foreign-origin", "A page of another site sent the request"),
    NotFoundException: Kind(404, "not-found", "Not found", "There is nothing at this path."),
    OperationNotFound: Kind(404, "operation-not-found", "There is no such operation"),
    MethodNotAllowedException: Kind(
        405, "method-not-allowed", "Method not allowed", "The Allow header names the methods that this path has."
    ),
    SlowBody: Kind(408, "slow-body", "The body arrives too slowly"),
    OperationAlreadyDone: Kind(409, "operation-already-done", "The operation is done already"),
    OperationNotDone: Kind(409, "operation-not-done", "The operation is not done yet"),
    VersionMismatch: Kind(412, "version-mismatch", "The operation is not at the version that is meant"),
    BodyTooLarge: Kind(413, "body-too-large", "The body is too large"),
    UnsupportedMediaType: Kind(415, "unsupported-media-type", "The body's media type is not supported"),
    MisdirectedRequest: Kind(421, "misdirected-request", "The request is for another host"),
    InvalidBody: _INVALID_FIELD,
    InvalidInput: _INVALID_FIELD,
    UnknownOperationType: Kind(422, "unknown-operation-type", "There is no such operation type"),
    IdempotencyKeyReused: Kind(422, "idempotency-key-reused", "The idempotency key belongs to another request"),
    RateLimited: Kind(429, "rate-limited", "Too many requests"),
    TooManyWaiting: Kind(429, "too-many-waiting", "Too many waits and streams are open", retry_after=5),
    TooManyOpenBodies: Kind(429, "too-many-open-bodies", "Too many bodies are still arriving", retry_after=1),
    TooManyPipelined: Kind(429, "too-many-pipelined", "Too many requests are pipelined", retry_after=1),
    HeadTooLarge: Kind(431, "head-too-large", "The request's head is too large"),
    ClientGone: Kind(499, "client-gone", "The client has hung up"),
    UnsupportedTransferCoding: Kind(501, "unsupported-transfer-coding", "The transfer coding is not supported"),
    UnsupportedVersion: Kind(505, "unsupported-http-version", "The HTTP version is not supported"),
    StaleOperation: Kind(503, "busy", "The operation is changing too fast", "Try again.", retry_after=1),
    DatabaseUnavailable: Kind(
        503, "database-unavailable", "The database cannot be reached", MAYBE_STORED, retry_after=5
    ),
    IdentityProviderUnavailable: Kind(
        503,
        "identity-provider-unavailable",
        "The token cannot be checked",
        "The identity provider's keys cannot be had. Try again.",
        retry_after=5,
    ),
    WaitingRoomFull: Kind(503, "waiting-room-full", "All places to wait are taken", retry_after=5),
    CallbackNotTaken: Kind(503, "callback-not-taken", "The callback was not taken", retry_after=1),
    NotReady: Kind(503, "not-ready", "The service is not ready", retry_after=5),
    Exception: Kind(
        500, "internal", "Internal error", "The request failed, and the log says why under its X-Request-Id."
    ),
}


def kind_of(error: Exception) -> Kind:
    """The row of the nearest base class that has one. What only Litestar knows keeps its status."""
    for base in type(error).__mro__:
        if base is HTTPException and isinstance(error, HTTPException) and error.status_code < 500:
            phrase = HTTPStatus(error.status_code).phrase
            return Kind(error.status_code, phrase.lower().replace(" ", "-"), phrase, phrase)
        if base in KINDS:
            return KINDS[base]
    return KINDS[Exception]


def problem_of(error: Exception) -> Problem:
    """The problem alone, for an answer that is not one."""
    return problem_body(kind_of(error), error)


def problem_body(kind: Kind, error: Exception) -> Problem:
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
    return Problem(**fields)


def problem_headers(kind: Kind, error: Exception) -> dict[str, str]:
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
            return [clip(FieldError(fault.message, pointer=fault.pointer)) for fault in error.faults]
        case VersionMismatch():
            return [FieldError(str(error), header="If-Match")]
        case IdempotencyKeyReused():
            return [FieldError(str(error), header="Idempotency-Key")]
        case InvalidTicket():
            return [FieldError(str(error), parameter="ticket")]
        case InvalidCredentials():
            return [FieldError(str(error), header="Authorization")]
    return []
