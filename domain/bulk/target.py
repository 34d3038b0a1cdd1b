"""A target of a bulk action, and its outcome."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from uuid import UUID

from domain.errors import (
    InvalidInput,
    NoAttention,
    OperationAlreadyDone,
    OperationAlreadyRetried,
    OperationNotDone,
    OperationNotFound,
    OpledgerError,
    WorkflowIdConflict,
)


class TargetOutcome(StrEnum):
    """Outcome of a target."""

    PENDING = "PENDING"
    """The bulk action has not handled it."""
    DONE = "DONE"
    """The verb succeeded, as a request for this operation alone would have."""
    SKIPPED = "SKIPPED"
    """The operation has changed since the dry run, so that the verb no longer applies. Nothing was changed."""
    FAILED = "FAILED"
    """The verb was refused. Nothing was changed."""


class TargetCode(StrEnum):
    """Why a target was skipped, or has failed."""

    NOT_FOUND = "NOT_FOUND"
    ALREADY_DONE = "ALREADY_DONE"
    NOT_DONE = "NOT_DONE"
    ALREADY_RETRIED = "ALREADY_RETRIED"
    NO_ATTENTION = "NO_ATTENTION"
    REFUSED = "REFUSED"


@dataclass(frozen=True, slots=True)
class Target:
    """One operation of a bulk action."""

    place: int
    """1 for the first."""
    operation_id: UUID
    outcome: TargetOutcome = TargetOutcome.PENDING
    code: TargetCode | None = None
    message: str | None = None
    """Why, for people."""
    new_operation_id: UUID | None = None
    """The operation that retries the target."""
    problem: UUID | None = None
    """Identity of the problem that an acknowledgement is for. None: another verb."""


_SKIPPED: Final[Mapping[type[OpledgerError], TargetCode]] = {
    OperationNotFound: TargetCode.NOT_FOUND,
    OperationAlreadyDone: TargetCode.ALREADY_DONE,
    OperationNotDone: TargetCode.NOT_DONE,
    OperationAlreadyRetried: TargetCode.ALREADY_RETRIED,
    NoAttention: TargetCode.NO_ATTENTION,
}
_REFUSED: Final = (InvalidInput, WorkflowIdConflict)


def unsuccessful(error: OpledgerError) -> tuple[TargetOutcome, TargetCode] | None:
    """The outcome of a target whose verb raised this error; None: it says nothing of the operation, and the bulk action
    has to try again."""
    for kind, code in _SKIPPED.items():
        if isinstance(error, kind):
            return TargetOutcome.SKIPPED, code
    return (TargetOutcome.FAILED, TargetCode.REFUSED) if isinstance(error, _REFUSED) else None
