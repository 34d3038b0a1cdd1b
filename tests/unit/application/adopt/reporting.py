"""A ledger whose executions are started by others and report themselves."""

from dataclasses import replace
from typing import Any
from uuid import UUID

from adapters.memory.engine.executions import StartFields
from application.adopt.receive_start_report import StartRecorded
from application.submit.record_start import ClientStart
from application.track.record import Recorded
from domain.evidence.reported_execution import ReportedExecution
from domain.evidence.start_report import StartReport, StartReportKind
from domain.operation.chain import Run
from domain.operation.operation import Operation
from domain.operation.operation_type import OperationCatalogue, OperationType
from domain.operation.report import Progress, Report, ReportKind
from domain.operation.start.workflow_id_policy import OnRunning
from domain.operation.start.workflow_id_template import WorkflowIdTemplate
from tests.support.ledger.in_memory import FakeLedger
from tests.support.operations import T0

NAMESPACE = "default"
CATALOGUE = OperationCatalogue(
    {
        "a-order": OperationType("a-order", "OrderWorkflow", "orders"),
        "order": OperationType("order", "OrderWorkflow", "orders", adopt=True, labels={"team": "shop"}),
        "use": OperationType(
            *("use", "OrderWorkflow", "orders"),
            workflow_id=WorkflowIdTemplate.parse("order-1"),
            on_running=OnRunning.USE_EXISTING,
        ),
        "cart": OperationType("cart", "CartWorkflow", "carts", tenant="acme"),
        "work": OperationType("work", "Work", "workers"),
    }
)


class Reporting(FakeLedger):
    """Reports arrive as the plugin sends them."""

    def __init__(self, **options: Any) -> None:
        super().__init__(catalogue=CATALOGUE, **options)
        self.start_reports = self.api.start_reports()

    def begins(self, workflow_id: str = "order-1", workflow_type: str = "OrderWorkflow", **fields: Any) -> None:
        """Another client starts a workflow, and a worker picks it up."""
        self.world.start_from_outside(
            workflow_id, StartFields(workflow_type, "orders", arguments=({"n": 1},), **fields)
        )
        self.world.pick_up(workflow_id)

    def execution(self, workflow_id: str = "order-1", /, **changed: Any) -> ReportedExecution:
        """What the plugin says of the latest run."""
        run = self.world.latest_run(workflow_id)
        first = self.world._executions[workflow_id].first_run_id
        named = ReportedExecution(
            NAMESPACE, workflow_id, run.run_id, first, "OrderWorkflow", "orders", self.clock.now()
        )
        return replace(named, **changed)

    async def reports_itself(
        self,
        kind: ReportKind = ReportKind.STARTED,
        *,
        execution: ReportedExecution | None = None,
        operation_id: UUID | None = None,
        tenant: str | None = None,
        run: Run | None = None,
    ) -> Recorded:
        """The workflow's report arrives; without a tenant by activity."""
        named = execution or self.execution()
        progress = Progress(0.5) if kind is ReportKind.PROGRESS else None
        report = Report(kind, self.clock.now(), progress=progress)
        return await self.reports.receive(
            operation_id or named.adopted_id, report, run or named.run, execution=named, tenant=tenant
        )

    def only(self) -> Operation:
        """The only operation."""
        [row] = self.rows().values()
        return row

    async def record_start(self, workflow_id: str = "order-1", tenant: str = "default") -> UUID:
        """A client records a start."""
        start = ClientStart(tenant, "OrderWorkflow", workflow_id)
        return (await self.api.record().record(start)).operation.id

    async def client_says(
        self,
        operation_id: UUID,
        kind: StartReportKind = StartReportKind.DISPATCHED,
        *,
        execution: ReportedExecution | None = None,
        tenant: str = "default",
    ) -> Recorded:
        """A client's report about a start arrives. Returns the outcome."""
        answer = await self.answer_to_start(operation_id, kind, execution=execution, tenant=tenant)
        return answer.outcome

    async def answer_to_start(
        self,
        operation_id: UUID,
        kind: StartReportKind = StartReportKind.DISPATCHED,
        *,
        execution: ReportedExecution | None = None,
        tenant: str = "default",
    ) -> StartRecorded:
        """A client's report about a start arrives. Returns the answer."""
        named = execution or self.execution() if kind is StartReportKind.DISPATCHED else None
        return await self.start_reports.receive(
            operation_id, StartReport(kind, T0, named, "already started"), tenant, "shop"
        )
