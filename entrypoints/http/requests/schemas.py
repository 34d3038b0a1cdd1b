"""Request bodies."""

from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType

from application.tenant_ledger import Wanted
from domain.json_value import MAX_TEXT
from domain.operation.labels import KEY, MAX_LABELS, MAX_VALUE, VALUE
from domain.operation.operation import MISSING

LONGEST_TYPE = 255
_TypeName = Annotated[str, Meta(min_length=1, max_length=LONGEST_TYPE, description="Name of a declared type")]
LABELS = {
    "maxProperties": MAX_LABELS,
    "propertyNames": {"pattern": f"^{KEY}$"},
    "additionalProperties": {"type": "string", "maxLength": MAX_VALUE, "pattern": f"^{VALUE}$"},
}
"""The schema of labels, as far as a schema goes."""


class SubmitBody(Struct, frozen=True, forbid_unknown_fields=True):
    """What to run."""

    type: _TypeName
    input: (
        Annotated[Any, Meta(description="Any JSON; left out, the workflow starts without an argument")] | UnsetType
    ) = UNSET
    labels: Annotated[dict[str, str], Meta(max_length=MAX_LABELS, description="Texts to find the operation by")] = {}


class CancelBody(Struct, frozen=True, forbid_unknown_fields=True):
    """Why, and how."""

    reason: Annotated[str, Meta(max_length=MAX_TEXT)] | None = None
    force: Annotated[bool, Meta(description="Terminate instead of asking the workflow to stop")] = False


def wanted(body: SubmitBody, idempotency_key: str | None) -> Wanted:
    """What the client asks for."""
    value = MISSING if body.input is UNSET else body.input
    return Wanted(body.type, value, body.labels, idempotency_key)
