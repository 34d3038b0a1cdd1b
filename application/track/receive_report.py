"""Takes reports from runs, and records those of the operation's own workflow chain."""

import logging
from collections import OrderedDict
from typing import Protocol
from uuid import UUID

from application.ports.engine.workflow_engine import WorkflowEngine
from application.ports.monitoring.metrics import Metrics, ReportOutcome
from application.track.record import Recorded, RecordEvidence
from domain.evidence.reported_execution import ReportedExecution
from domain.operation.chain import Run, RunOrigin
from domain.operation.report import Report

MAX_KNOWN_RUNS = 10_000
"""Runs whose chain a process remembers."""
OUTCOMES = {
    Recorded.RECORDED: ReportOutcome.RECORDED,
    Recorded.IGNORED: ReportOutcome.IGNORED,
    Recorded.UNKNOWN_OPERATION: ReportOutcome.UNKNOWN_OPERATION,
    Recorded.FOREIGN: ReportOutcome.FOREIGN,
}
"""How a report is counted, by its outcome."""
_log = logging.getLogger(__name__)


class AdoptsReported(Protocol):
    """Makes the execution that a report names an operation."""

    async def adopt(self, execution: ReportedExecution, tenant: str | None) -> UUID | None:
        """Returns the id of the execution's operation; None if the engine does not confirm the execution, or it is
        another tenant's. The operation may not exist yet: only a watch rule can tell whose it is.

        Args:
            execution: The execution as the sender names it.
            tenant: Tenant of the sender; None: it has no credential.
        """


class ReceiveReport:
    """Any workflow of the namespace can send a report. It counts only for the operation whose chain the sending run
    belongs to, and the engine says which chain that is."""

    def __init__(
        self, recorder: RecordEvidence, engine: WorkflowEngine, metrics: Metrics, adopter: AdoptsReported
    ) -> None:
        self._recorder = recorder
        self._engine = engine
        self._metrics = metrics
        self._adopter = adopter
        self._known: OrderedDict[Run, RunOrigin] = OrderedDict()

    async def receive(
        self,
        operation_id: UUID,
        report: Report,
        run: Run,
        *,
        execution: ReportedExecution | None = None,
        tenant: str | None = None,
    ) -> Recorded:
        """Records the report. Asks the engine only about runs that are not the first of their chain, about operations
        whose first run is not known yet, and before an execution becomes an operation.

        Args:
            operation_id: The operation that the report is about.
            report: The report.
            run: The run that sent it.
            execution: The same run and its chain, as the sender names them. If the operation is unknown and its id is
                the one that an adoption of the chain gives, the execution becomes that operation.
            tenant: Tenant of the sender; None: it has no credential, and may report about operations of any tenant.

        Returns FOREIGN if the run belongs to another chain, or its execution to another tenant. Raises
        DatabaseUnavailable, StaleOperation, EngineUnavailable: the sender retries.
        """
        recorded = await self._record(operation_id, report, run, tenant)
        if recorded is Recorded.UNKNOWN_OPERATION and execution is not None and execution.adopted_id == operation_id:
            adopted = await self._adopter.adopt(execution, tenant) if execution.run == run else None
            if adopted is not None:
                # The engine has just confirmed the chain of the run.
                self._remember(run, RunOrigin(execution.first_run_id, adopted))
            recorded = Recorded.FOREIGN if adopted is None else await self._record(adopted, report, run, tenant)
        self._metrics.reported(OUTCOMES[recorded])
        if recorded in (Recorded.FOREIGN, Recorded.UNKNOWN_OPERATION):
            reason = "belongs to another chain" if recorded is Recorded.FOREIGN else "names an unknown operation"
            _log.warning(
                "report %s for operation %s rejected: workflow %r, run %s %s",
                report.kind,
                operation_id,
                run.workflow_id,
                run.run_id,
                reason,
            )
        return recorded

    async def _record(self, operation_id: UUID, report: Report, run: Run, tenant: str | None) -> Recorded:
        recorded = await self._recorder.report(operation_id, report, run, self._known.get(run), tenant=tenant)
        if recorded is not Recorded.UNVERIFIED:
            return recorded
        origin = await self._ask(run)
        if origin is None:
            return Recorded.FOREIGN
        return await self._recorder.report(operation_id, report, run, origin, tenant=tenant)

    async def _ask(self, run: Run) -> RunOrigin | None:
        """Returns the run's chain; None if the engine no longer knows the run."""
        origin = await self._engine.origin(run)
        if origin is not None:
            self._remember(run, origin)
        return origin

    def _remember(self, run: Run, origin: RunOrigin) -> None:
        self._known[run] = origin
        while len(self._known) > MAX_KNOWN_RUNS:
            self._known.popitem(last=False)
