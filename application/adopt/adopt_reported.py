"""Makes executions that reports name operations, after the engine has confirmed them."""

from contextlib import suppress
from uuid import UUID

from application.adopt.adopt import Adoption, AdoptOperation, ExecutionNotFound, ExecutionOfOtherType
from application.adopt.known import KnownOperations
from application.ports.engine.executions import Execution
from application.ports.engine.workflow_engine import WorkflowEngine
from application.ports.monitoring.metrics import AdoptionWay
from application.ports.storage.unit_of_work import UnitOfWorkFactory
from domain.errors import InvalidInput, OperationNotFound
from domain.evidence.reported_execution import ReportedExecution, ReportedParent
from domain.operation.operation import Operation
from domain.operation.operation_type import OperationCatalogue, OperationType, clipped_type_name


class AdoptReported:
    """A report cannot invent an execution: everything about it but its ids comes from the engine."""

    def __init__(
        self,
        units: UnitOfWorkFactory,
        engine: WorkflowEngine,
        catalogue: OperationCatalogue,
        adopter: AdoptOperation,
        namespace: str,
    ) -> None:
        """`namespace`: the Temporal namespace."""
        self._engine = engine
        self._catalogue = catalogue
        self._adopter = adopter
        self._namespace = namespace
        self._known = KnownOperations(units, engine, namespace)

    async def adopt(self, execution: ReportedExecution, tenant: str | None) -> UUID | None:
        """Returns the id of the execution's operation; None if the engine does not confirm the execution, or it is
        another tenant's.

        The type is the declared one of the workflow type; if none is declared, the workflow type's name. Without a
        tenant of the sender, the tenant is that of the type, or the default tenant. If types of several tenants are
        declared for the workflow type, such a report adopts nothing, and the id is the one that an adoption by a watch
        rule gives. A parent that reports itself but has no operation yet is adopted first. Raises EngineUnavailable.
        """
        described = await self.confirmed(execution)
        if described is None:
            return None
        operation = await self.take(described, tenant, execution.parent)
        if operation is None:
            return execution.adopted_id if tenant is None else None
        return operation.id

    async def take(self, described: Execution, tenant: str | None, named: ReportedParent | None) -> Operation | None:
        """Returns the operation of an execution that the engine has just described; None if it has none and may be
        another tenant's, or if its operation is another tenant's. `named`: the parent, as the sender says."""
        declared = self._catalogue.of_workflow(described.workflow_type, tenant)
        if self._may_adopt(described, declared, tenant):
            own = undeclared_type(described) if declared is None else declared
            of_tenant = tenant or own.owner
            parent_id = None if named is None else await self._parent_id(described, named, tenant, of_tenant)
            adoption = Adoption(of_tenant, own, AdoptionWay.REPORT, parent_id=parent_id, wait_for_codec=False)
            with suppress(ExecutionNotFound, ExecutionOfOtherType):
                return (await self._adopter.take(described, adoption)).operation
        known = (await self._known.relatives(described)).own
        return None if known is None or tenant not in (None, known.tenant) else known

    def _may_adopt(self, described: Execution, declared: OperationType | None, tenant: str | None) -> bool:
        """Whether the declared types leave no doubt that the execution is the sender's; of a sender without a tenant,
        whose it is."""
        owners = self._catalogue.owners_of_workflow(described.workflow_type)
        if tenant is None:
            return len(owners) <= 1
        return not owners or tenant in owners or (declared is not None and declared.is_owned)

    async def _parent_id(
        self, child: Execution, named: ReportedParent, tenant: str | None, of_tenant: str
    ) -> UUID | None:
        """Adopts the named parent, which may report later than its child, or never, and returns its id.

        Returns the id without an adoption if only the parent's own report tells what the ledger needs: its tenant or
        its own parent. None if the parent is an operation already, the engine names another one, it reports nothing,
        or it cannot be an operation of the tenant.
        """
        run, adopted = child.parent, named.adopted_id(self._namespace)
        if run is None or run.workflow_id != named.workflow_id or adopted is None:
            return None
        if await self._known.exists(adopted):
            return None  # the ledger looks it up, and checks that the run belongs to it
        parent = await self._engine.describe(run.workflow_id, run.run_id)
        if parent is None or parent.first_run_id != named.first_run_id:
            return None
        if await self._tells_more(parent, child, tenant):
            return adopted
        with suppress(InvalidInput, OperationNotFound):
            operation = await self.take(parent, tenant, None)
            return operation.id if operation is not None and operation.tenant == of_tenant else None
        return None

    async def _tells_more(self, parent: Execution, child: Execution, tenant: str | None) -> bool:
        """Whether the parent's own report tells more than that of its child."""
        # Workers of one task queue have the same credential.
        if tenant is not None and parent.task_queue != child.task_queue:
            return True
        return parent.parent is not None and not (await self._known.relatives(parent)).may_be_parents

    async def confirmed(self, execution: ReportedExecution) -> Execution | None:
        """Returns the execution as the engine describes it; None if the engine has no such chain. Raises
        EngineUnavailable."""
        if execution.namespace != self._namespace:
            return None
        described = await self._engine.describe(execution.workflow_id, execution.run_id)
        same = described is not None and described.first_run_id == execution.first_run_id
        return described if same else None


def undeclared_type(execution: Execution, name: str | None = None) -> OperationType:
    """A type for the execution. `name`: None for that of its workflow type."""
    name = clipped_type_name(execution.workflow_type) if name is None else name
    return OperationType(name, execution.workflow_type, execution.task_queue)
