"""Records what came of the attempts to start an operation."""

from dataclasses import replace
from datetime import timedelta

from application.batching.group_commit import GroupCommit
from application.dispatch.claim import change_claimed
from application.ports.clock import Clock
from application.ports.engine.workflow_engine import WorkflowEngine
from application.ports.monitoring.metrics import Metrics
from domain.evidence.observation import ExecutionState, Observation
from domain.operation.follow_up import dispatched, start_failed
from domain.operation.operation import Cause, Change, Operation
from domain.operation.status import OperationStatus
from domain.operation.transition import Source
from domain.scheduling.backoff import exponential


class RecordAttempts:
    """Records starts, those of earlier attempts too, and failures."""

    def __init__(self, changes: GroupCommit, engine: WorkflowEngine, clock: Clock, metrics: Metrics) -> None:
        self._changes = changes
        self._engine = engine
        self._clock = clock
        self._metrics = metrics

    async def absent(self, operation: Operation) -> Observation | None:
        """Returns the observation that no earlier attempt has started the operation; None if one has, which is
        recorded."""
        observation = await self._engine.observe(operation.chain)
        if observation.state is ExecutionState.NOT_FOUND and operation.first_run_id is not None:
            # A later attempt may have started another chain.
            observation = await self._engine.observe(replace(operation.chain, first_run_id=None))
        if observation.state is ExecutionState.NOT_FOUND:
            return observation
        await self.dispatched(operation, observation.first_run_id, ask_after=timedelta())
        return None

    async def retry(self, operation: Operation, error: str) -> None:
        """Schedules the next attempt, after one that failed."""

        def decide(current: Operation) -> Change:
            now = self._clock.now()
            wait = exponential(current.dispatch.attempts, first=timedelta(seconds=0.5), cap=timedelta(seconds=30))
            return start_failed(current, error, Cause(Source.DISPATCHER, "", now), retry_at=now + wait)

        await change_claimed(self._changes, operation, decide)

    async def dispatched(
        self, operation: Operation, first_run_id: str | None, *, ask_after: timedelta, calls_back: bool = False
    ) -> None:
        """Records the start, and terminates its execution if the operation has ended before.

        `ask_after`: time until the first follow-up."""

        def decide(current: Operation) -> Change | None:
            now = self._clock.now()
            # A later attempt may have started another chain.
            latest = current.dispatch.attempts == operation.dispatch.attempts
            known = first_run_id if latest else None
            return dispatched(current, follow_up_at=now + ask_after, now=now, first_run_id=known, calls_back=calls_back)

        outcome = await self._changes.change(operation.id, decide)
        if outcome is not None and outcome.changed and outcome.operation.status is OperationStatus.ACCEPTED:
            expected = operation.start_at or operation.accepted_at
            self._metrics.dispatched(max(timedelta(), self._clock.now() - expected))
        if outcome is None or (outcome.operation.done and outcome.operation.started_at is None):
            # This process was suspended until the operation had failed, and perhaps was deleted.
            started = replace(operation.chain, first_run_id=first_run_id)
            await self._engine.terminate(started, "the operation had ended before it was started")
