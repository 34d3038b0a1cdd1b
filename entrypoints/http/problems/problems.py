"""What an error looks like on the wire: RFC 9457, with the fields that are wrong."""

from collections.abc import Sequence
from typing import Annotated, Final

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from domain.errors import OpledgerError

MEDIA_TYPE: Final = "application/problem+json"
_LONGEST_DETAIL = 1_000
_LONGEST_PLACE = 300


class FieldError(Struct, frozen=True):
    """One thing that is wrong, and where: in the body (a JSON pointer), the query, or a header."""

    detail: str
    pointer: Annotated[str, Meta(description="RFC 6901 pointer into the body")] | UnsetType = UNSET
    parameter: Annotated[str, Meta(description="Name of the query parameter")] | UnsetType = UNSET
    header: Annotated[str, Meta(description="Name of the request header")] | UnsetType = UNSET


class Problem(Struct, frozen=True):
    """An error: RFC 9457, and with `errors` the places in the request that it is about."""

    type: Annotated[str, Meta(description="What kind of problem; a URI that is compared, not fetched")]
    title: str
    status: Annotated[int, Meta(ge=400, le=599)]
    detail: str
    errors: list[FieldError] | UnsetType = UNSET


class CheckResult(Struct, frozen=True):
    """How one thing that the service depends on stands."""

    ok: bool
    message: Annotated[str, Meta(description="That something is wrong, where it is; the log says what")] | None = None


class NotReadyProblem(Problem, frozen=True, kw_only=True):
    """The problem of a service that cannot do its work, with every check that was made."""

    checks: dict[str, CheckResult]


class RequestError(OpledgerError):
    """The request is wrong."""

    def __init__(self, message: str | None = None, *errors: FieldError) -> None:
        super().__init__(message)
        self.errors = [clip(error) for error in errors]


class MalformedBody(RequestError):
    """The body cannot be read."""


class InvalidBody(RequestError):
    """The body is JSON, and does not fit its rules."""

    def __init__(self, first: FieldError, *more: FieldError) -> None:
        place = first.pointer or "the body"
        super().__init__(f"{place}: {first.detail}", first, *more)

    def and_also(self, more: Sequence[FieldError]) -> "InvalidBody":
        """The same with further errors."""
        return InvalidBody(*self.errors, *more)


class InvalidParameter(RequestError):
    """A query parameter does not fit its rules."""

    def __init__(self, name: str, detail: str) -> None:
        super().__init__(f"{clip_text(name, 100)}: {detail}", FieldError(detail, parameter=name))

    @classmethod
    def of(cls, errors: list[FieldError]) -> "InvalidParameter":
        """One error for several parameters; at least one."""
        error = cls(str(errors[0].parameter), errors[0].detail)
        error.errors = [clip(each) for each in errors]
        return error


class InvalidPageToken(InvalidParameter):
    """The page token is not one of this query."""

    def __init__(self) -> None:
        super().__init__("page_token", "it is not a token of this query: filters and order have to stay the same")


class InvalidHeader(RequestError):
    """A request header does not fit its rules."""

    def __init__(self, name: str, detail: str) -> None:
        super().__init__(f"{name}: {detail}", FieldError(detail, header=name))


class MisdirectedRequest(RequestError):
    """The request is for a host that is not served here."""

    def __init__(self) -> None:
        rule = "without access control it is localhost or a loopback address; set OPLEDGER_ACCESS to serve other names"
        super().__init__(f"Host: {rule}", FieldError(rule, header="Host"))


class UnsupportedMediaType(RequestError):
    """The body is not declared as application/json."""


class BodyTooLarge(RequestError):
    """The body is larger than this call takes."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"The body has at most {limit} bytes here.")


class MalformedHead(RequestError):
    """The request cannot be read as HTTP."""


class HeadTooLarge(RequestError):
    """The request line and the headers are larger than any call takes."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"URL and headers have at most {limit} bytes.")


class TooManyPipelined(RequestError):
    """More requests follow on one connection than may wait for earlier answers."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"At most {limit} requests of a connection wait for an earlier answer.")


class UnsupportedTransferCoding(RequestError):
    """The only transfer coding of a request body is chunked."""


class UnsupportedVersion(RequestError):
    """The server speaks HTTP/1.1 and HTTP/1.0."""


class SlowBody(RequestError):
    """The body arrives too slowly."""

    def __init__(self, rate: int) -> None:
        super().__init__(f"Send the body in one go: at least {rate} bytes a second.")


class TooManyOpenBodies(RequestError):
    """Too many request bodies of this client are still arriving: let one of them end first."""


class ForeignOrigin(RequestError):
    """A page of another site sent this request."""

    def __init__(self, header: str) -> None:
        rule = "a web page of another origin may not change operations; list its origin in OPLEDGER_CORS_ORIGINS"
        super().__init__(f"{header}: {rule}", FieldError(rule, header=header))


class UnauthorizedCallback(RequestError):
    """A callback proves by its token that it is about an operation that this ledger started; this one does not."""


class CallbackNotTaken(OpledgerError):
    """Nothing was stored: call again."""


class NotReady(OpledgerError):
    """The service cannot do its work now."""

    def __init__(self, checks: dict[str, CheckResult]) -> None:
        failed = ", ".join(sorted(name for name, result in checks.items() if not result.ok))
        super().__init__(f"not well: {failed}")
        self.checks = checks


def clip_text(text: str, limit: int = _LONGEST_DETAIL) -> str:
    """What came from outside, at a length that an answer may have and with nothing that UTF-8 cannot say."""
    cut = text if len(text) <= limit else text[: limit - 1] + "…"
    return cut.encode("utf-8", "replace").decode("utf-8")


def clip(error: FieldError) -> FieldError:
    """The error with its texts at a length that an answer may have."""
    places = {
        name: clip_text(value, _LONGEST_PLACE)
        for name, value in msgspec.structs.asdict(error).items()
        if isinstance(value, str) and name != "detail"
    }
    return msgspec.structs.replace(error, detail=clip_text(error.detail), **places)


class ClientGone(OpledgerError):
    """The client has closed its connection."""
