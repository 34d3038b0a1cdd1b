"""Records the operation of a workflow before a client starts it, and reports the result of the start."""

import hashlib
import json
import logging
from dataclasses import dataclass, field
from enum import StrEnum

from temporalio.client import ClientConfig
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from opledger._http.ledger import Ledger
from opledger._http.outage import Outage
from opledger._plugin.selection import Selection
from opledger._plugin.start_description import Start, StartDescription, names_operation
from opledger._plugin.start_internals import nexus_request_id
from opledger._tracking.clock import now
from opledger._tracking.description import MAX_MESSAGE_CHARS, clean_text
from opledger.errors import ApiKeyRefused, LedgerRefused, LedgerUnavailable
from opledger.search_attribute import OPERATION_UUID
from opledger.wire import (
    ReportedError,
    ReportedExecution,
    StartReport,
    StartReportKind,
    adopted_operation_id,
)

REFUSE_TIMEOUT = 10.0
"""Timeout in seconds of the recording, if the start depends on it."""
START_TIMEOUT = 2.0
"""The same if the workflow starts in any case; also of the report of the start."""
_CONFLICT = 409
_REFUSALS = frozenset(
    {
        RPCStatusCode.INVALID_ARGUMENT,
        RPCStatusCode.NOT_FOUND,
        RPCStatusCode.ALREADY_EXISTS,
        RPCStatusCode.PERMISSION_DENIED,
        RPCStatusCode.UNAUTHENTICATED,
        RPCStatusCode.FAILED_PRECONDITION,
        RPCStatusCode.UNIMPLEMENTED,
    }
)
"""Answers by which no workflow was started. After any other error one may run."""
_log = logging.getLogger(__name__)


class OnLedgerDown(StrEnum):
    """Policy of a client for a start that cannot be recorded."""

    START = "start"
    """The workflow starts. The worker's plugin or a watch rule may make it an operation later."""
    REFUSE = "refuse"
    """The start raises LedgerUnavailable or LedgerRefused, and the workflow does not start."""


@dataclass(frozen=True)
class Recording:
    """Result of the recording of one start."""

    new: str | None = None
    """Id of the operation that was recorded for this start."""
    open: str | None = None
    """Id of the open operation under the workflow id. An execution that already runs may be another one."""
    open_first_run_id: str | None = None
    """First run of that operation's workflow chain; None: the ledger does not know it yet."""
    ledger_answers: bool = True


@dataclass(frozen=True)
class StartedRun:
    """Temporal's answer to a start."""

    run_id: str
    first_run_id: str
    """First run of the workflow chain."""
    is_new: bool
    """False: an execution that already ran."""


