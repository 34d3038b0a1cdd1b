"""Records evidence: reports of workflows and observations of the engine."""

from datetime import timedelta
from enum import StrEnum
from uuid import UUID

from application.batching.group_commit import GroupCommit
from application.batching.optimistic_update import UpdateResult
from application.ports.clock import Clock
from application.ports.monitoring.metrics import Metrics
from domain.evidence.finality import Finality
from domain.evidence.observation import Observation
from domain.evidence.reconciliation import NO_CHANGE, Decision, ReconcilePolicy, Verdict, reconcile
from domain.evidence.reporting import apply_report
from domain.operation.chain import Membership, Run, RunOrigin, membership
from domain.operation.follow_up import callback_attached, with_first_run_id
from domain.operation.operation import Change, Operation
from domain.operation.report import Report
from domain.operation.transition import Source


class Recorded(StrEnum):
    """The outcome of a report."""

    RECORDED = "RECORDED"
    IGNORED = "IGNORED"
    UNKNOWN_OPERATION = "UNKNOWN_OPERATION"
    FOREIGN = "FOREIGN"
    """The run that sent it does not belong to the operation's chain; nothing is recorded."""
    UNVERIFIED = "UNVERIFIED"
    """Nothing is recorded before the engine says which chain the run belongs to."""


class RecordEvidence:
    """The only way by which evidence changes the ledger."""

    def __init__(
        self,
        changes: GroupCommit,
        clock: Clock,
        finality: Finality,
        policy: ReconcilePolicy,
        metrics: Metrics,
        confirm_after: timedelta,
    ) -> None:
        """`confirm_after`: time after a reported outcome at which the engine is asked, unless its callback has come."""
        self._changes = changes
        self._clock = clock
        self._finality = finality
        self._policy = policy
        self._metrics = metrics
        self._confirm_after = confirm_after

    async def report(
        self,
        operation_id: UUID,
        report: Report,
        run: Run,
        origin: RunOrigin | None = None,
        *,
        tenant: str | None = None,
    ) -> Recorded:
        """Records what a run says of its operation. A repeated or late report changes nothing.

        Args:
            operation_id: The operation that the report is about.
            report: The report.
            run: The run that sent it.
            origin: What the engine says of the run's chain; None: it was not asked.
            tenant: The operation is unknown unless it belongs to this tenant; None: any tenant.
        """
        member = Membership.OWN
        known = True

        def decide(operation: Operation) -> Change | None:
            nonlocal member, known
            known = tenant in (None, operation.tenant)
            if not known:
                return None
            member = _sent_by_own(operation, run, origin)
            if member is not Membership.OWN:
                return None
            own = with_first_run_id(operation, None if origin is None else origin.first_run_id).operation
            return apply_report(own, report, self._finality, self._clock.now(), self._confirm_after)

        outcome = await self._changes.change(operation_id, decide)
        if outcome is None or not known:
            return Recorded.UNKNOWN_OPERATION
        if member is not Membership.OWN:
            return Recorded.FOREIGN if member is Membership.FOREIGN else Recorded.UNVERIFIED
        self._count(outcome)
        return Recorded.RECORDED if outcome.changed else Recorded.IGNORED

    async def observation(
        self,
        operation_id: UUID,
        observation: Observation,
        source: Source,
        *,
        version: int | None = None,
        tenant: str | None = None,
        first_run_id: str | None = None,
        attached: bool = False,
    ) -> Verdict:
        """Records what the engine says. The verdict depends on the row as it is now, not as it was at the request.

        Args:
            operation_id: The operation that the observation is about.
            observation: What the engine says.
            source: The channel that brought it.
            version: Version of the operation that was read before the engine was asked. An operation that is final, and
                was changed since or not read before, is not contradicted.
            tenant: Nothing changes unless the operation belongs to this tenant; None: any tenant.
            first_run_id: Nothing changes unless the operation's chain begins with this run; None: any chain.
            attached: A callback was attached to the execution before the engine was asked.
        """
        decision: Decision = NO_CHANGE

        def decide(operation: Operation) -> Change | None:
            nonlocal decision
            if tenant not in (None, operation.tenant) or first_run_id not in (None, operation.first_run_id):
                return None
            known = callback_attached(operation).operation if attached else operation
            unchanged = operation.version == version
            decision = reconcile(known, observation, self._clock.now(), self._policy, source, unchanged=unchanged)
            return decision.change or Change(known)

        outcome = await self._changes.change(operation_id, decide)
        if outcome is None:
            return Verdict.NO_CHANGE
        self._count(outcome)
        if outcome.operation.done and decision.verdict is Verdict.TRANSITION and observation.closed_at is not None:
            self._metrics.closed(source, max(timedelta(), self._clock.now() - observation.closed_at))
        return decision.verdict

    def _count(self, outcome: UpdateResult) -> None:
        for line in outcome.transitions:
            if line.from_status is not line.to_status:
                self._metrics.moved(line.source, line.to_status)
        if outcome.raised is not None:
            self._metrics.raised(outcome.raised)


def _sent_by_own(operation: Operation, run: Run, origin: RunOrigin | None) -> Membership:
    """Returns whether the run belongs to the operation's chain. An operation that was never started has no run."""
    if operation.dispatch.attempts == 0:
        return Membership.FOREIGN
    return membership(operation.chain, run, origin)
