"""Applies an observation of the engine to an operation: one rule for all channels."""

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
from domain.operation.origin import Origin
from domain.operation.start.superseding import end_superseded, named
from domain.operation.status import OperationStatus
from domain.operation.transition import Source


@dataclass(frozen=True, slots=True)
class ReconcilePolicy:
    """Delays of the reconciliation."""

    grace: timedelta = timedelta(seconds=30)
    """How long after its dispatch an execution may be unknown to the engine (replication, failover)."""
    restart_within: timedelta = timedelta(hours=1)
    """How long after its dispatch an execution that the ledger started, that is unknown and was never seen running, is
    started again. Later the engine may have deleted an execution that ran, and running it twice would be worse than
    EXECUTION_LOST."""
    client_start_within: timedelta = timedelta(minutes=2)
    """How long after its recording a client may take to start a workflow."""
    report_grace: timedelta = timedelta()
    """How long after the end of an operation its execution may be open. Zero, unless a report ends operations: the
    close follows the report."""


class Verdict(StrEnum):
    """Result of an observation."""

    NO_CHANGE = "NO_CHANGE"
    TRANSITION = "TRANSITION"
    START_AGAIN = "START_AGAIN"
    WAIT = "WAIT"
    """Too early for a conclusion."""
    ATTENTION = "ATTENTION"
    """The status stays. The attention was set, changed or cleared."""
    DIVERGED = "DIVERGED"
    """The operation is final, and the engine contradicts it."""


@dataclass(frozen=True, slots=True)
class Decision:
    """The verdict, and the change to store, if any."""

    verdict: Verdict
    change: Change | None = None


PICKED_UP = "a worker picked up the workflow"
NOT_STARTED = "the client that recorded the operation did not start the workflow"
NOT_KNOWN = "no start by the client that recorded the operation is known, and another execution has the workflow id"
"""The client may have joined that execution, and was killed before it reported so."""
NO_CHANGE = Decision(Verdict.NO_CHANGE)
WAIT = Decision(Verdict.WAIT)


def reconcile(
    operation: Operation,
    observation: Observation,
    now: datetime,
    policy: ReconcilePolicy,
    source: Source = Source.RECONCILIATION,
    *,
    unchanged: bool = True,
) -> Decision:
    """Decides what an observation changes. A pure function.

    The outcome of a final operation never changes: a contradiction becomes an event and an attention. An observation of
    another chain changes nothing.

    Args:
        operation: The operation.
        observation: What the engine says.
        now: Current time.
        policy: Delays.
        source: The channel that brought the observation.
        unchanged: Whether the operation is as it was before the engine was asked. If not, the observation may be older
            than what the operation says, and contradicts no final one. The clocks of two processes do not tell that.
    """
    observed, known = observation.first_run_id, operation.first_run_id
    if observed is not None and known is not None and observed != known:
        return NO_CHANGE
    if operation.done:
        return _final(operation, observation, now, policy, source) if unchanged else NO_CHANGE
    learned = operation
    if observation.asked_at >= operation.updated_at:  # an older answer may describe a chain that is lost since
        learned = with_first_run_id(operation, observed).operation
    decision = _decide(learned, observation, now, policy, source)
    if decision.change is None and learned is not operation:
        return replace(decision, change=Change(learned))
    return decision


def _decide(
    operation: Operation, observation: Observation, now: datetime, policy: ReconcilePolicy, source: Source
) -> Decision:
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
    change = diverge(operation, observation, now, policy.report_grace, source)
    if change is None:
        return NO_CHANGE
    attention = change.operation.attention
    diverged = attention is not None and attention.kind is AttentionKind.DIVERGED
    return Decision(Verdict.DIVERGED if diverged else Verdict.ATTENTION, change)


