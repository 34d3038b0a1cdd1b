"""Acknowledgements: a client clears the attention of an operation until a new problem occurs."""

from dataclasses import replace

from domain.operation.attention import Attention, AttentionKind
from domain.operation.lifecycle import note
from domain.operation.operation import Cause, Change, Operation


def acknowledge(operation: Operation, reason: str | None, cause: Cause) -> Change:
    """Clears the attention, and stores the acknowledgement. An operation without attention stays as it is."""
    attention = operation.attention
    if attention is None:
        return Change(operation)
    words = f"acknowledged {attention.kind}"
    acknowledged = replace(operation, attention=None, acknowledged=attention)
    return note(acknowledged, replace(cause, reason=f"{words}: {reason}" if reason else words))


def problem_of(operation: Operation) -> Attention | None:
    """The problem that the operation is known to have, acknowledged or not."""
    return operation.attention or operation.acknowledged


def with_problem(operation: Operation, problem: Attention) -> Operation:
    """The operation with this problem. It becomes the attention, unless it is the one that was acknowledged: the same
    kind, and for DIVERGED the same contradiction. Others of one kind go on, with new words."""
    known = operation.acknowledged
    if known is not None and _is_same(known, problem):
        return replace(operation, acknowledged=problem)
    return replace(operation, attention=problem, acknowledged=None)


def without_problem(operation: Operation) -> Operation:
    """The operation after the end of its problem: the next one is new, whatever its kind."""
    return replace(operation, attention=None, acknowledged=None)


def _is_same(known: Attention, problem: Attention) -> bool:
    diverged = problem.kind is AttentionKind.DIVERGED
    return known.kind is problem.kind and (not diverged or known.message == problem.message)
