"""Attention of a completed operation whose result could not be read completely."""

from datetime import datetime

from domain.evidence.observation import Observation
from domain.json_value import clean_text
from domain.operation.acknowledging import problem_of, with_problem
from domain.operation.attention import Attention, AttentionKind
from domain.operation.operation import Change, Operation
from domain.operation.report import Report


def unreadable_message(observation: Observation, reported: Report | None = None) -> str | None:
    """Message that says what is missing from the result; None if nothing is. A complete reported result counts as
    read."""
    if observation.result_unreadable is not None and not has_result(reported):
        return f"the result could not be read: {observation.result_unreadable}"
    if observation.result_altered is not None:
        return f"the result is not complete: {observation.result_altered}"
    return None


def has_result(report: Report | None) -> bool:
    """Whether the report contains the complete result."""
    return report is not None and report.error is None and not report.provisional


def with_unreadable_result(change: Change, message: str | None, now: datetime) -> Change:
    """The change with the attention RESULT_UNREADABLE on its operation. Unchanged if `message` is None."""
    if message is None:
        return change
    attention = Attention(AttentionKind.RESULT_UNREADABLE, now, clean_text(message))
    return Change(with_problem(change.operation, attention), change.transitions)


def has_unreadable_result(operation: Operation) -> bool:
    """Whether the stored result is known to differ from the result of the execution."""
    problem = problem_of(operation)
    return problem is not None and problem.kind is AttentionKind.RESULT_UNREADABLE
