"""Receives completion callbacks. The engine gets its answer after the close is stored."""

from datetime import timedelta
from uuid import UUID

from application.batching.group_commit import GroupCommit
from application.ports.clock import Clock
from application.ports.engine.callback_reader import CallbackMessage, CallbackReader, CloseEvent, UnreadableCallback
from application.ports.engine.workflow_engine import EngineUnavailable, WorkflowEngine
from application.ports.monitoring.metrics import CallbackOutcome, Metrics
from application.ports.storage.unit_of_work import UnitOfWorkFactory
from application.track.record import RecordEvidence
from domain.errors import OperationNotFound
from domain.evidence.divergence import contradiction
from domain.evidence.observation import ExecutionState, Observation
from domain.evidence.reconciliation import Verdict
from domain.json_value import JsonValue, clean_text
from domain.operation.attention import AttentionKind
from domain.operation.follow_up import schedule_follow_up
from domain.operation.lifecycle import note_repeated
from domain.operation.operation import Cause, Change, Operation
from domain.operation.operation_id import is_adopted, made_at
from domain.operation.status import OperationStatus
from domain.operation.transition import Source

MAX_CALLBACK_AGE = timedelta(seconds=5)
"""Age up to which the close in a callback counts by itself. After it a reset may have followed: the engine is asked
whether the run is still the latest."""
MAX_REPLICATION_LAG = timedelta(minutes=10)
"""Age of an operation after which a missing row means that it was deleted. Before, the database may lag behind, for
example after a failover."""
MAX_KEPT_CHARS = 1_000
"""Characters that are kept of an unreadable callback."""
_OUTCOMES = {
    Verdict.TRANSITION: CallbackOutcome.APPLIED,
    Verdict.DIVERGED: CallbackOutcome.APPLIED,
    Verdict.ATTENTION: CallbackOutcome.APPLIED,
    Verdict.START_AGAIN: CallbackOutcome.APPLIED,
    Verdict.WAIT: CallbackOutcome.DEFERRED,
    Verdict.NO_CHANGE: CallbackOutcome.UNCHANGED,
}


