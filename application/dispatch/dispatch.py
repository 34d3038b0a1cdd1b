"""Starts the workflows of accepted operations. Any number of dispatchers compete, and each may crash at any point."""

from dataclasses import replace
from datetime import timedelta

from application.batching.claim_loop import LEASE, ClaimLoop
from application.batching.group_commit import GroupCommit
from application.dispatch.attach_callback import AttachCallbacks
from application.dispatch.check_submitted import CheckSubmitted
from application.dispatch.claim import change_claimed
from application.dispatch.completion_callbacks import CompletionCallbacks
from application.dispatch.end_unstarted import EndUnstarted
from application.dispatch.record_attempts import RecordAttempts
from application.dispatch.workflow_id_holders import Refused, WorkflowIdHolders
from application.ports.clock import Clock
from application.ports.engine.executions import AttachOutcome, Execution
from application.ports.engine.workflow_engine import (
    CallbackRefused,
    EngineUnavailable,
    ExecutionExists,
    PayloadsUnavailable,
    StartFailed,
    StartRejected,
    StartRequest,
    WorkflowEngine,
)
from application.ports.monitoring.metrics import Metrics
from application.ports.storage.operation_repository import ChainTaken
from application.ports.storage.unit_of_work import UnitOfWork, UnitOfWorkFactory
from domain.errors import UnknownOperationType
from domain.evidence.finality import Finality
from domain.operation.chain import Run
from domain.operation.follow_up import dispatched, postpone_start
from domain.operation.lifecycle import note
from domain.operation.operation import Cause, Change, Operation
from domain.operation.operation_type import OperationCatalogue
from domain.operation.start.workflow_id_policy import OnClosed, OnRunning
from domain.operation.transition import Source

FIRST_QUESTION = timedelta(seconds=10)
"""Time after its dispatch at which an operation is followed up for the first time. The start watch finds most starts
sooner, and the close poll or a callback finds most ends."""


