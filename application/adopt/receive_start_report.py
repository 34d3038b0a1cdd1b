"""Takes what clients say of the starts of operations that they have recorded."""

import logging
from dataclasses import dataclass
from uuid import UUID

from application.adopt.adopt import Adoption, AdoptOperation
from application.adopt.adopt_reported import AdoptReported, undeclared_type
from application.adopt.known import is_own
from application.batching.group_commit import GroupCommit
from application.ports.clock import Clock
from application.ports.engine.executions import Execution
from application.ports.engine.workflow_engine import WorkflowEngine
from application.ports.monitoring.metrics import AdoptionWay, Metrics
from application.ports.storage.unit_of_work import UnitOfWorkFactory
from application.track.receive_report import OUTCOMES
from application.track.record import Recorded, RecordEvidence
from domain.evidence.observation import ExecutionState
from domain.evidence.reported_execution import ReportedExecution
from domain.evidence.start_report import StartReport
from domain.operation.lifecycle import fail
from domain.operation.operation import Cause, Change, Operation
from domain.operation.operation_error import ErrorCode, OperationError
from domain.operation.origin import Origin
from domain.operation.status import OperationStatus
from domain.operation.transition import Source

REFUSED = "the client reports that the engine refused the start"
JOINED = "another execution has the workflow id: the engine answered the client's start with it"
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class StartRecorded:
    """The outcome of a report about a start."""

    outcome: Recorded
    operation_id: UUID | None = None
    """The operation of the execution that the report names. It is not that of the report if the engine answered the
    start with an execution that existed already. None: the report names none, or one that is not the tenant's."""


class ReceiveStartReport:
    """The engine has the last word: it is asked about a start, and about a refused one too."""

    def __init__(
        self,
        units: UnitOfWorkFactory,
        changes: GroupCommit,
        engine: WorkflowEngine,
        clock: Clock,
        adopter: AdoptOperation,
        reported: AdoptReported,
        recorder: RecordEvidence,
        metrics: Metrics,
    ) -> None:
        self._units = units
        self._changes = changes
        self._engine = engine
        self._clock = clock
        self._adopter = adopter
        self._reported = reported
        self._recorder = recorder
        self._metrics = metrics

    async def receive(self, operation_id: UUID, report: StartReport, tenant: str, actor: str | None) -> StartRecorded:
        """Records a start, which also attaches the completion callback, or the refusal of one.

        An execution whose operation was not recorded before its start becomes an operation now. So does an execution
        that the client's start has joined instead of starting one; the operation that was recorded for the start
        fails then. FOREIGN: the engine does not confirm the execution, it is another tenant's, or the operation is not
        one that waits for a client's start. Raises DatabaseUnavailable, StaleOperation, EngineUnavailable: the client
        retries.
        """
        async with self._units() as unit:
            operation = await unit.operations.get(operation_id)
        if operation is None or operation.tenant != tenant:
            recorded = await self._unknown(operation_id, report, tenant)
        elif operation.origin is Origin.LEDGER:
            recorded = StartRecorded(Recorded.FOREIGN)
        elif report.execution is not None:
            recorded = await self._started(operation, report.execution, actor)
        else:
            recorded = StartRecorded(await self._refused(operation, report, actor))
        self._metrics.reported(OUTCOMES[recorded.outcome])
        if recorded.outcome in (Recorded.FOREIGN, Recorded.UNKNOWN_OPERATION):
            _log.warning("report %s for operation %s rejected: %s", report.kind, operation_id, recorded.outcome)
        return recorded

    async def _unknown(self, operation_id: UUID, report: StartReport, tenant: str) -> StartRecorded:
        if report.execution is None or report.execution.adopted_id != operation_id:
            return StartRecorded(Recorded.UNKNOWN_OPERATION)
        adopted = await self._reported.adopt(report.execution, tenant)
        return StartRecorded(Recorded.FOREIGN if adopted is None else Recorded.RECORDED, adopted)

    async def _started(self, operation: Operation, execution: ReportedExecution, actor: str | None) -> StartRecorded:
        described = await self._reported.confirmed(execution)
        if described is None:
            return StartRecorded(Recorded.FOREIGN)
        if not is_own(operation, described):
            return await self._joined(operation, described, execution, actor)
        if operation.done or (operation.dispatch.calls_back and operation.first_run_id is not None):
            return StartRecorded(Recorded.IGNORED, operation.id)
        own = undeclared_type(described, operation.type)
        await self._adopter.take(described, Adoption(operation.tenant, own, AdoptionWay.REPORT, wait_for_codec=False))
        return StartRecorded(Recorded.RECORDED, operation.id)

    async def _joined(
        self, operation: Operation, described: Execution, execution: ReportedExecution, actor: str | None
    ) -> StartRecorded:
        """Makes the execution that the client's start has joined an operation, as the first report about it would, and
        fails the one that was recorded for the start. If the tenant may not have that execution, it fails without
        details."""
        waits = operation.origin is Origin.CLIENT and operation.first_run_id is None
        if not waits or operation.workflow_id != described.workflow_id:
            return StartRecorded(Recorded.FOREIGN)
        joined = await self._reported.take(described, operation.tenant, execution.parent)
        joined_id = None if joined is None else joined.id
        error = OperationError(
            ErrorCode.START_REJECTED, JOINED, {} if joined_id is None else {"operation_id": str(joined_id)}
        )
        return StartRecorded(await self._give_up(operation, error, JOINED, actor), joined_id)

    async def _refused(self, operation: Operation, report: StartReport, actor: str | None) -> Recorded:
        if operation.origin is Origin.ADOPTED:
            return Recorded.FOREIGN
        error = OperationError(ErrorCode.START_REJECTED, report.message)
        return await self._give_up(operation, error, REFUSED, actor)

    async def _give_up(self, operation: Operation, error: OperationError, reason: str, actor: str | None) -> Recorded:
        """Fails an operation that waits for its start, unless the engine has an execution of it: an earlier attempt of
        the client may have started that."""
        if not _may_be_refused(operation):
            return Recorded.IGNORED
        observation = await self._engine.observe(operation.chain)
        if observation.state is not ExecutionState.NOT_FOUND:
            await self._recorder.observation(operation.id, observation, Source.CONFIRMATION, version=operation.version)
            return Recorded.IGNORED

        def decide(current: Operation) -> Change | None:
            if not _may_be_refused(current):
                return None
            return fail(current, error, Cause(Source.CLIENT, reason, self._clock.now(), actor=actor))

        outcome = await self._changes.change(operation.id, decide)
        if outcome is None:
            return Recorded.UNKNOWN_OPERATION
        return Recorded.RECORDED if outcome.changed else Recorded.IGNORED


def _may_be_refused(operation: Operation) -> bool:
    accepted = operation.status is OperationStatus.ACCEPTED and operation.origin is Origin.CLIENT
    return accepted and operation.first_run_id is None
