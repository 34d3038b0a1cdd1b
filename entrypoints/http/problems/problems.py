"""Problem bodies (RFC 9457) and the exceptions of requests that become problems."""

from collections.abc import Sequence
from typing import Annotated, Final
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from domain.errors import OpledgerError

MEDIA_TYPE: Final = "application/problem+json"
_MAX_DETAIL: Final = 1_000
"""Characters of a detail."""
_MAX_LOCATION: Final = 300
"""Characters of a pointer or a name."""


class FieldError(Struct, frozen=True):
    """One error and its location: a pointer into the body, a query parameter or a header."""

    detail: str
    pointer: Annotated[str, Meta(description="JSON Pointer (RFC 6901) into the request body")] | UnsetType = UNSET
    parameter: Annotated[str, Meta(description="Name of the query parameter")] | UnsetType = UNSET
    header: Annotated[str, Meta(description="Name of the request header")] | UnsetType = UNSET


class Problem(Struct, frozen=True):
    """An error (RFC 9457). `errors` lists each wrong part of the request."""

    type: Annotated[str, Meta(description="URI that identifies the problem type. Compare it; it cannot be fetched")]
    title: str
    status: Annotated[int, Meta(ge=400, le=599)]
    detail: str
    errors: list[FieldError] | UnsetType = UNSET
    operation_id: (
        Annotated[UUID, Meta(description="The operation that is in the way; absent if it belongs to another tenant")]
        | UnsetType
    ) = UNSET


class CheckResult(Struct, frozen=True):
    """The result of one readiness check."""

    ok: bool
    message: Annotated[str, Meta(description="What failed. The log has the cause")] | None = None


class NotReadyProblem(Problem, frozen=True, kw_only=True):
    """The problem of a service that is not ready, with the result of every check."""

    checks: dict[str, CheckResult]


class RequestError(OpledgerError):
    """The request is invalid."""

    def __init__(self, message: str | None = None, *errors: FieldError) -> None:
        super().__init__(message)
        self.errors = [clip(error) for error in errors]


class MalformedBody(RequestError):
    """The body cannot be parsed."""


class InvalidBody(RequestError):
    """The body is JSON, but a field is invalid."""

    def __init__(self, first: FieldError, *more: FieldError) -> None:
        location = first.pointer or "body"
        super().__init__(f"{location}: {first.detail}", first, *more)

    def and_also(self, more: Sequence[FieldError]) -> "InvalidBody":
        """This error with more field errors."""
        return InvalidBody(*self.errors, *more)


class InvalidParameter(RequestError):
    """A query parameter is invalid."""

    def __init__(self, name: str, detail: str) -> None:
        super().__init__(f"{clip_text(name, 100)}: {detail}", FieldError(detail, parameter=name))

    @classmethod
    def of(cls, errors: list[FieldError]) -> "InvalidParameter":
        """One error for all invalid parameters. `errors` is not empty."""
        error = cls(str(errors[0].parameter), errors[0].detail)
        error.errors = [clip(each) for each in errors]
        return error


class InvalidPageToken(InvalidParameter):
    """The page token does not match this query."""

    def __init__(self) -> None:
        super().__init__("page_token", "does not match this query; keep the filters and the order of the first page")


class TypeNotDeclared(RequestError):
    """No operation type has the name in the path."""


class InvalidHeader(RequestError):
    """A request header is invalid."""

    def __init__(self, name: str, detail: str) -> None:
        super().__init__(f"{name}: {detail}", FieldError(detail, header=name))


class MisdirectedRequest(RequestError):
    """The request is for a host that this server does not serve."""

    def __init__(self) -> None:
        rule = (
            "must be localhost or a loopback address without access control; set OPLEDGER_ACCESS to serve other names"
        )
        super().__init__(f"Host: {rule}", FieldError(rule, header="Host"))


class UnsupportedMediaType(RequestError):
    """The body is not declared as application/json."""


class BodyTooLarge(RequestError):
    """The body exceeds the limit of the route."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"The body exceeds {limit} bytes.")


class MalformedHead(RequestError):
    """The request is not valid HTTP."""


class HeadTooLarge(RequestError):
    """The URL and the headers exceed the limit."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"The URL and the headers exceed {limit} bytes.")


class TooManyPipelined(RequestError):
    """Too many requests of one connection wait for earlier responses."""

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"More than {limit} requests of this connection wait for a response. Read the responses first."
        )


class UnsupportedTransferCoding(RequestError):
    """The transfer coding is not supported. Send the body as chunked, or with Content-Length."""


class UnsupportedVersion(RequestError):
    """The HTTP version is not supported. Use HTTP/1.1 or HTTP/1.0."""


class SlowBody(RequestError):
    """The body arrives more slowly than the server accepts."""

    def __init__(self, rate: int) -> None:
        super().__init__(f"The body arrives too slowly. Send at least {rate} bytes per second.")


class TooManyOpenBodies(RequestError):
    """Too many request bodies of this client are still arriving. Wait until one is complete."""


class ForeignOrigin(RequestError):
    """A web page of another origin sent this request."""

    def __init__(self, header: str) -> None:
        rule = "web pages of this origin may not change operations; add the origin to OPLEDGER_CORS_ORIGINS to allow it"
        super().__init__(f"{header}: {rule}", FieldError(rule, header=header))


class UnauthorizedCallback(RequestError):
    """The callback token is missing, repeated or not the token of this operation, or callbacks are off."""


class ForeignReport(OpledgerError):
    """The report names an execution that is not the operation's."""


class CallbackNotTaken(OpledgerError):
    """The callback was not stored. Retry."""


class NotReady(OpledgerError):
    """The service is not ready."""

    def __init__(self, checks: dict[str, CheckResult]) -> None:
        failed = ", ".join(sorted(name for name, result in checks.items() if not result.ok))
        super().__init__(f"Failed checks: {failed}.")
        self.checks = checks


def clip_text(text: str, limit: int = _MAX_DETAIL) -> str:
    """The text, cut to `limit` characters and encodable as UTF-8."""
    cut = text if len(text) <= limit else text[: limit - 1] + "…"
    return cut.encode("utf-8", "replace").decode("utf-8")


def clip(error: FieldError) -> FieldError:
    """The error with every text cut to its limit."""
    locations = {
        name: clip_text(value, _MAX_LOCATION)
        for name, value in msgspec.structs.asdict(error).items()
        if isinstance(value, str) and name != "detail"
    }
    return msgspec.structs.replace(error, detail=clip_text(error.detail), **locations)


class ClientGone(OpledgerError):
    """The client closed the connection."""
