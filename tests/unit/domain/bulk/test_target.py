"""What the errors of the verbs mean for a target."""

import pytest

from application.ports.storage.operation_repository import StaleOperation
from application.ports.storage.unit_of_work import DatabaseContended, DatabaseUnavailable
from domain.bulk.target import TargetCode, TargetOutcome, unsuccessful
from domain.errors import (
    InvalidInput,
    NoAttention,
    OperationAlreadyDone,
    OperationAlreadyRetried,
    OperationNotDone,
    OperationNotFound,
    OpledgerError,
    UnknownOperationType,
    WorkflowIdInUse,
    WorkflowIdUsed,
)

SKIPPED, FAILED = TargetOutcome.SKIPPED, TargetOutcome.FAILED


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (OperationNotFound(), (SKIPPED, TargetCode.NOT_FOUND)),
        (OperationAlreadyDone(), (SKIPPED, TargetCode.ALREADY_DONE)),
        (OperationNotDone(), (SKIPPED, TargetCode.NOT_DONE)),
        (OperationAlreadyRetried(), (SKIPPED, TargetCode.ALREADY_RETRIED)),
        (NoAttention(), (SKIPPED, TargetCode.NO_ATTENTION)),
        (InvalidInput(), (FAILED, TargetCode.REFUSED)),
        (UnknownOperationType(), (FAILED, TargetCode.REFUSED)),
        (WorkflowIdInUse(), (FAILED, TargetCode.REFUSED)),
        (WorkflowIdUsed(), (FAILED, TargetCode.REFUSED)),
        (StaleOperation(), None),
        (DatabaseUnavailable(), None),
        (DatabaseContended(), None),
        (OpledgerError(), None),
    ],
)
def test_each_error_of_a_verb_has_an_outcome(
    error: OpledgerError, expected: tuple[TargetOutcome, TargetCode] | None
) -> None:
    """Skipped: the operation has changed. Failed: the verb is refused. None: the piece is repeated."""
    assert unsuccessful(error) == expected
