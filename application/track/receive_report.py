"""Takes reports from runs, and records those of the operation's own workflow chain."""

import logging
from collections import OrderedDict
from uuid import UUID

from application.ports.metrics import Metrics, ReportOutcome
from application.ports.workflow_engine import WorkflowEngine
from application.track.record import Recorded, RecordEvidence
from domain.operation.chain import Run, RunOrigin
from domain.operation.report import Report

MAX_KNOWN_RUNS = 10_000
"""Runs whose chain a process remembers."""
_OUTCOMES = {
    Recorded.RECORDED: ReportOutcome.RECORDED,
    Recorded.IGNORED: ReportOutcome.IGNORED,
    Recorded.UNKNOWN_OPERATION: ReportOutcome.UNKNOWN_OPERATION,
    Recorded.FOREIGN: ReportOutcome.FOREIGN,
}
_log = logging.getLogger(__name__)


class ReceiveReport:
    """Any workflow of the namespace can send a report. It counts only for the operation whose chain the sending run
    belongs to, and the engine says which chain that is."""

    def __init__(self, recorder: RecordEvidence, engine: WorkflowEngine, metrics: Metrics) -> None:
        self._recorder = recorder
        self._engine = engine
        self._metrics = metrics
        self._known: OrderedDict[Run, RunOrigin] = OrderedDict()

    async def receive(self, operation_id: UUID, report: Report, run: Run) -> Recorded:
        """Records the report. Asks the engine only about runs that are not the first of their chain, and about
        operations whose first run is not known yet.

        Returns FOREIGN if the run belongs to another chain. Raises DatabaseUnavailable, StaleOperation,
        EngineUnavailable: the sender retries.
        """
        recorded = await self._recorder.report(operation_id, report, run, self._known.get(run))
        if recorded is Recorded.UNVERIFIED:
            origin = await self._ask(run)
            recorded = Recorded.FOREIGN
            if origin is not None:
                recorded = await self._recorder.report(operation_id, report, run, origin)
        self._metrics.reported(_OUTCOMES[recorded])
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

    async def _ask(self, run: Run) -> RunOrigin | None:
        """Returns the run's chain; None if the engine no longer knows the run."""
        origin = await self._engine.origin(run)
        if origin is not None:
            self._known[run] = origin
            while len(self._known) > MAX_KNOWN_RUNS:
                self._known.popitem(last=False)
        return origin
