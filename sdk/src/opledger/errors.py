"""Errors of calls to the ledger."""

from collections.abc import Sequence
from dataclasses import dataclass


class LedgerError(Exception):
    """A call to the ledger failed."""


class LedgerUnavailable(LedgerError):
    """The ledger gave no usable answer in time. Whether it has taken the request is not known."""


@dataclass(frozen=True)
class FieldError:
    """One error of a request, and where it is."""

    detail: str
    pointer: str | None = None
    """JSON Pointer (RFC 6901) into the body."""
    parameter: str | None = None
    """Name of a query parameter."""
    header: str | None = None
    """Name of a header."""

    def __str__(self) -> str:
        place = self.pointer or self.parameter or self.header
        return self.detail if place is None else f"{place}: {self.detail}"


class LedgerRefused(LedgerError):
    """The ledger refused a request, and would refuse it again. Subclasses name the most frequent reasons."""

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        problem: str = "about:blank",
        errors: Sequence[FieldError] = (),
        operation_id: str | None = None,
    ) -> None:
        """
        Args:
            status: HTTP status of the answer.
            detail: The ledger's reason.
            problem: URI of the problem type (RFC 9457). Compare it; it cannot be fetched.
            errors: One error for each wrong part of the request.
            operation_id: The operation that is in the way, if there is one.
        """
        super().__init__(f"{status}: {_reasons(detail, errors)}")
        self.status = status
        self.detail = detail
        self.problem = problem
        self.errors = tuple(errors)
        self.operation_id = operation_id


def _reasons(detail: str, errors: Sequence[FieldError]) -> str:
    """The detail and the errors. The ledger's detail repeats the first error, which is said once here."""
    if errors and errors[0].detail in detail:
        return str(errors[0]) if len(errors) == 1 else "\n  ".join((f"{len(errors)} errors", *map(str, errors)))
    return "\n  ".join((detail, *map(str, errors)))


class InvalidRequest(LedgerRefused):
    """The request is wrong: status 400, 413, 415, 422 or 431. `errors` names the fields."""


class ApiKeyRefused(LedgerRefused):
    """The ledger refused the API key, or it lacks the scope: status 401 or 403."""


class OperationNotFound(LedgerRefused):
    """There is no such operation, execution or operation type for this API key: status 404."""


class Conflict(LedgerRefused):
    """The state of the operation forbids the request, or an operation is in the way: status 409 or 412."""


_BY_STATUS: dict[int, type[LedgerRefused]] = {
    **dict.fromkeys((400, 413, 415, 422, 431), InvalidRequest),
    **dict.fromkeys((401, 403), ApiKeyRefused),
    404: OperationNotFound,
    **dict.fromkeys((409, 412), Conflict),
}


def refusal(
    status: int, detail: str, *, problem: str, errors: Sequence[FieldError], operation_id: str | None
) -> LedgerRefused:
    """The error of an answer with this status."""
    kind = _BY_STATUS.get(status, LedgerRefused)
    return kind(status, detail, problem=problem, errors=errors, operation_id=operation_id)
