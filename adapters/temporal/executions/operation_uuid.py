"""Reads the search attribute `OperationUUID`, which the ledger sets on the executions that it starts."""

import json
from uuid import UUID

from temporalio.api.common.v1 import SearchAttributes

from opledger.search_attribute import OPERATION_UUID


def read_operation_uuid(attributes: SearchAttributes) -> UUID | None:
    """The operation's id; None if the attribute is missing or not a UUID in canonical form."""
    field = attributes.indexed_fields.get(OPERATION_UUID.name)
    if field is None:
        return None
    try:
        text = json.loads(field.data)
        value = UUID(text)
    except (ValueError, TypeError, AttributeError):
        return None
    return value if str(value) == text else None
