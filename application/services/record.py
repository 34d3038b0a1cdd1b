"""Record evidence: reports of workflows and observations of the engine, through one compare-and-set."""

from enum import StrEnum
from uuid import UUID

from application.ports.clock import Clock
from application.ports.unit_of_work import UnitOfWorkFactory
from application.services.compare_and_set import change_operation
from domain.evidence import Observation, Report
from domain.finality import Finality
from domain.operation import Change, Operation
from domain.reconciliation import NO_CHANGE, Decision, ReconcilePolicy, Verdict, reconcile
from domain.reporting import apply_report
from domain.transition import Source


class Recorded(StrEnum):
    """What became of a report."""

    RECORDED = "RECORDED"
    IGNORED = "IGNORED"
    UNKNOWN_OPERATION = "UNKNOWN_OPERATION"


class RecordEvidence:
    """The only way by which evidence changes the ledger."""

    def __init__(self, units: UnitOfWorkFactory, clock: Clock, finality: Finality, policy: ReconcilePolicy) -> None:
        self._units = units
        self._clock = clock
        self._finality = finality
        self._policy = policy

    async def report(self, operation_id: UUID, report: Report) -> Recorded:
        """Record what a workflow says of itself. Repeats and latecomers change nothing."""

        def decide(operation: Operation) -> Change | None:
            return apply_report(operation, report, self._finality, self._clock.now())

        outcome = await change_operation(self._units, operation_id, decide)
        if outcome is None:
            return Recorded.UNKNOWN_OPERATION
        return Recorded.RECORDED if outcome.changed else Recorded.IGNORED

    async def observation(self, operation_id: UUID, observation: Observation, source: Source) -> Verdict:
        """Record what the engine says. The verdict is made on the row as it is now, not as it was when asked."""
        decision: Decision = NO_CHANGE

        def decide(operation: Operation) -> Change | None:
            nonlocal decision
            decision = reconcile(operation, observation, self._clock.now(), self._policy, source)
            return decision.change

        outcome = await change_operation(self._units, operation_id, decide)
        return Verdict.NO_CHANGE if outcome is None else decision.verdict
