"""Request bodies of single operations."""

from typing import Annotated, Any, Final

from msgspec import UNSET, Meta, Struct, UnsetType

from application.tenant_ledger import SubmissionRequest
from domain.json_value import MAX_TEXT
from domain.operation.labels import KEY, MAX_LABELS, MAX_VALUE, VALUE
from domain.operation.operation import MISSING

MAX_TYPE_LENGTH: Final = 255
_TypeName = Annotated[
    str, Meta(min_length=1, max_length=MAX_TYPE_LENGTH, description="Name of a declared operation type")
]
LABELS = {
    "maxProperties": MAX_LABELS,
    "propertyNames": {"pattern": f"^{KEY}$"},
    "additionalProperties": {"type": "string", "maxLength": MAX_VALUE, "pattern": f"^{VALUE}$"},
}
"""JSON Schema keywords of labels."""


class SubmitBody(Struct, frozen=True, forbid_unknown_fields=True):
    """A submission."""

    type: _TypeName
    input: (
        Annotated[Any, Meta(description="Any JSON value. Without it, the workflow starts without an argument")]
        | UnsetType
    ) = UNSET
    labels: Annotated[dict[str, str], Meta(max_length=MAX_LABELS, description="Key-value pairs to filter by")] = {}


class CancelBody(Struct, frozen=True, forbid_unknown_fields=True):
    """A cancellation request."""

    reason: Annotated[str, Meta(max_length=MAX_TEXT)] | None = None
    force: Annotated[bool, Meta(description="Terminate the workflow. It cannot clean up")] = False


def submission_request(body: SubmitBody, idempotency_key: str | None) -> SubmissionRequest:
    """The submission request of a body."""
    value = MISSING if body.input is UNSET else body.input
    return SubmissionRequest(body.type, value, body.labels, idempotency_key)
