"""Rules of a submission that depend on the declared types."""

from datetime import datetime
from typing import Final

from application.ports.input_validator import InputValidator
from application.submit.submission import Submission
from domain.errors import InvalidInput, UnknownOperationType, Violation
from domain.operation.operation_type import OperationCatalogue, OperationType
from domain.operation.start.labels import label_violations


class SubmissionRules:
    """Checks submissions against the catalogue. Thread-safe."""

    def __init__(self, catalogue: OperationCatalogue, validator: InputValidator) -> None:
        self.catalogue: Final = catalogue
        self._validator = validator

    def accepts(self, submission: Submission, now: datetime) -> bool:
        """Returns whether the submission is valid, without the time that an explanation takes."""
        operation_type = self.catalogue.types.get(submission.type)
        return (
            operation_type is not None
            and self._validator.accepts(operation_type, submission.input)
            and not [*label_violations(submission.labels), *submission.start.violations(now)]
            and not _unfilled(operation_type, submission)
        )

    def refusal_of(self, submission: Submission, now: datetime) -> InvalidInput | None:
        """Returns UnknownOperationType or InvalidInput with every violation if the submission is refused; None if it is
        valid. The error was never raised: it holds no traceback, and so no inputs."""
        others = [*label_violations(submission.labels), *submission.start.violations(now)]
        operation_type = self.catalogue.types.get(submission.type)
        if operation_type is None:
            return UnknownOperationType(self.catalogue.unknown(submission.type), more=others)
        violations = [*self._validator.violations(operation_type, submission.input), *others]
        violations = violations or _unfilled(operation_type, submission)
        return InvalidInput.of(violations) if violations else None


def _unfilled(operation_type: OperationType, submission: Submission) -> list[Violation]:
    """Returns why the submission's values make no workflow id."""
    template = operation_type.workflow_id
    return [] if template is None else [*template.violations(submission.tenant, submission.input, submission.labels)]
