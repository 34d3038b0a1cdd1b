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
"""Runs whose chain is remembered, in one process."""
_OUTCOMES = {
    Recorded.RECORDED: ReportOutcome.RECORDED,
    Recorded.IGNORED: ReportOutcome.IGNORED,
    Recorded.UNKNOWN_OPERATION: ReportOutcome.UNKNOWN_OPERATION,
    Recorded.FOREIGN: ReportOutcome.FOREIGN,
}
_log = logging.getLogger(__name__)


class ReceiveReport:
    """Any workflow of the namespace can send a report. A report counts only for the operation whose chain the sending
    run belongs to; the engine says which chain that is."""

    def __init__(self, recorder: RecordEvidence, engine: WorkflowEngine, metrics: Metrics) -> None:
        self._recorder = recorder
        self._engine = engine
        self._metrics = metrics
        self._known: OrderedDict[Run, RunOrigin] = OrderedDict()

    async def receive(self, operation_id: UUID, report: Report, run: Run) -> Recorded:
        """Record what the run reports of the operation. Asks the engine only about runs that are not a chain's first,
        and about operations whose first run is not known yet.

        Returns FOREIGN where the run belongs to another chain. Raises DatabaseUnavailable, StaleOperation,
        EngineUnavailable: the sender has to send it again.
        """
        recorded = await self._recorder.report(operation_id, report, run, self._known.get(run))
        if recorded is Recorded.UNVERIFIED:
            origin = await self._ask(run)
            recorded = Recorded.FOREIGN
            if origin is not None:
                recorded = await self._recorder.report(operation_id, report, run, origin)
        self._metrics.reported(_OUTCOMES[recorded])
        if recorded in (Recorded.FOREIGN, Recorded.UNKNOWN_OPERATION):
            words = "is not its own" if recorded is Recorded.FOREIGN else "has no operation of that id"
            _log.warning(
                "report %s for operation %s rejected: workflow %r, run %s %s",
                report.kind,
                operation_id,
                run.workflow_id,
                run.run_id,
                words,
            )
        return recorded

    async def _ask(self, run: Run) -> RunOrigin | None:
        """The engine's answer; None: it does not know the run, so nobody can tell whose it was."""
        origin = await self._engine.origin(run)
        if origin is not None:
            self._known[run] = origin
            while len(self._known) > MAX_KNOWN_RUNS:
                self._known.popitem(last=False)
        return origin
