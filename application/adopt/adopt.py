"""Adopts an execution that exists: it becomes an operation, with its end by callback or by the close poll."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

from application.adopt.known import KnownOperations, Relatives, is_own
from application.batching.group_commit import GroupCommit
from application.dispatch.attach_callback import AttachCallbacks
from application.dispatch.completion_callbacks import CompletionCallbacks
from application.ports.clock import Clock
from application.ports.engine.executions import AttachOutcome, Execution, InputRead
from application.ports.engine.index import QueryRefused, Watch
from application.ports.engine.workflow_engine import PayloadsUnavailable, WorkflowEngine
from application.ports.monitoring.metrics import AdoptionWay, Metrics
from application.ports.storage.unit_of_work import UnitOfWorkFactory
from application.track.record import RecordEvidence
from domain.errors import InvalidInput, OperationNotFound, OpledgerError
from domain.evidence.observation import CLOSED, ExecutionState
from domain.evidence.reconciliation import PICKED_UP
from domain.json_value import JsonValue
from domain.operation.chain import MAX_WORKFLOW_ID, Chain
from domain.operation.follow_up import callback_attached
from domain.operation.lifecycle import start
from domain.operation.operation import Cause, Change, Operation
from domain.operation.operation_type import OperationCatalogue, OperationType
from domain.operation.origin import Origin
from domain.operation.start.creation import adopt
from domain.operation.status import OperationStatus
from domain.operation.transition import Source

FIRST_QUESTION = timedelta(seconds=10)
"""Time after its adoption at which an operation is followed up, if nothing has moved it on."""
MAX_INPUT: Final = 256 * 1024
"""Bytes: the limit of a submitted input."""


class ExecutionNotFound(OpledgerError):
    """There is no such execution."""


class ExecutionOfOtherType(OpledgerError):
    """The execution belongs to an operation of another type."""


@dataclass(frozen=True, slots=True)
class Adoption:
    """Who adopts, and as what."""

    tenant: str
    type: OperationType
    way: AdoptionWay
    actor: str | None = None
    parent_id: UUID | None = None
    """Operation of the same tenant whose workflow started the execution. None: the ledger looks it up."""
    wait_for_codec: bool = True
    """Whether the adoption fails while the codec of the input is unavailable. Otherwise the input is null, with a
    note."""


@dataclass(frozen=True, slots=True)
class Adopted:
    """The operation of an execution."""

    operation: Operation
    new: bool
    """Whether this adoption created it."""


class AdoptOperation:
    """Every step can be repeated: of any number of adoptions of a chain, one creates the operation."""

    def __init__(
        self,
        units: UnitOfWorkFactory,
        changes: GroupCommit,
        engine: WorkflowEngine,
        clock: Clock,
        catalogue: OperationCatalogue,
        callbacks: CompletionCallbacks,
        recorder: RecordEvidence,
        metrics: Metrics,
        namespace: str,
    ) -> None:
        """`namespace`: the Temporal namespace."""
        self._units = units
        self._changes = changes
        self._engine = engine
        self._clock = clock
        self._catalogue = catalogue
        self._attacher = AttachCallbacks(engine, callbacks, metrics)
        self._recorder = recorder
        self._metrics = metrics
        self._known = KnownOperations(units, engine, namespace)

    async def adopt(
        self, tenant: str, type_name: str, workflow_id: str, run_id: str | None = None, *, actor: str | None = None
    ) -> Adopted:
        """Adopts the latest execution with the workflow id, or that of the run, on a client's request.

        Raises UnknownOperationType; InvalidInput if the type is that of another workflow type or tenant;
        ExecutionNotFound, also if the execution is or may be another tenant's; ExecutionOfOtherType; EngineUnavailable:
        the operation may be stored, and a repeat continues.
        """
        declared = self._catalogue.get(type_name)
        if declared.tenant not in (None, tenant):
            raise InvalidInput(f"the type {type_name!r} belongs to another tenant", pointer="/type")
        execution = await self._engine.describe(workflow_id, run_id)
        if execution is None:
            raise ExecutionNotFound(_missing(workflow_id, run_id))
        adoption = Adoption(tenant, declared, AdoptionWay.CALL, actor)
        try:
            adopted = await self.take(execution, adoption)
        except ExecutionNotFound:
            raise ExecutionNotFound(_missing(workflow_id, run_id)) from None
        async with self._units() as unit:
            row = await unit.operations.get(adopted.operation.id)
        return adopted if row is None else Adopted(row, adopted.new)

    async def take(self, execution: Execution, adoption: Adoption) -> Adopted:
        """Adopts an execution that the engine has just described. The returned operation may lack what this call has
        changed after it was stored.

        Raises ExecutionNotFound if it is another tenant's, or that of an earlier start of an operation;
        ExecutionOfOtherType, InvalidInput, EngineUnavailable.
        """
        relatives = await self._known.relatives(execution)
        known = relatives.own
        if relatives.started_earlier_by is not None:
            raise ExecutionNotFound(f"an earlier start of operation {relatives.started_earlier_by.id}")
        if known is None:
            change = _with_start(await self._made(execution, relatives, adoption), execution)
            async with self._units() as unit:
                new = await unit.operations.add_unless_known(change)
                # Another adoption may have stored it, or another operation may have taken the chain.
                known = await unit.operations.of_chain(execution.workflow_id, execution.first_run_id)
                await unit.commit()
            if known is None:
                raise OperationNotFound(f"operation {change.operation.id} was deleted meanwhile")
        else:
            new = False
        if new:
            self._metrics.adopted(adoption.way, max(timedelta(), self._clock.now() - known.accepted_at))
            if known.status is OperationStatus.RUNNING:
                self._metrics.moved(Source.ADOPTION, known.status)
        elif known.tenant != adoption.tenant:
            raise ExecutionNotFound
        elif known.type != adoption.type.name:
            raise ExecutionOfOtherType(f"the execution belongs to operation {known.id}, of the type {known.type!r}")
        await self._follow(known, execution, adoption.way if new else None)
        return Adopted(known, new)

    async def attach(self, operation: Operation) -> None:
        """Attaches the callback to the open execution of an operation that others have started, where no adoption and
        no report of the start has. May raise EngineUnavailable."""
        if operation.origin is Origin.LEDGER or operation.dispatch.calls_back or not self._attacher.attaches(operation):
            return
        execution = await self._engine.describe(operation.workflow_id)
        if execution is not None and is_own(operation, execution):
            await self._follow(operation, execution, None)

    async def note_chain(self, operation: Operation, execution: Execution) -> None:
        """Records the state of an execution that the ledger has started, if it does not know so: the engine's answer to
        the start was lost. May raise EngineUnavailable."""
        started = operation.origin is Origin.LEDGER and operation.dispatch.attempts > 0
        if not started or operation.done or operation.first_run_id is not None:
            return
        chain = Chain(operation.id, execution.workflow_id, execution.first_run_id)
        observation = await self._engine.observe(chain)
        await self._recorder.observation(operation.id, observation, Source.ADOPTION, version=operation.version)

    async def _made(self, execution: Execution, relatives: Relatives, adoption: Adoption) -> Change:
        declared = adoption.type
        self._check(execution, adoption)
        if adoption.way is AdoptionWay.CALL and not await self._is_selected(execution, adoption):
            raise ExecutionNotFound
        chain = Chain(relatives.adopted_id, execution.workflow_id, execution.first_run_id)
        read = await self._input(chain, adoption)
        parent_id = adoption.parent_id
        if parent_id is None:
            parent = await self._known.parent_of(execution, relatives, adoption.tenant)
            parent_id = None if parent is None else parent.id
        details: dict[str, JsonValue] = {"first_run_id": execution.first_run_id}
        if read.note is not None:
            details["input"] = read.note
        now = self._clock.now()
        reason = _REASONS[adoption.way]
        return adopt(
            chain.operation_id,
            tenant=adoption.tenant,
            type_name=declared.name,
            value=read.value,
            labels=declared.labels,
            workflow_id=execution.workflow_id,
            first_run_id=execution.first_run_id,
            started_at=execution.started_at,
            follow_up_at=now + FIRST_QUESTION,
            cause=Cause(Source.ADOPTION, reason, now, actor=adoption.actor, details=details),
            parent_id=parent_id,
        )

    def _check(self, execution: Execution, adoption: Adoption) -> None:
        """Raises InvalidInput if the execution cannot be an operation of the type, and ExecutionNotFound if executions
        of its workflow type belong to another tenant."""
        declared = adoption.type
        if execution.workflow_type != declared.workflow:
            if any(self._is_foreign(other, execution, adoption.tenant) for other in self._catalogue):
                raise ExecutionNotFound
            raise InvalidInput(
                f"the type {declared.name!r} is for the workflow type {declared.workflow!r}, "
                f"and the execution has {execution.workflow_type!r}",
                pointer="/type",
            )
        size = len(execution.workflow_id.encode(errors="replace"))
        if size > MAX_WORKFLOW_ID or "\x00" in execution.workflow_id:
            message = f"the ledger stores workflow ids of at most {MAX_WORKFLOW_ID} bytes, without NUL"
            raise InvalidInput(message, pointer="/workflow_id")

    def _is_foreign(self, declared: OperationType, execution: Execution, tenant: str) -> bool:
        return declared.workflow == execution.workflow_type and declared.tenant not in (None, tenant)

    async def _is_selected(self, execution: Execution, adoption: Adoption) -> bool:
        """Whether the execution is the tenant's. If other tenants have executions of its workflow type too, the watch
        rule of the type has to select it."""
        declared = adoption.type
        others = self._catalogue.owners_of_workflow(declared.workflow) - {declared.owner, adoption.tenant}
        if not others or (declared.adopt and declared.query is None):
            return True
        try:
            watch = Watch(declared.workflow, declared.query)
            return declared.adopt and await self._engine.selects(watch, execution.run_id)
        except QueryRefused:
            return False

    async def _input(self, chain: Chain, adoption: Adoption) -> InputRead:
        try:
            return await self._engine.input_of(chain, adoption.type.arguments, MAX_INPUT)
        except PayloadsUnavailable as outage:
            if adoption.wait_for_codec:
                raise
            return InputRead(None, f"the input could not be read: {outage}")

    async def _follow(self, operation: Operation, execution: Execution, new: AdoptionWay | None) -> None:
        """Attaches the callback and records the state, where an earlier adoption has not. `new`: the way by which the
        operation was just adopted.

        The row is stored before, so that a callback finds it. The engine is asked after, so that no close is missed,
        unless a callback is attached to an execution that is known to run. A client that asks for a new adoption also
        learns why the execution makes no progress.
        """
        if operation.origin is Origin.LEDGER:
            await self.note_chain(operation, execution)
            return
        if operation.done:
            return
        calls_back, closed = operation.dispatch.calls_back, execution.state in CLOSED
        attached = False
        if not closed and not calls_back:
            outcome = await self._attach(operation, execution)
            attached, closed = outcome is AttachOutcome.ATTACHED, outcome is AttachOutcome.CLOSED
        accepted = operation.status is OperationStatus.ACCEPTED
        unsure = new is not None and (new is AdoptionWay.CALL or not (attached or calls_back))
        if closed or accepted or unsure:
            observation = await self._engine.observe(operation.chain, likely_closed=closed and not accepted)
            await self._recorder.observation(
                operation.id, observation, Source.ADOPTION, version=operation.version, attached=attached
            )
        elif attached:
            await self._changes.change(operation.id, callback_attached)

    async def _attach(self, operation: Operation, execution: Execution) -> AttachOutcome:
        """Attaches the callback unless callbacks are off, which counts as refused."""
        attached = await self._attacher.attach(operation, execution)
        return AttachOutcome.REFUSED if attached is None else attached.outcome


def _with_start(made: Change, execution: Execution) -> Change:
    """The new operation is RUNNING at once if a worker has picked the execution up."""
    if execution.state is not ExecutionState.RUNNING:
        return made
    cause = Cause(Source.ADOPTION, PICKED_UP, made.transitions[0].at)
    return made.then(start(made.operation, cause, at=execution.started_at))


_REASONS: Final[Mapping[AdoptionWay, str]] = {
    AdoptionWay.CALL: "adopted on a client's request",
    AdoptionWay.RULE: "adopted by the watch rule of its type",
    AdoptionWay.REPORT: "adopted at its first report",
}


def _missing(workflow_id: str, run_id: str | None) -> str:
    run = "" if run_id is None else f" and run {run_id}"
    return f"there is no execution with workflow id {workflow_id!r}{run}"