class DispatchOperations:
    """Claims due operations, starts each, and records the outcome."""

    def __init__(
        self,
        units: UnitOfWorkFactory,
        changes: GroupCommit,
        engine: WorkflowEngine,
        clock: Clock,
        catalogue: OperationCatalogue,
        callbacks: CompletionCallbacks,
        metrics: Metrics,
        finality: Finality,
        submissions: CheckSubmitted,
    ) -> None:
        self._units = units
        self._changes = changes
        self._engine = engine
        self._clock = clock
        self._catalogue = catalogue
        self._callbacks = callbacks
        self._finality = finality
        self._submissions = submissions
        self._attacher = AttachCallbacks(engine, callbacks, metrics)
        self._holders = WorkflowIdHolders(units, changes, engine, clock)
        self._attempts = RecordAttempts(changes, engine, clock, metrics)
        self._end = EndUnstarted(changes, clock, self._attempts)

    def claim_loop(self) -> ClaimLoop:
        """Returns a loop that dispatches operations."""
        return ClaimLoop(self._units, self._claim, self._start)

    async def _claim(self, unit: UnitOfWork, limit: int) -> list[Operation]:
        return await unit.operations.claim_due_dispatches(self._clock.now(), LEASE, limit)

    async def _start(self, operation: Operation) -> bool:
        """Returns whether the engine was available."""
        try:
            await self._start_or_find(operation)
        except (UnknownOperationType, StartFailed, CallbackRefused) as refusal:
            await self._attempts.retry(operation, str(refusal))
        except EngineUnavailable as outage:
            await self._attempts.retry(operation, str(outage))
            return isinstance(outage, PayloadsUnavailable)  # only this operation's payloads cannot be read
        return True

    async def _start_or_find(self, operation: Operation) -> None:
        if operation.unchecked and not operation.cancel_pending:
            checked = await self._submissions.check(operation)
            if checked is None:
                return
            operation = checked
        try:
            if operation.superseded_by is not None:
                await self._end.superseded(operation)
            elif operation.cancel_pending:
                await self._end.cancelled(operation)
            elif not await self._started_earlier(operation):
                await self._launch(operation)
        except ExecutionExists as present:
            await self._find_own(operation, present)

    async def _started_earlier(self, operation: Operation) -> bool:
        """Returns whether an earlier attempt has started the operation, which is then recorded, or may have.

        The engine does not tell a repeated start from a second one when another chain has had the workflow id since.
        """
        if operation.dispatch.attempts == 1 or not operation.has_given_workflow_id:
            return False
        absent = await self._attempts.absent(operation)
        if absent is None:
            return True
        quiet = operation.updated_at + LEASE
        if absent.superseded_by is None or absent.asked_at >= quiet:
            return False
        await change_claimed(self._changes, operation, lambda row: postpone_start(row, until=quiet))
        return True

    async def _launch(self, operation: Operation, on_closed: OnClosed | None = None) -> None:
        """Starts the execution. `on_closed`: instead of the type's policy. Raises ExecutionExists."""
        operation_type = self._catalogue.get(operation.type)
        if operation_type.on_running is OnRunning.TERMINATE:
            await self._holders.end_superseded(operation)
        callback = self._callbacks.of(operation.id, operation.tenant)
        request = StartRequest(
            operation.id,
            operation.workflow_id,
            operation_type,
            operation.input,
            callback,
            operation.trace,
            self._finality,
            (on_closed or operation_type.on_closed) if operation.has_given_workflow_id else OnClosed.REJECT,
        )
        try:
            run_id, calls_back = await self._start_with_or_without_callback(request)
        except StartRejected as refusal:
            await self._end.reject_unless_started(operation, refusal)
        else:
            first_run_id = await self._first_run_of(operation, run_id)
            # An earlier attempt, perhaps without a callback, may have created the execution.
            calls_back = calls_back and operation.dispatch.attempts == 1
            await self._attempts.dispatched(operation, first_run_id, ask_after=FIRST_QUESTION, calls_back=calls_back)

    async def _first_run_of(self, operation: Operation, run_id: str) -> str | None:
        """Returns the first run of the chain. If an earlier attempt started it, `run_id` may be the run of a reset."""
        if operation.dispatch.attempts == 1:
            return run_id
        origin = await self._engine.origin(Run(operation.chain.workflow_id, run_id))
        return None if origin is None else origin.first_run_id

    async def _start_with_or_without_callback(self, request: StartRequest) -> tuple[str, bool]:
        """Returns the run, and whether the engine will call back. A callback that the engine refuses must not keep the
        operation from starting."""
        try:
            run_id = await self._engine.start(request)
        except CallbackRefused as refusal:
            run_id = await self._engine.start(replace(request, callback=None))
            self._callbacks.refused(str(refusal))
            return run_id, False
        if request.callback is None:
            return run_id, False
        self._callbacks.taken()
        return run_id, True

    async def _find_own(self, operation: Operation, present: ExecutionExists) -> None:
        """Handles an existing execution under the workflow id: of an earlier attempt, or foreign. A foreign one may
        have superseded that of an earlier attempt, which the engine's index shows a while later."""
        absent = await self._attempts.absent(operation)
        if absent is None:
            return
        if operation.dispatch.attempts > 1 and absent.asked_at < operation.updated_at + LEASE:
            await self._attempts.retry(operation, str(present))
        elif not operation.has_given_workflow_id:
            await self._end.reject(operation, f"another execution has the workflow id: {present}")
        else:
            try:
                await self._resolve(operation, present)
            except ChainTaken:  # the operation that has it is found now
                await self._resolve(operation, present)

    async def _resolve(self, operation: Operation, present: ExecutionExists) -> None:
        """Handles another chain under a workflow id from a template, by the policies of the type. Raises ChainTaken:
        the chain that the operation is to use has become another operation meanwhile."""
        resolved = await self._holders.resolve(operation, self._catalogue.get(operation.type), present)
        if isinstance(resolved, Refused):
            await self._end.reject(operation, resolved.message, resolved.details)
        elif isinstance(resolved, Execution):
            await self._use(operation, resolved)
        else:
            try:
                await self._launch(operation, resolved.on_closed)
            except ExecutionExists as again:
                await self._attempts.retry(operation, str(again))

    async def _use(self, operation: Operation, execution: Execution) -> None:
        """Makes the execution of another client the operation's own. Raises ChainTaken."""
        attached = await self._attacher.attach(operation, execution)
        if attached is not None and attached.stray:
            await self._attempts.retry(operation, "the execution with the workflow id is gone")
            return
        calls_back = attached is not None and attached.outcome is AttachOutcome.ATTACHED

        def decide(current: Operation) -> Change:
            now, first = self._clock.now(), execution.first_run_id
            words = "the operation uses the open execution that has the workflow id"
            noted = note(current, Cause(Source.DISPATCHER, words, now, details={"first_run_id": first}))
            # Due now: a callback may have come before the chain was known.
            return noted.then(
                dispatched(noted.operation, follow_up_at=now, now=now, first_run_id=first, calls_back=calls_back)
            )

        await change_claimed(self._changes, operation, decide)
