"""Reads problem documents (RFC 9457)."""

from http import HTTPStatus
from typing import Final

import msgspec
from msgspec import Struct

from opledger.errors import FieldError, LedgerRefused, refusal

_MAX_DETAIL: Final = 1_000
"""Characters."""


class _ErrorBody(Struct):
    detail: str = ""
    pointer: str | None = None
    parameter: str | None = None
    header: str | None = None


class ProblemBody(Struct):
    """A problem. All members may be missing: the answer may be that of a proxy."""

    type: str = "about:blank"
    title: str = ""
    detail: str = ""
    errors: list[_ErrorBody] = []
    operation_id: str | None = None


def read_problem(status: int, body: bytes) -> LedgerRefused:
    """The error of an answer."""
    try:
        return refused(status, msgspec.json.decode(body, type=ProblemBody))
    except (msgspec.DecodeError, UnicodeDecodeError):
        return refused(status, ProblemBody())


def refused(status: int, problem: ProblemBody) -> LedgerRefused:
    """The error of a problem."""
    detail = problem.detail or problem.title or _phrase(status)
    errors = [FieldError(one.detail, one.pointer, one.parameter, one.header) for one in problem.errors]
    return refusal(status, detail[:_MAX_DETAIL], problem=problem.type, errors=errors, operation_id=problem.operation_id)


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "refused"
