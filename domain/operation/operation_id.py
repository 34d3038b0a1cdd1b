"""The id of an operation: the creation time in it, and the id of an adopted operation."""

import json
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID, uuid5

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DIGITS: Final = 32
_VERSION: Final = 7
_ADOPTED_VERSION: Final = 5
_BITS_BELOW_TIME: Final = 80
_ADOPTED: Final = UUID("6f9d5c0e-3b0a-5d5e-9a55-0d6a1f0f15ad")
"""Namespace of the ids of adopted operations, the same as in the SDK. It never changes."""


def made_at(operation_id: UUID) -> datetime | None:
    """Creation time of a UUIDv7, to the millisecond (RFC 9562, 5.7); None for any other version."""
    if operation_id.version != _VERSION:
        return None
    return _EPOCH + timedelta(milliseconds=operation_id.int >> _BITS_BELOW_TIME)


def ids_from(prefix: str) -> tuple[UUID, UUID]:
    """The lowest and the highest id that begins with these hexadecimal digits, at most 32."""
    return UUID(prefix.ljust(_DIGITS, "0")), UUID(prefix.ljust(_DIGITS, "f"))


def is_adopted(operation_id: UUID) -> bool:
    """Whether the id is that of an adopted operation (`adopted_id`)."""
    return operation_id.version == _ADOPTED_VERSION


def adopted_id(namespace: str, workflow_id: str, first_run_id: str) -> UUID:
    """Id of the operation that adopts a workflow chain of a Temporal namespace. The same for the same chain, so that
    every adoption of it finds the same operation. The SDK computes it too."""
    name = json.dumps([namespace, workflow_id, first_run_id], ensure_ascii=False, separators=(",", ":"))
    return uuid5(_ADOPTED, name)
