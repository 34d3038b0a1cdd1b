"""The attention of a completed operation whose result could not be read, or not as a whole."""

from dataclasses import replace
from datetime import datetime

from domain.evidence.observation import Observation
from domain.json_value import clean_text
from domain.operation.attention import Attention, AttentionKind
from domain.operation.operation import Change, Operation
from domain.operation.report import Report


def unreadable_message(observation: Observation, reported: Report | None = None) -> str | None:
    """Says what of the result is missing; None if nothing is. A whole result that was reported counts as read."""
    if observation.result_unreadable is not None and not has_result(reported):
        return f"the result could not be read: {observation.result_unreadable}"
    if observation.result_altered is not None:
        return f"the result is not complete: {observation.result_altered}"
    return None


def has_result(report: Report | None) -> bool:
    """Whether the report carries the whole result."""
    return report is not None and report.error is None and not report.provisional


def with_unreadable_result(change: Change, words: str | None, now: datetime) -> Change:
    """The change with the attention on its operation; unchanged without words."""
    if words is None:
        return change
    attention = Attention(AttentionKind.RESULT_UNREADABLE, now, clean_text(words))
    return Change(replace(change.operation, attention=attention), change.transitions)


def has_unreadable_result(operation: Operation) -> bool:
    """Whether the stored result is known to differ from the execution's."""
    return operation.attention is not None and operation.attention.kind is AttentionKind.RESULT_UNREADABLE
