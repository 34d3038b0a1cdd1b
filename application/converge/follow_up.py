"""Delivers cancellation requests, terminates superseded executions, and asks the engine where a follow-up is due."""

from datetime import datetime, timedelta

from application.adopt.adopt import AdoptOperation
from application.batching.claim_loop import LEASE, ClaimLoop
from application.batching.group_commit import GroupCommit
from application.ports.clock import Clock
from application.ports.engine.workflow_engine import EngineUnavailable, PayloadsUnavailable, WorkflowEngine
from application.ports.storage.unit_of_work import UnitOfWork, UnitOfWorkFactory
from application.track.record import RecordEvidence
from domain.evidence.observation import OPEN, ExecutionState
from domain.evidence.reporting import CONFIRM_AFTER
from domain.operation.follow_up import cancel_delivered
from domain.operation.operation import Cause, Change, Operation
from domain.operation.origin import Origin
from domain.operation.start.superseding import keep_workflow_id
from domain.operation.status import OperationStatus
from domain.operation.transition import Source
from domain.scheduling.backoff import exponential
from domain.scheduling.schedule import FollowUp

MIN_CLOSE_WAIT = timedelta(milliseconds=100)
MIN_START_WAIT = timedelta(seconds=2)
"""Wait for a worker to start the execution. Later waits are as long as the time since the dispatch."""
MAX_CLOSE_WAIT = timedelta(minutes=1)
MAX_START_WAIT = timedelta(minutes=10)


class FollowUpOperations:
    """Claims operations whose follow-up is due. Any number of processes compete."""

    def __init__(
        self,
        units: UnitOfWorkFactory,
        changes: GroupCommit,
        engine: WorkflowEngine,
        clock: Clock,
        recorder: RecordEvidence,
        adopter: AdoptOperation,
    ) -> None:
        self._units = units
        self._changes = changes
        self._engine = engine
        self._clock = clock
        self._recorder = recorder
        self._adopter = adopter

    def claim_loop(self) -> ClaimLoop:
        """Returns a loop that follows operations up."""
        return ClaimLoop(self._units, self._claim, self._act)

    async def _claim(self, unit: UnitOfWork, limit: int) -> list[Operation]:
        return await unit.operations.claim_due_follow_ups(self._clock.now(), LEASE, limit)

    async def _act(self, operation: Operation) -> bool:
        """Returns whether the engine was available."""
        try:
            await self._follow_up(operation)
        except EngineUnavailable as outage:
            await self._schedule(operation, self._clock.now() + exponential(operation.follow_up.attempts + 1))
            return isinstance(outage, PayloadsUnavailable)
        return True

    async def _follow_up(self, operation: Operation) -> None:
        version = operation.version
        successor = await self._successor(operation)
        if successor is not None and successor.origin is Origin.LEDGER:
            await self._engine.terminate(operation.chain, f"superseded by operation {successor.id}")
        elif operation.cancel_pending:
            await self._send_cancel(operation)
        observation = await self._engine.observe(operation.chain, likely_closed=operation.reported is not None)
        if operation.cancel_pending and observation.state is not ExecutionState.NOT_FOUND:
            operation = await self._note_delivered(operation)
        await self._recorder.observation(operation.id, observation, Source.CONFIRMATION, version=version)
        if observation.state in OPEN and _takes_no_workflow_id(successor):
            operation = await self._keep_workflow_id(operation)
        if observation.state in OPEN:
            await self._adopter.attach(operation)  # the client may have been killed before it reported its start
        await self._schedule(operation, self._next_follow_up(operation, observation.state))

    async def _successor(self, operation: Operation) -> Operation | None:
        """Returns the operation that takes the workflow id; None if there is none, or it was deleted."""
        if operation.superseded_by is None:
            return None
        async with self._units() as unit:
            return await unit.operations.get(operation.superseded_by)

    async def _keep_workflow_id(self, operation: Operation) -> Operation:
        successor_id = operation.superseded_by
        if successor_id is None:
            return operation
        cause = Cause(Source.CONFIRMATION, "", self._clock.now())
        outcome = await self._changes.change(operation.id, lambda row: keep_workflow_id(row, successor_id, cause))
        return operation if outcome is None else outcome.operation

    async def _send_cancel(self, operation: Operation) -> None:
        """Sends the request to the engine, which ignores executions that it does not know, or not yet. The observation
        that follows shows whether it was delivered."""
        request = operation.cancel_request
        assert request is not None
        reason = request.reason or "requested through the operations API"
        if request.force:
            await self._engine.terminate(operation.chain, reason)
        else:
            await self._engine.cancel(operation.chain, reason)

    async def _note_delivered(self, operation: Operation) -> Operation:
        def decide(current: Operation) -> Change | None:
            if current.cancel_request != operation.cancel_request:
                return None
            now = self._clock.now()
            return cancel_delivered(current, follow_up_at=now + CONFIRM_AFTER, now=now)

        outcome = await self._changes.change(operation.id, decide)
        return operation if outcome is None else outcome.operation

    async def _schedule(self, operation: Operation, due_at: datetime | None) -> None:
        """Schedules the next follow-up, unless a change since the claim has scheduled its own."""
        attempts = operation.follow_up.attempts + 1
        async with self._units() as unit:
            await unit.operations.set_follow_up(operation, FollowUp(due_at, attempts if due_at else 0))
            await unit.commit()

    def _next_follow_up(self, operation: Operation, observed: ExecutionState) -> datetime | None:
        attempt = operation.follow_up.attempts + 1
        if (
            operation.reported is not None
            or operation.cancel_request is not None
            or operation.superseded_by is not None
        ):
            return self._clock.now() + exponential(attempt, first=MIN_CLOSE_WAIT, cap=MAX_CLOSE_WAIT)
        if operation.status is OperationStatus.ACCEPTED and observed is not ExecutionState.RUNNING:
            now = self._clock.now()
            waited = now - (operation.dispatch.done_at or now)
            return now + min(max(waited, MIN_START_WAIT), MAX_START_WAIT)
        return None


def _takes_no_workflow_id(successor: Operation | None) -> bool:
    """Whether the execution of the earlier operation shows, if it is open, that the successor has none: a client's
    start would have terminated it."""
    return successor is None or (successor.done and successor.origin is not Origin.LEDGER)
