"""A bulk action: one verb on the operations that matched a filter at one moment."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

from domain.operation.operation_type import RESERVED_PREFIX

MAX_TARGETS: Final = 100_000
"""Operations that one bulk action may change."""
CONFIRM_WITHIN: Final = timedelta(minutes=15)
"""Time within which a dry run can be confirmed."""
MAX_UNCONFIRMED: Final = 50
"""Dry runs of a tenant that are kept: its newest ones. The ids of the largest take 1.6 MB each."""
KEPT_UNCONFIRMED: Final = timedelta(hours=1)
"""Time after which a dry run that was not confirmed is deleted. Longer than CONFIRM_WITHIN, because clocks differ."""


class BulkVerb(StrEnum):
    """Verb that a bulk action applies to each operation."""

    CANCEL = "cancel"
    """Request the cancellation of open operations."""
    RETRY = "retry"
    """Submit each operation that is done once more."""
    DELETE = "delete"
    """Delete operations that are done."""
    ACKNOWLEDGE = "acknowledge"
    """Clear the attention of operations."""


def bulk_type(verb: BulkVerb) -> str:
    """The operation type of a bulk action with the verb."""
    return f"{RESERVED_PREFIX}{verb}"


@dataclass(frozen=True, slots=True)
class BulkTerms:
    """The arguments of a confirmation."""

    reason: str | None = None
    force: bool = False
    """Cancellation only: terminate the workflows."""
    actor: str | None = None


@dataclass(frozen=True, slots=True)
class BulkAction:
    """A bulk action. Its id becomes the id of the operation that performs it: it can be confirmed only once."""

    id: UUID
    tenant: str
    verb: BulkVerb
    created_at: datetime
    """When the dry run found the targets."""
    matching: int = 0
    """Number of targets."""
    terms: BulkTerms | None = None
    """None: it is not confirmed."""
