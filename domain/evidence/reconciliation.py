"""What an observation of the engine does to an operation: the one rule, whatever channel brought it."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from domain.evidence.divergence import diverge
from domain.evidence.observation import CLOSED, OPEN, ExecutionState, Observation
from domain.evidence.problem import update_attention
from domain.evidence.reporting import conclude
from domain.evidence.unreadable_result import has_result, unreadable_message, with_unreadable_result
from domain.json_value import JsonValue
from domain.operation.attention import AttentionKind
from domain.operation.follow_up import start_again, with_first_run_id
from domain.operation.lifecycle import complete, fail, start
from domain.operation.operation import Cause, Change, Operation
from domain.operation.operation_error import ErrorCode, OperationError
from domain.operation.status import OperationStatus
from domain.operation.transition import Source


@dataclass(frozen=True, slots=True)
class ReconcilePolicy:
    """How patient reconciliation is."""

    grace: timedelta = timedelta(seconds=30)
    """How long after its dispatch an execution may be unknown to the engine (replication, fail-over)."""
    restart_within: timedelta = timedelta(hours=1)
    """How long after its dispatch an unknown execution that was never seen to run is started again. Later the engine
    may have forgotten one that did run, and a second run would be worse than an honest EXECUTION_LOST."""


class Verdict(StrEnum):
    """What comes of an observation."""

    NO_CHANGE = "NO_CHANGE"
    TRANSITION = "TRANSITION"
    START_AGAIN = "START_AGAIN"
    WAIT = "WAIT"
    """Too early to conclude."""
    ATTENTION = "ATTENTION"
    """Nothing moves, but somebody should look, or need not look any more."""
    DIVERGED = "DIVERGED"
    """The operation is final, and the engine says something else."""


@dataclass(frozen=True, slots=True)
class Decision:
    """The verdict, and the change to store where there is one."""

    verdict: Verdict
    change: Change | None = None


NO_CHANGE = Decision(Verdict.NO_CHANGE)
WAIT = Decision(Verdict.WAIT)


def reconcile(
    operation: Operation,
    observation: Observation,
    now: datetime,
    policy: ReconcilePolicy,
    source: Source = Source.RECONCILIATION,
) -> Decision:
    """Decide what an observation means for the operation. Pure. The outcome of a final operation never changes: what
    contradicts it becomes an event and an attention. An observation of another chain means nothing."""
    seen, known = observation.first_run_id, operation.first_run_id
    if seen is not None and known is not None and seen != known:
        return NO_CHANGE
    learned = operation
    if observation.asked_at >= operation.updated_at:  # what was asked before may be about a chain that is lost
        learned = with_first_run_id(operation, seen).operation
    decision = _decide(learned, observation, now, policy, source)
    if decision.change is None and learned is not operation:
        return replace(decision, change=Change(learned))
    return decision


def _decide(
    operation: Operation, observation: Observation, now: datetime, policy: ReconcilePolicy, source: Source
) -> Decision:
    if operation.done:
        return _final(operation, observation, now, policy, source)
    if observation.state is ExecutionState.NOT_FOUND:
        return _missing(operation, observation, now, policy, source)
    if observation.state in CLOSED:
        return Decision(Verdict.TRANSITION, _closed(operation, observation, now, source))
    if observation.state in OPEN:
        return _open(operation, observation, now, source)
    return NO_CHANGE


def _final(
    operation: Operation, observation: Observation, now: datetime, policy: ReconcilePolicy, source: Source
) -> Decision:
    change = diverge(operation, observation, now, policy.grace, source)
    if change is None:
        return NO_CHANGE
    attention = change.operation.attention
    diverged = attention is not None and attention.kind is AttentionKind.DIVERGED
    return Decision(Verdict.DIVERGED if diverged else Verdict.ATTENTION, change)


def _open(operation: Operation, observation: Observation, now: datetime, source: Source) -> Decision:
    running = observation.state is ExecutionState.RUNNING
    started = _started(operation, observation, now, source) if running else Change(operation)
    if started.transitions and observation.problem is not None and observation.problem.kind is AttentionKind.NO_WORKER:
        observation = replace(observation, problem=None)  # a worker has just taken it: who polls was asked before
    attended = update_attention(started.operation, observation, Cause(source, "", now))
    if started.transitions:
        return Decision(Verdict.TRANSITION, started if attended is None else started.then(attended))
    return NO_CHANGE if attended is None else Decision(Verdict.ATTENTION, attended)


def _started(operation: Operation, observation: Observation, now: datetime, source: Source) -> Change:
    if operation.status is not OperationStatus.ACCEPTED:
        return Change(operation)
    return start(operation, Cause(source, "a worker has taken the workflow", now), at=observation.started_at)


def _closed(operation: Operation, observation: Observation, now: datetime, source: Source) -> Change:
    """An execution that closed has run, unless the engine's history shows that no worker ever took it."""
    if observation.never_picked_up and operation.status is OperationStatus.ACCEPTED and observation.error is not None:
        reason = f"the execution closed before any worker took it: {observation.state}"
        cause = Cause(source, reason, now, actor=observation.actor)
        return fail(operation, observation.error, cause, at=observation.closed_at)
    started = _started(operation, observation, now, source)
    running = started.operation
    details: dict[str, JsonValue] = {}
    if operation.reported is not None and operation.reported.kind.value != _outcome(observation):
        details["reported"] = operation.reported.kind.value
    if missing := observation.result_unreadable or observation.result_altered:
        details["result_unreadable"] = missing
    reason = f"the execution is closed: {observation.state}"
    cause = Cause(source, reason, now, actor=observation.actor, details=details)
    if observation.error is not None:
        return started.then(fail(running, observation.error, cause, at=observation.closed_at))
    result = observation.result
    if observation.result_unreadable and operation.reported is not None and has_result(operation.reported):
        result = operation.reported.result
    completed = complete(running, result, cause, at=observation.closed_at)
    return started.then(with_unreadable_result(completed, unreadable_message(observation, operation.reported), now))


def _outcome(observation: Observation) -> str:
    return "COMPLETED" if observation.state is ExecutionState.COMPLETED else "FAILED"


def _missing(
    operation: Operation, observation: Observation, now: datetime, policy: ReconcilePolicy, source: Source
) -> Decision:
    since = operation.dispatch.done_at
    if since is None:
        return NO_CHANGE
    if observation.asked_at < since + policy.grace:
        return WAIT
    superseded = observation.superseded_by is not None
    recent = observation.asked_at < since + policy.restart_within
    if operation.status is OperationStatus.ACCEPTED and recent and not superseded:
        cause = Cause(source, "the engine does not know the execution: it is started again", now)
        return Decision(Verdict.START_AGAIN, start_again(operation, cause))
    if operation.reported is not None:
        because = ", and the engine no longer knows the execution"
        return Decision(Verdict.TRANSITION, conclude(operation, operation.reported, source, now, because=because))
    error = _lost(observation)
    cause = Cause(source, error.message, now)
    ran = start(operation, cause) if operation.status is OperationStatus.ACCEPTED else Change(operation)
    return Decision(Verdict.TRANSITION, ran.then(fail(ran.operation, error, cause)))


def _lost(observation: Observation) -> OperationError:
    words = "the engine no longer knows the execution"
    if observation.superseded_by is None:
        return OperationError(ErrorCode.EXECUTION_LOST, words)
    details: dict[str, JsonValue] = {"superseded_by": observation.superseded_by}
    return OperationError(ErrorCode.EXECUTION_LOST, f"{words}, and another one has its workflow id", details)
