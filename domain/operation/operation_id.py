"""What an operation's id says of it without its row."""

from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_VERSION: Final = 7
_BELOW_THE_TIME: Final = 80
"""Bits."""


def made_at(operation_id: UUID) -> datetime | None:
    """When the id was made, to the millisecond (RFC 9562, 5.7); None for an id that does not say."""
    if operation_id.version != _VERSION:
        return None
    return _EPOCH + timedelta(milliseconds=operation_id.int >> _BELOW_THE_TIME)
