"""Deals with the chains that have the workflow id of an operation to be started."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from application.batching.group_commit import GroupCommit
from application.ports.clock import Clock
from application.ports.engine.executions import Execution
from application.ports.engine.workflow_engine import ExecutionExists, WorkflowEngine
from application.ports.storage.unit_of_work import UnitOfWorkFactory
from domain.evidence.observation import OPEN, ExecutionState
from domain.json_value import JsonValue
from domain.operation.chain import Chain
from domain.operation.operation import Cause, Operation
from domain.operation.operation_type import OperationType
from domain.operation.origin import Origin
from domain.operation.start.superseding import supersede
from domain.operation.start.workflow_id_policy import OnClosed, OnRunning
from domain.operation.transition import Source


@dataclass(frozen=True, slots=True)
class Refused:
    """The operation cannot have its workflow id."""

    message: str
    details: Mapping[str, JsonValue] = field(default_factory=dict)
    """`operation_id`: the operation of the same tenant that has it."""


@dataclass(frozen=True, slots=True)
class Free:
    """The workflow id may be free now. Start the operation again."""

    on_closed: OnClosed | None = None
    """Policy of this start for a closed execution; None: that of the type."""


class WorkflowIdHolders:
    """Terminates chains by their first run, which it knows. A start never terminates whatever chain it meets: a
    dispatcher that was suspended would terminate the chain of a later operation."""

    def __init__(self, units: UnitOfWorkFactory, changes: GroupCommit, engine: WorkflowEngine, clock: Clock) -> None:
        self._units = units
        self._changes = changes
        self._engine = engine
        self._clock = clock

    async def end_superseded(self, operation: Operation) -> None:
        """Terminates the chains of the operations that are superseded under the workflow id. Their rows follow."""
        for row in await self._rows(operation, None):
            if not row.done and row.superseded_by is not None and row.dispatch.attempts > 0:
                await self._engine.terminate(row.chain, _reason(operation))

    async def resolve(
        self, operation: Operation, operation_type: OperationType, present: ExecutionExists
    ) -> Refused | Execution | Free:
        """Decides, by the policies of the type, about the chain because of which the engine has refused the start.
        Returns the execution if the operation is to use it.

        An execution is used or terminated only if it has the workflow type of the operation, whether or not it is one:
        a template may give the workflow id of something else.
        """
        found = await self._engine.describe(operation.workflow_id)
        if found is None:
            # Gone, or a stray of the ledger's own, which `attach` made where an execution was deleted meanwhile, and
            # ended. A stray is no use of the workflow id.
            return Free(OnClosed.ALLOW)
        if found.state not in OPEN:
            return _closed(found, operation_type.on_closed, present)
        rows = await self._rows(operation, found)
        holder = next((row for row in rows if _has(row, found)), None)
        if holder is not None and holder.tenant != operation.tenant:
            return Refused("another execution has the workflow id")
        refused = Refused(f"another execution has the workflow id: {present}", _details(holder))
        if found.workflow_type != operation_type.workflow:
            return refused
        match operation_type.on_running:
            case OnRunning.USE_EXISTING if holder is None:
                return found
            case OnRunning.TERMINATE if holder is None or not _takes_over(holder):
                await self._end(operation, holder, found)
                return Free()
        return refused

    async def _end(self, operation: Operation, holder: Operation | None, found: Execution) -> None:
        if holder is not None:
            cause = Cause(Source.DISPATCHER, "", self._clock.now())
            await self._changes.change(holder.id, lambda row: supersede(row, operation.id, cause))
        chain = Chain(found.operation_id or operation.id, found.workflow_id, found.first_run_id)
        await self._engine.terminate(chain, _reason(operation))

    async def _rows(self, operation: Operation, found: Execution | None) -> Sequence[Operation]:
        """Returns the other operations with the workflow id, the one that has the chain of the execution, and the one
        that the execution names."""
        async with self._units() as unit:
            rows = (await unit.operations.under_workflow_ids([operation.workflow_id])).get(operation.workflow_id, [])
            more = []
            if found is not None:
                more.append(await unit.operations.of_chain(found.workflow_id, found.first_run_id))
                more.append(None if found.operation_id is None else await unit.operations.get(found.operation_id))
        return [row for row in (*rows, *more) if row is not None and row.id != operation.id]


def _has(row: Operation, found: Execution) -> bool:
    """Whether the execution is the operation's."""
    if row.workflow_id != found.workflow_id:
        return False
    return row.first_run_id == found.first_run_id or (row.first_run_id is None and row.id == found.operation_id)


def _takes_over(holder: Operation) -> bool:
    """Whether the holder was accepted later, and supersedes the operation: of the open operations that the ledger
    starts, all but the latest are superseded."""
    return not holder.done and holder.origin is Origin.LEDGER and holder.superseded_by is None


def _closed(found: Execution, on_closed: OnClosed, present: ExecutionExists) -> Refused | Free:
    """The chain may have closed since the engine refused the start."""
    completed = found.state is ExecutionState.COMPLETED
    if on_closed is OnClosed.REJECT or (on_closed is OnClosed.ALLOW_FAILED and completed):
        return Refused(f"the workflow id was used before: {present}")
    return Free()


def _details(holder: Operation | None) -> Mapping[str, JsonValue]:
    return {} if holder is None else {"operation_id": str(holder.id)}


def _reason(operation: Operation) -> str:
    return f"superseded by operation {operation.id}"
