"""One run of a worker with the plugin: whether it is tracked, and what it passes on."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from temporalio import workflow
from temporalio.api.common.v1 import Payload
from temporalio.worker import ContinueAsNewInput

from opledger._plugin.caller import HEADER, caller_of, read_caller, with_caller
from opledger._plugin.selection import Selection
from opledger._tracking.identity import Identity, identify, with_identity
from opledger._tracking.reporting import Reporter
from opledger._tracking.tracked_run import TrackedRun, current_run
from opledger._tracking.transport import HTTP_REPORT_ACTIVITY, LedgerQueue, OverHttp, Transport
from opledger.wire import (
    UPDATE_ACTIVITY,
    OutcomeReports,
    ReportedExecution,
    ReportedParent,
    adopted_operation_id,
)

QUEUE_PATCH = "opledger-plugin"
"""Patch id in the history of a run that reports by the ledger's task queue."""
HTTP_PATCH = "opledger-plugin-http"
"""Patch id in the history of a run that reports over HTTP. A run keeps its transport when the plugin's URL is added or
removed."""


@dataclass(frozen=True)
class Tracking:
    """Options of the worker: which workflows it tracks, and how it reports."""

    selection: Selection
    over_http: bool
    ledger_task_queue: str
    report_timeout: timedelta

    def transport(self, workflow_type: str) -> Transport | None:
        """Transport of the current run; None if it is not tracked.

        The history decides on replay: a run that was open before the plugin was added stays untracked, and one that is
        tracked stays so when its type is excluded.
        """
        if workflow.unsafe.is_replaying():
            over_http = workflow.patched(HTTP_PATCH)
            tracked = over_http or workflow.patched(QUEUE_PATCH)
        else:
            over_http = self.over_http
            tracked = self.selection.selects(workflow_type) and workflow.patched(
                HTTP_PATCH if over_http else QUEUE_PATCH
            )
        if not tracked:
            return None
        return OverHttp(self.report_timeout) if over_http else LedgerQueue(self.ledger_task_queue, self.report_timeout)


class PluginRun:
    """State of the plugin for one run."""

    def __init__(self, tracking: Tracking) -> None:
        self._tracking = tracking
        self._begun = False
        self._identity: Identity | None = None
        self._operation_id = ""
        self._tracked: TrackedRun | None = None
        self._over_http = False

    def begin(self) -> TrackedRun | None:
        """Decides in the first task whether the run is tracked. Handlers and the workflow's `__init__` can run before
        the run method. So whatever comes first calls this."""
        if not self._begun:
            self._begun = True
            info = workflow.info()
            self._identity = identify()
            self._operation_id = (
                self._identity.operation_id
                if self._identity is not None
                else adopted_operation_id(info.namespace, info.workflow_id, info.first_execution_run_id)
            )
            transport = self._tracking.transport(info.workflow_type)
            if transport is not None and current_run() is None:
                self._over_http = isinstance(transport, OverHttp)
                self._tracked = self._track(info, transport)
        return self._tracked

    def _track(self, info: workflow.Info, transport: Transport) -> TrackedRun:
        reporter = Reporter(self._operation_id, transport, keeps_newest=True, execution=_execution(info))
        rule = OutcomeReports.NEVER if self._identity is None else self._identity.outcome_reports
        return TrackedRun(reporter, rule)

    def to_next_run(self, arguments: ContinueAsNewInput) -> ContinueAsNewInput:
        """Passes on the identity, and the parent's header."""
        self.begin()
        if self._identity is not None:
            arguments = with_identity(self._identity, arguments)
        parent = workflow.info().headers.get(HEADER)
        if parent is not None:
            arguments = dataclasses.replace(arguments, headers={**arguments.headers, HEADER: parent})
        return arguments

    def to_activity(self, name: str, headers: Mapping[str, Payload]) -> Mapping[str, Payload]:
        """Headers of an activity that may report progress over HTTP."""
        self.begin()
        if not self._over_http or name in (HTTP_REPORT_ACTIVITY, UPDATE_ACTIVITY):
            return headers
        return self.to_child(headers)

    def to_child(self, headers: Mapping[str, Payload]) -> Mapping[str, Payload]:
        """Headers that name this run as the caller, if it is an operation or reports itself."""
        self.begin()
        if self._identity is None and self._tracked is None:
            return headers
        return with_caller(headers, caller_of(self._operation_id, workflow.info()))


def _execution(info: workflow.Info) -> ReportedExecution:
    return ReportedExecution(
        namespace=info.namespace,
        workflow_id=info.workflow_id,
        run_id=info.run_id,
        first_run_id=info.first_execution_run_id,
        workflow_type=info.workflow_type,
        task_queue=info.task_queue,
        started_at=info.workflow_start_time.isoformat(),
        parent=_parent(info),
    )


def _parent(info: workflow.Info) -> ReportedParent | None:
    if info.parent is None:
        return None
    caller = read_caller(info.headers)
    if caller is None:
        return ReportedParent(info.parent.workflow_id)
    return ReportedParent(info.parent.workflow_id, caller.first_run_id, caller.operation_id)
