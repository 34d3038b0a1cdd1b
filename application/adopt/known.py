"""Finds the operation of an execution, and that of the workflow which started it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from application.ports.engine.executions import Execution
from application.ports.engine.workflow_engine import WorkflowEngine
from application.ports.storage.unit_of_work import UnitOfWorkFactory
from domain.operation.chain import Membership, Run, membership
from domain.operation.operation import Operation
from domain.operation.operation_id import adopted_id
from domain.operation.origin import Origin


@dataclass(frozen=True, slots=True)
class Relatives:
    """The operations that are related to an execution."""

    adopted_id: UUID
    """Id of the operation that an adoption of the execution creates."""
    own: Operation | None
    """The operation of the execution, of any tenant."""
    started_earlier_by: Operation | None = None
    """The operation for which the ledger has started the execution, before it started the one that the operation has:
    the answer to the first start was lost, or the engine did not know its execution for a while."""
    may_be_parents: Sequence[Operation] = ()
    """Operations with the workflow id of the parent."""


class KnownOperations:
    """Looks operations up by the chain of an execution."""

    def __init__(self, units: UnitOfWorkFactory, engine: WorkflowEngine, namespace: str) -> None:
        """`namespace`: the Temporal namespace, which is part of an adopted operation's id."""
        self._units = units
        self._engine = engine
        self._namespace = namespace

    async def relatives(self, execution: Execution) -> Relatives:
        """Returns what the ledger knows of the execution."""
        adopted = adopted_id(self._namespace, execution.workflow_id, execution.first_run_id)
        ids = {adopted} if execution.operation_id is None else {adopted, execution.operation_id}
        parent = None if execution.parent is None else execution.parent.workflow_id
        async with self._units() as unit:
            by_id = await unit.operations.get_all(ids)
            named = await unit.operations.under_workflow_ids({execution.workflow_id, parent or execution.workflow_id})
            rows = [*by_id.values(), *named.get(execution.workflow_id, ())]
            own = next((row for row in rows if is_own(row, execution)), None)
            if own is None:  # an operation that is done may have used the chain, and others its workflow id since
                own = await unit.operations.of_chain(execution.workflow_id, execution.first_run_id)
        starter = None if own else next((row for row in by_id.values() if _may_have_started(row, execution)), None)
        return Relatives(adopted, own, starter, () if parent is None else named.get(parent, ()))

    async def parent_of(self, execution: Execution, relatives: Relatives, tenant: str) -> Operation | None:
        """Returns the tenant's operation whose workflow started the execution; None if it has none, or it is not known.
        Asks the engine only if the parent is not the first run of its chain. May raise EngineUnavailable."""
        candidates = [row for row in relatives.may_be_parents if row.tenant == tenant]
        if execution.parent is None or not candidates:
            return None
        found = _with_run(candidates, execution.parent)
        if found is None:
            origin = await self._engine.origin(execution.parent)
            of_chain = (row for row in candidates if origin and membership(row.chain, execution.parent, origin) is _OWN)
            found = next(of_chain, None)
        return found

    async def exists(self, operation_id: UUID) -> bool:
        """Whether the operation of that id exists."""
        async with self._units() as unit:
            return await unit.operations.get(operation_id) is not None


_OWN = Membership.OWN


def is_own(row: Operation, execution: Execution) -> bool:
    """Whether the execution is the operation's. Before its first run is known, `OperationUUID` decides."""
    if row.workflow_id != execution.workflow_id:
        return False
    if row.first_run_id is None:
        return row.id == execution.operation_id
    return row.first_run_id == execution.first_run_id


def _may_have_started(row: Operation, execution: Execution) -> bool:
    """Whether an earlier start of the operation may have created the execution."""
    if row.id != execution.operation_id or row.workflow_id != execution.workflow_id:
        return False
    dispatch, started_at = row.dispatch, execution.started_at
    is_older = dispatch.done_at is None or started_at is None or started_at <= dispatch.done_at
    return row.origin is Origin.LEDGER and dispatch.attempts > 1 and is_older


def _with_run(rows: Iterable[Operation], run: Run) -> Operation | None:
    return next((row for row in rows if membership(row.chain, run, None) is _OWN), None)