@dataclass
class StartRecorder:
    """Records starts of one Temporal client."""

    ledger: Ledger
    selection: Selection
    on_ledger_down: OnLedgerDown
    description: StartDescription
    config: ClientConfig
    _logged_pause: bool = field(default=False, init=False)
    _reports: Outage = field(default_factory=Outage, init=False)
    """Of the reports alone: a ledger that takes none still records starts."""

    def records(self, start: Start) -> bool:
        """Whether the start is recorded: its type is selected, and it is not an operation already."""
        return self.selection.selects(start.workflow) and not names_operation(start)

    async def record(self, start: Start, *, signals: bool) -> Recording:
        """Records the operation. `signals`: signal-with-start, which takes a running execution as it is.

        Raises:
            LedgerUnavailable, LedgerRefused: only under REFUSE.
        """
        refuses = self.on_ledger_down is OnLedgerDown.REFUSE
        if not refuses and not self._may_wait(start):
            return Recording(ledger_answers=False)
        try:
            operation = self.description.describe(start, self.config["data_converter"], signals=signals)
            within, key = REFUSE_TIMEOUT if refuses else START_TIMEOUT, self._idempotency_key(start)
            recorded = await self.ledger.record(operation, within=within, idempotency_key=key)
        except LedgerRefused as refused:
            if refused.status == _CONFLICT:
                return Recording()  # an open operation has the workflow id: Temporal decides about the start
            if refuses:
                raise
            if not isinstance(refused, ApiKeyRefused):
                _log.warning("workflow %r starts without an operation: the ledger refused it: %s", start.id, refused)
            return Recording(ledger_answers=False)
        except Exception as error:
            if refuses:
                raise
            _log.warning("workflow %r starts without an operation: %s", start.id, error)
            return Recording(ledger_answers=False)
        if recorded.is_new:
            return Recording(new=recorded.operation_id)
        return Recording(open=recorded.operation_id, open_first_run_id=recorded.first_run_id)

    def _may_wait(self, start: Start) -> bool:
        """Whether the start may wait for the ledger. The first one in a pause that may not is logged."""
        may_wait = self.ledger.may_wait()
        if not may_wait and not self._logged_pause:
            _log.warning(
                "workflow %r starts without an operation: the ledger did not answer in time. Until the next try, other "
                "workflows start so too",
                start.id,
            )
        self._logged_pause = not may_wait
        return may_wait

    def _idempotency_key(self, start: Start) -> str | None:
        """Key of the recording; None if each one is an operation of its own. A Nexus operation that is retried starts
        its workflow once."""
        request_id = nexus_request_id()
        if request_id is None:
            return None
        return hashlib.sha256(json.dumps([self.config["namespace"], start.id, request_id]).encode()).hexdigest()

    def operation_of(self, recording: Recording, start: Start, run: StartedRun) -> str | None:
        """Id of the operation of the run that Temporal named; None if it is not known.

        A run that the start has joined is the open operation's only if the ledger has named its chain: the operation
        may wait for its own start while another execution has the workflow id.
        """
        if run.is_new:
            return self._operation_of_new_run(recording, start, run)
        return recording.open if recording.open_first_run_id == run.first_run_id else None

    def _operation_of_new_run(self, recording: Recording, start: Start, run: StartedRun) -> str:
        """The recorded operation, else the id under which every other way in tracks the run."""
        return recording.new or adopted_operation_id(self.config["namespace"], start.id, run.first_run_id)

    async def report_started(self, recording: Recording, start: Start, run: StartedRun) -> str | None:
        """Reports which execution Temporal named, unless the ledger knows it or does not answer. Returns the id of the
        execution's operation if the ledger names it."""
        if not recording.ledger_answers or not (recording.new or run.is_new or _is_unclear(recording, run)):
            return None
        operation_id = self._operation_of_new_run(recording, start, run)
        execution = ReportedExecution(
            namespace=self.config["namespace"],
            workflow_id=start.id,
            run_id=run.run_id,
            first_run_id=run.first_run_id,
            workflow_type=start.workflow,
            task_queue=start.task_queue,
            started_at=now().isoformat(),
        )
        return await self._report(
            StartReport(operation_id, StartReportKind.DISPATCHED, now().isoformat(), execution=execution)
        )

    async def failed(self, recording: Recording, error: BaseException) -> None:
        """Reports that Temporal refused the start. After an error that leaves it open whether a workflow was
        started, the ledger finds out by itself."""
        if recording.new is None or not _is_refusal(error):
            return
        described = ReportedError(clean_text(str(error), MAX_MESSAGE_CHARS), type=type(error).__name__)
        await self._report(
            StartReport(recording.new, StartReportKind.START_REJECTED, now().isoformat(), error=described)
        )

    async def _report(self, report: StartReport) -> str | None:
        try:
            if not self._reports.may_wait():
                raise LedgerUnavailable("the ledger took no report before")
            try:
                named = await self.ledger.report(report, within=START_TIMEOUT)
            except LedgerUnavailable:
                self._reports.begin()
                raise
            self._reports.end()
        except ApiKeyRefused:
            return None  # logged where the answer arrived
        except (LedgerUnavailable, LedgerRefused) as error:
            _log.warning(
                "Operation %s: the report %r did not reach the ledger: %s",
                report.operation_id,
                report.kind.value,
                error,
            )
            return None
        return named


def is_missing_attribute(error: BaseException) -> bool:
    """Whether Temporal refused a start because its namespace lacks the search attribute `OperationUUID`."""
    return (
        isinstance(error, RPCError)
        and error.status == RPCStatusCode.INVALID_ARGUMENT
        and OPERATION_UUID.name in error.message
    )


def _is_unclear(recording: Recording, run: StartedRun) -> bool:
    """Whether the run that the start has joined is not known to be the open operation's. That operation may wait for
    its own start, and the client which recorded it may have been killed."""
    return recording.open is not None and recording.open_first_run_id != run.first_run_id


def _is_refusal(error: BaseException) -> bool:
    return isinstance(error, WorkflowAlreadyStartedError) or (isinstance(error, RPCError) and error.status in _REFUSALS)
