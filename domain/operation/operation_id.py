"""Reads the creation time from an operation's id."""

from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_VERSION: Final = 7
_BITS_BELOW_TIME: Final = 80


def made_at(operation_id: UUID) -> datetime | None:
    """Creation time of a UUIDv7, to the millisecond (RFC 9562, 5.7); None for any other version."""
    if operation_id.version != _VERSION:
        return None
    return _EPOCH + timedelta(milliseconds=operation_id.int >> _BITS_BELOW_TIME)
