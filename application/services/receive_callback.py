"""Take in the engine's word that an execution has closed. What is answered to the engine is stored before."""

from datetime import timedelta
from uuid import UUID

from application.ports.callback_reader import CallbackMessage, CallbackReader, CloseEvent, UnreadableCallback
from application.ports.clock import Clock
from application.ports.metrics import CallbackOutcome, Metrics
from application.ports.unit_of_work import UnitOfWorkFactory
from application.ports.workflow_engine import EngineUnavailable, WorkflowEngine
from application.services.group_commit import GroupCommit
from application.services.record import RecordEvidence
from domain.divergence import contradiction
from domain.evidence import ExecutionState, Observation
from domain.follow_up import ask_soon
from domain.json_value import JsonValue, clean_text
from domain.lifecycle import note_while_short
from domain.operation import Cause, Change, Operation
from domain.operation_age import made_at
from domain.reconciliation import Verdict
from domain.status import OperationStatus
from domain.transition import Source

FRESH = timedelta(seconds=5)
"""How old a close may be to be taken by the callback's own word. A later one may have been overtaken by a reset: the
engine is asked whether the run that it is about is still the latest."""
VISIBLE = timedelta(minutes=10)
"""After this a row that is not there was deleted. It is committed before its workflow is started, but the database that
answers may be behind for a while: after a failover, say."""
KEPT_BODY = 1_000
"""Characters that are kept of a callback that cannot be read."""
_OUTCOMES = {
    Verdict.TRANSITION: CallbackOutcome.APPLIED,
    Verdict.DIVERGED: CallbackOutcome.APPLIED,
    Verdict.ATTENTION: CallbackOutcome.APPLIED,
    Verdict.START_AGAIN: CallbackOutcome.APPLIED,
    Verdict.WAIT: CallbackOutcome.DEFERRED,
    Verdict.NO_CHANGE: CallbackOutcome.UNCHANGED,
}


class ReceiveCallback:
    """Callbacks come at least once and in any order; any of them may never come."""

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
        """Record what the callback says of the tenant's operation. One that cannot be read is kept as an event.

        Raises DatabaseUnavailable, StaleOperation, and EngineUnavailable where no question could be planned: then
        nothing is stored, and the engine has to call again.
        """
        outcome = await self._receive(operation_id, tenant, message)
        self._metrics.callback(outcome)
        return outcome

    async def _receive(self, operation_id: UUID, tenant: str, message: CallbackMessage) -> CallbackOutcome:
        async with self._units() as unit:
            operation = await unit.operations.get(operation_id)
        if operation is None or operation.tenant != tenant:
            return self._missing(operation_id)
        try:
            event = await self._reader.read(operation_id, message, self._clock.now())
        except UnreadableCallback as error:
            await self._keep(operation_id, message, error)
            return CallbackOutcome.UNREADABLE
        try:
            verdict = await self._record(operation, event)
        except EngineUnavailable:
            if not await self._ask_soon(operation_id):
                raise
            return CallbackOutcome.DEFERRED
        if verdict is Verdict.WAIT:
            await self._ask_soon(operation_id)
        return _OUTCOMES[verdict]

    def _missing(self, operation_id: UUID) -> CallbackOutcome:
        made = made_at(operation_id)
        late = made is not None and self._clock.now() - made > VISIBLE
        return CallbackOutcome.DELETED if late else CallbackOutcome.UNKNOWN_OPERATION

    async def _record(self, operation: Operation, event: CloseEvent) -> Verdict:
        """The event itself where that is the whole truth, else what the engine says of the chain."""
        if event.whole and self._clock.now() - event.observation.asked_at <= FRESH:
            verdict = await self._recorder.observation(operation.id, event.observation, Source.CALLBACK)
            if verdict is not Verdict.NO_CHANGE or await self._settled(operation.id, event.observation):
                return verdict
        running = operation.status is not OperationStatus.ACCEPTED
        asked = await self._engine.observe(operation.id, likely_closed=running)
        # What the engine has forgotten since did close, by its own word.
        said = event.observation if asked.state is ExecutionState.NOT_FOUND else asked
        return await self._recorder.observation(operation.id, said, Source.CALLBACK)

    async def _settled(self, operation_id: UUID, observation: Observation) -> bool:
        """Whether the operation says the same and is not marked. If not, which of several closes was the last is to be
        asked: the one before and the one after a reset may be told in any order."""
        async with self._units() as unit:
            operation = await unit.operations.get(operation_id)
        if operation is None or not operation.done:
            return True
        return operation.attention is None and contradiction(operation, observation) is None

    async def _keep(self, operation_id: UUID, message: CallbackMessage, error: UnreadableCallback) -> None:
        """Whatever it says, something has closed: the engine is asked."""
        details: dict[str, JsonValue] = {
            "content_type": clean_text(message.headers.get("content-type", ""), KEPT_BODY),
            "state": clean_text(message.headers.get("nexus-operation-state", ""), KEPT_BODY),
            "body": clean_text(message.body[: 4 * KEPT_BODY].decode("utf-8", "replace"), KEPT_BODY),
        }
        words = f"a completion callback could not be read: {error}"

        def decide(operation: Operation) -> Change | None:
            now = self._clock.now()
            kept = note_while_short(operation, Cause(Source.CALLBACK, words, now, details=details))
            return kept.then(ask_soon(kept.operation, at=now))

        await self._changes.change(operation_id, decide)

    async def _ask_soon(self, operation_id: UUID) -> bool:
        """Whether a question is planned: none is about a final operation, or one whose start is not noted yet."""
        outcome = await self._changes.change(operation_id, lambda row: ask_soon(row, at=self._clock.now()))
        return outcome is not None and outcome.operation.follow_up.due_at is not None
