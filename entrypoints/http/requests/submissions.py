"""Decodes a submission and reports all of its errors: in its fields, and in its input."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from application.submit.requests import SubmissionRequest
from domain.errors import InvalidInput, OpledgerError, Violation
from domain.operation.operation import MISSING
from domain.operation.start.labels import label_violations
from entrypoints.http.problems.problems import FieldError, InvalidBody
from entrypoints.http.requests.json_body import decode
from entrypoints.http.requests.schemas import SubmitBody

InputCheck = Callable[[SubmissionRequest], OpledgerError | None]
"""Returns why a submission would be refused, or None."""
_Body = TypeVar("_Body", bound=SubmitBody)


def read_submission(value: Any, into: type[_Body], *, check: InputCheck, at: str = "") -> _Body:
    """Decodes a submission. `at` is its JSON Pointer in the body. Raises InvalidBody for an invalid field; the error
    also lists what is wrong with the type, the input and the labels, as far as they can be decoded."""
    try:
        return decode(value, into, at=at)
    except InvalidBody as error:
        more = _violations(value, error, check, at) if isinstance(value, dict) else ()
        raise error.and_also([FieldError(each.message, pointer=f"{at}{each.pointer}") for each in more]) from None


def _violations(value: dict[str, Any], error: InvalidBody, check: InputCheck, at: str) -> Sequence[Violation]:
    wrong = {str(each.pointer).removeprefix(at).split("/")[1] for each in error.errors if each.pointer != at}
    labels = {} if "labels" in wrong else value.get("labels", {})
    if "type" in wrong:
        return label_violations(labels)
    refusal = check(SubmissionRequest(value["type"], value.get("input", MISSING), labels, None))
    return refusal.violations if isinstance(refusal, InvalidInput) else ()
