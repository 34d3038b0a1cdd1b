"""What raises and clears the attention of an operation that makes no progress: one rule for all of its kinds."""

from dataclasses import replace
from datetime import timedelta

from domain.evidence.observation import ExecutionProblem, Observation
from domain.json_value import clean_text
from domain.operation.attention import Attention, AttentionKind
from domain.operation.lifecycle import note_repeated, touched
from domain.operation.operation import Cause, Change, Operation

PROBLEM_NAMES = {
    AttentionKind.STALLED: "stalled",
    AttentionKind.NO_WORKER: "no worker",
    AttentionKind.ACTIVITY_RETRYING: "an activity is retried",
}
"""How the history names each kind that the engine shows of an open execution."""
WORKER_GRACE = timedelta(seconds=30)
"""How long a task may wait on a queue that no worker polls before that counts: workers are restarted."""
_CLEARED_BY_REPORT = frozenset({AttentionKind.STALLED, AttentionKind.NO_WORKER})


def update_attention(operation: Operation, observation: Observation, cause: Cause) -> Change | None:
    """Raise, renew or clear the attention, as the observation of an open execution says; None where nothing changes.
    Raising and clearing are history lines, new words are not: an activity may fail thousands of times."""
    attention = operation.attention
    known = attention is not None and attention.kind in PROBLEM_NAMES
    problem = _lasting_problem(observation)
    if problem is None:
        return _cleared(operation, cause) if known else None
    message = clean_text(problem.message)
    if attention is None or attention.kind is not problem.kind:
        raised = replace(operation, attention=Attention(problem.kind, cause.now, message))
        return note_repeated(raised, replace(cause, reason=f"{PROBLEM_NAMES[problem.kind]}: {message}"))
    if attention.message == message:
        return None
    return touched(replace(operation, attention=replace(attention, message=message)), cause.now)


def clear_on_report(operation: Operation, cause: Cause) -> Change | None:
    """A running workflow reports: a worker has it, and its task went through."""
    attention = operation.attention
    return _cleared(operation, cause) if attention is not None and attention.kind in _CLEARED_BY_REPORT else None


def _cleared(operation: Operation, cause: Cause) -> Change:
    return note_repeated(replace(operation, attention=None), replace(cause, reason="the execution makes progress"))


def _lasting_problem(observation: Observation) -> ExecutionProblem | None:
    """The problem, unless a task waits for a worker that may only be starting."""
    problem = observation.problem
    if problem is None or problem.waits_since is None:
        return problem
    return problem if observation.asked_at - problem.waits_since >= WORKER_GRACE else None