class ReceiveCallback:
    """Callbacks arrive at least once and in any order, or not at all."""

    def __init__(
        self,
        units: UnitOfWorkFactory,
        changes: GroupCommit,
        engine: WorkflowEngine,
        clock: Clock,
        reader: CallbackReader,
        recorder: RecordEvidence,
        metrics: Metrics,
    ) -> None:
        self._units = units
        self._changes = changes
        self._engine = engine
        self._clock = clock
        self._reader = reader
        self._recorder = recorder
        self._metrics = metrics

    async def receive(self, operation_id: UUID, tenant: str, message: CallbackMessage) -> CallbackOutcome:
        """Records what the callback says of the tenant's operation. An unreadable one is kept in the history.

        Raises DatabaseUnavailable, StaleOperation, and EngineUnavailable if no follow-up could be scheduled: nothing is
        stored, and the engine retries the callback.
        """
        try:
            outcome = await self._receive(operation_id, tenant, message)
        except OperationNotFound:
            outcome = self._missing(operation_id)
        self._metrics.callback(outcome)
        return outcome

    async def _receive(self, operation_id: UUID, tenant: str, message: CallbackMessage) -> CallbackOutcome:
        try:
            event = await self._reader.read(operation_id, message, self._clock.now())
        except UnreadableCallback as error:
            await self._get(operation_id, tenant)
            await self._keep(operation_id, message, error)
            return CallbackOutcome.UNREADABLE
        try:
            verdict = await self._record(operation_id, tenant, event)
        except EngineUnavailable:
            if not await self._ask_soon(operation_id):
                raise
            return CallbackOutcome.DEFERRED
        if verdict is Verdict.WAIT:
            await self._ask_soon(operation_id)
        return _OUTCOMES[verdict]

    async def _get(self, operation_id: UUID, tenant: str) -> Operation:
        """Returns the tenant's operation. Raises OperationNotFound."""
        async with self._units() as unit:
            operation = await unit.operations.get(operation_id)
        if operation is None or operation.tenant != tenant:
            raise OperationNotFound
        return operation

    def _missing(self, operation_id: UUID) -> CallbackOutcome:
        made = made_at(operation_id)
        late = made is not None and self._clock.now() - made > MAX_REPLICATION_LAG
        # The callback of an adopted operation is attached after its row is stored. If a failover loses the row, the
        # reconciliation finds the close.
        gone = late or is_adopted(operation_id)
        return CallbackOutcome.DELETED if gone else CallbackOutcome.UNKNOWN_OPERATION

    async def _record(self, operation_id: UUID, tenant: str, event: CloseEvent) -> Verdict:
        """Records the event itself if it says everything about the chain's first run, else what the engine says of the
        chain. A callback that names another run may be about another chain."""
        fresh = self._clock.now() - event.observation.asked_at <= MAX_CALLBACK_AGE
        at_its_word = event.whole and fresh and event.run_id is not None
        if at_its_word:
            verdict = await self._recorder.observation(
                operation_id,
                event.observation,
                Source.CALLBACK,
                tenant=tenant,
                first_run_id=event.run_id,
            )
            if verdict is not Verdict.NO_CHANGE:
                return verdict
        operation = await self._get(operation_id, tenant)
        of_first_run = event.run_id is not None and event.run_id == operation.first_run_id
        if at_its_word and of_first_run and _settled(operation, event.observation):
            return Verdict.NO_CHANGE
        running = operation.status is not OperationStatus.ACCEPTED
        asked = await self._engine.observe(operation.chain, likely_closed=running)
        # An execution that the engine no longer knows did close, as the callback says, unless another chain has taken
        # its workflow id.
        forgotten = asked.state is ExecutionState.NOT_FOUND and (of_first_run or asked.superseded_by is None)
        if not forgotten:
            return await self._recorder.observation(operation_id, asked, Source.CALLBACK, version=operation.version)
        later = operation.finished_at is not None and event.observation.asked_at > operation.finished_at
        version = operation.version if later else None  # a repeated callback is about an earlier close
        return await self._recorder.observation(operation_id, event.observation, Source.CALLBACK, version=version)

    async def _keep(self, operation_id: UUID, message: CallbackMessage, error: UnreadableCallback) -> None:
        """Keeps an unreadable callback and asks the engine soon: whatever the callback says, something has closed."""
        details: dict[str, JsonValue] = {
            "content_type": clean_text(message.headers.get("content-type", ""), MAX_KEPT_CHARS),
            "state": clean_text(message.headers.get("nexus-operation-state", ""), MAX_KEPT_CHARS),
            "body": clean_text(message.body[: 4 * MAX_KEPT_CHARS].decode("utf-8", "replace"), MAX_KEPT_CHARS),
        }
        words = f"unreadable completion callback: {error}"

        def decide(operation: Operation) -> Change | None:
            now = self._clock.now()
            kept = note_repeated(operation, Cause(Source.CALLBACK, words, now, details=details))
            return kept.then(schedule_follow_up(kept.operation, at=now))

        await self._changes.change(operation_id, decide)

    async def _ask_soon(self, operation_id: UUID) -> bool:
        """Schedules a follow-up. Returns False if the operation is final, or its start is not recorded yet."""
        outcome = await self._changes.change(operation_id, lambda row: schedule_follow_up(row, at=self._clock.now()))
        return outcome is not None and outcome.operation.follow_up.due_at is not None


def _settled(operation: Operation, observation: Observation) -> bool:
    """Returns whether the operation agrees with the observation and is not marked as diverged. If not, the engine is
    asked which close was the last: the callbacks from before and after a reset may arrive in any order."""
    diverged = operation.attention is not None and operation.attention.kind is AttentionKind.DIVERGED
    return not operation.done or (not diverged and contradiction(operation, observation) is None)
