"""Reads a submission, and reports every error of it: of its own fields, and of its input."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from application.tenant_ledger import Wanted
from domain.errors import Fault, InvalidInput, OpledgerError
from domain.operation.labels import label_faults
from domain.operation.operation import MISSING
from entrypoints.http.problems.problems import FieldError, InvalidBody
from entrypoints.http.requests.json_body import decode
from entrypoints.http.requests.schemas import SubmitBody

InputCheck = Callable[[Wanted], OpledgerError | None]
"""Why a submission would not be accepted, if it would not."""
_Body = TypeVar("_Body", bound=SubmitBody)


def read_submission(value: Any, into: type[_Body], *, check: InputCheck, at: str = "") -> _Body:
    """The submission, which is at that place of the body. Raises InvalidBody: a field does not have its form. The error
    also reports what is wrong with the type, the input and the labels, as far as they can be read."""
    try:
        return decode(value, into, at=at)
    except InvalidBody as error:
        more = _faults(value, error, check, at) if isinstance(value, dict) else ()
        raise error.and_also([FieldError(fault.message, pointer=f"{at}{fault.pointer}") for fault in more]) from None


def _faults(value: dict[str, Any], error: InvalidBody, check: InputCheck, at: str) -> Sequence[Fault]:
    wrong = {str(each.pointer).removeprefix(at).split("/")[1] for each in error.errors if each.pointer != at}
    labels = {} if "labels" in wrong else value.get("labels", {})
    if "type" in wrong:
        return label_faults(labels)
    refusal = check(Wanted(value["type"], value.get("input", MISSING), labels, None))
    return refusal.faults if isinstance(refusal, InvalidInput) else ()