def _open(operation: Operation, observation: Observation, now: datetime, source: Source) -> Decision:
    running = observation.state is ExecutionState.RUNNING
    started = _started(operation, observation, now, source) if running else Change(operation)
    if started.transitions and observation.problem is not None and observation.problem.kind is AttentionKind.NO_WORKER:
        observation = replace(observation, problem=None)  # a worker has just picked it up; the pollers were read before
    attention = update_attention(started.operation, observation, Cause(source, "", now))
    if started.transitions:
        return Decision(Verdict.TRANSITION, started if attention is None else started.then(attention))
    return NO_CHANGE if attention is None else Decision(Verdict.ATTENTION, attention)


def _started(operation: Operation, observation: Observation, now: datetime, source: Source) -> Change:
    if operation.status is not OperationStatus.ACCEPTED:
        return Change(operation)
    return start(operation, Cause(source, PICKED_UP, now), at=observation.started_at)


def _closed(operation: Operation, observation: Observation, now: datetime, source: Source) -> Change:
    """A closed execution has run, unless the engine's history shows that no worker ever picked it up."""
    if observation.never_picked_up and operation.status is OperationStatus.ACCEPTED and observation.error is not None:
        reason = f"the execution closed before a worker picked it up: {observation.state}"
        cause = Cause(source, reason, now, actor=observation.actor)
        return fail(operation, named(observation.error, operation), cause, at=observation.closed_at)
    started = _started(operation, observation, now, source)
    running = started.operation
    details: dict[str, JsonValue] = {}
    if operation.reported is not None and operation.reported.kind.value != _outcome(observation):
        details["reported"] = operation.reported.kind.value
    if missing := observation.result_unreadable or observation.result_altered:
        details["result_unreadable"] = missing
    reason = f"the execution closed: {observation.state}"
    cause = Cause(source, reason, now, actor=observation.actor, details=details)
    if observation.error is not None:
        return started.then(fail(running, named(observation.error, running), cause, at=observation.closed_at))
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
    if _is_unstarted(operation) and observation.asked_at < since + policy.client_start_within:
        return WAIT
    superseded = observation.superseded_by is not None
    recent = observation.asked_at < since + policy.restart_within
    ledgers = operation.origin is Origin.LEDGER and operation.superseded_by is None
    startable = operation.status is OperationStatus.ACCEPTED and ledgers
    if startable and recent and not superseded:
        cause = Cause(source, "the engine does not know the execution; the ledger starts it again", now)
        return Decision(Verdict.START_AGAIN, start_again(operation, cause))
    if operation.status is OperationStatus.ACCEPTED and operation.superseded_by is not None:
        return Decision(Verdict.TRANSITION, end_superseded(operation, Cause(source, "", now)))
    if operation.reported is not None:
        because = ", and the engine no longer knows the execution"
        return Decision(Verdict.TRANSITION, conclude(operation, operation.reported, source, now, because=because))
    if _is_unstarted(operation) and recent:
        reason = NOT_KNOWN if superseded else NOT_STARTED
        rejected = OperationError(ErrorCode.START_REJECTED, reason)
        return Decision(Verdict.TRANSITION, fail(operation, rejected, Cause(source, reason, now)))
    error = _lost(operation, observation)
    cause = Cause(source, error.message, now)
    ran = start(operation, cause) if operation.status is OperationStatus.ACCEPTED else Change(operation)
    return Decision(Verdict.TRANSITION, ran.then(fail(ran.operation, error, cause)))


def _is_unstarted(operation: Operation) -> bool:
    """Whether a client has recorded the operation, and nothing shows that it has started the workflow."""
    accepted = operation.status is OperationStatus.ACCEPTED and operation.origin is Origin.CLIENT
    return accepted and operation.first_run_id is None


def _lost(operation: Operation, observation: Observation) -> OperationError:
    message = "the engine no longer knows the execution"
    if observation.superseded_by is None:
        return OperationError(ErrorCode.EXECUTION_LOST, message)
    successor = operation.superseded_by
    details: dict[str, JsonValue] = {"superseded_by": str(successor) if successor else observation.superseded_by}
    return OperationError(ErrorCode.EXECUTION_LOST, f"{message}; another execution has its workflow id", details)
