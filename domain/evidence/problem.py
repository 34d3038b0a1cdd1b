"""Sets and clears the attention of an operation that makes no progress: one rule for all kinds of problems."""

from dataclasses import replace
from datetime import timedelta

from domain.evidence.observation import ExecutionProblem, Observation
from domain.json_value import clean_text
from domain.operation.acknowledging import problem_of, with_problem, without_problem
from domain.operation.attention import Attention, AttentionKind
from domain.operation.lifecycle import note_repeated, touched
from domain.operation.operation import Cause, Change, Operation

PROBLEM_NAMES = {
    AttentionKind.STALLED: "stalled",
    AttentionKind.NO_WORKER: "no worker",
    AttentionKind.ACTIVITY_RETRYING: "activity retrying",
}
"""Name of each kind of problem in history lines."""
WORKER_GRACE = timedelta(seconds=30)
"""How long a task may wait on a task queue without a poller before the operation gets the attention: workers
restart."""
_CLEARED_BY_REPORT = frozenset({AttentionKind.STALLED, AttentionKind.NO_WORKER})


def update_attention(operation: Operation, observation: Observation, cause: Cause) -> Change | None:
    """Sets, updates or clears the attention, as an observation of an open execution says; None if nothing changes.

    Setting and clearing add a history line. A new message does not: an activity may fail thousands of times. A problem
    that a client has acknowledged sets no attention until it has ended.
    """
    known, problem = problem_of(operation), _lasting_problem(observation)
    if problem is None:
        return _cleared(operation, cause) if known is not None and known.kind in PROBLEM_NAMES else None
    message = clean_text(problem.message)
    if known is None or known.kind is not problem.kind:
        changed = with_problem(operation, Attention(problem.kind, cause.now, message))
        return note_repeated(changed, replace(cause, reason=f"{PROBLEM_NAMES[problem.kind]}: {message}"))
    if known.message == message or operation.attention is None:
        return None
    return touched(with_problem(operation, replace(known, message=message)), cause.now)


def clear_on_report(operation: Operation, cause: Cause) -> Change | None:
    """Clears STALLED and NO_WORKER: a report shows that a worker completed a workflow task."""
    known = problem_of(operation)
    return _cleared(operation, cause) if known is not None and known.kind in _CLEARED_BY_REPORT else None


def _cleared(operation: Operation, cause: Cause) -> Change:
    return note_repeated(without_problem(operation), replace(cause, reason="the execution makes progress"))


def _lasting_problem(observation: Observation) -> ExecutionProblem | None:
    """The problem; None while a task waits for a worker that may be starting."""
    problem = observation.problem
    if problem is None or problem.waits_since is None:
        return problem
    return problem if observation.asked_at - problem.waits_since >= WORKER_GRACE else None
