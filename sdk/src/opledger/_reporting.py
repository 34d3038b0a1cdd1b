"""Sends a workflow's reports to the ledger. Each report has a timeout, and no report makes the workflow fail."""

import asyncio
import contextlib
import functools
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.common import RawValue, RetryPolicy
from temporalio.exceptions import is_cancelled_exception

from opledger.wire import LEDGER_TASK_QUEUE, UPDATE_ACTIVITY, ReportedProgress, StatusUpdate, UpdateKind

_ATTEMPT_TIMEOUT = timedelta(seconds=3)
_RETRIES = RetryPolicy(
    initial_interval=timedelta(milliseconds=200),
    backoff_coefficient=2.0,
    maximum_interval=timedelta(seconds=2),
)
_LOCAL_ATTEMPTS = 4
_LOCAL_START_TIMEOUT = timedelta(seconds=1)
"""Timeout of a start report by local activity. A local activity keeps the workflow task open, and signals and updates
wait until the task ends. So a ledger that hangs must not delay the workflow for long. Without the report the ledger
asks Temporal."""


@dataclass(frozen=True)
class TrackingOptions:
    """Options of the decorator: the ledger's task queue, the timeout of one report, and the outcome report."""

    ledger_task_queue: str = LEDGER_TASK_QUEUE
    report_timeout: timedelta = timedelta(seconds=10)
    report_outcome: bool | None = None
    """None: the ledger's rule in the memo applies."""


class Reporter:
    """Sends the reports of one workflow run."""

    def __init__(self, operation_id: str, options: TrackingOptions, *, keeps_newest: bool) -> None:
        """`keeps_newest`: send the newest progress that was reported while another progress report was pending."""
        self._operation_id = operation_id
        self._options = options
        self._keeps_newest = keeps_newest
        self._local = workflow.info().task_queue == options.ledger_task_queue
        self._ledger_answers = True
        self._started = False
        self._starting: asyncio.Task[None] | None = None
        self._progress: asyncio.Task[Any] | None = None
        self._newest: ReportedProgress | None = None
        self._pending: list[asyncio.Task[Any]] = []

    @property
    def tasks(self) -> list[asyncio.Task[Any]]:
        """The pending tasks of this reporter."""
        return self._pending if self._starting is None else [self._starting, *self._pending]

    def begin(self) -> None:
        """Reports the start when the body first waits.

        The report has its own task, so that the body runs first. A body that ends without waiting reports no start.
        """

        async def send() -> None:
            self.send_started()

        self._starting = asyncio.create_task(send())

    def send_started(self) -> None:
        """Reports the start, once, without waiting."""
        if not self._started:
            self._started = True
            self._send(UpdateKind.STARTED)

    def end(self) -> None:
        """Stops all reports except the outcome report, and cancels pending ones if necessary.

        The body has ended, and no report may delay the close. Two facts (measured on SDK 1.35) decide which reports are
        cancelled. A run that closes while a local activity is executing can leave its workflow task unanswered until it
        times out, repeatedly: so local activities are cancelled. An ordinary activity that was cancelled without
        waiting (ABANDON) fails every workflow task once the server records its timeout: so ordinary activities end by
        themselves or with the workflow.
        """
        self._newest = None
        if self._starting is not None:
            self._starting.cancel()
        if self._local:
            for report in self._pending:
                report.cancel()

    def _send(self, kind: UpdateKind, **content: Any) -> asyncio.Task[Any] | None:
        """Starts a report without waiting; None if it cannot be started. A lost report is logged."""
        try:
            report = self._schedule(
                StatusUpdate(
                    operation_id=self._operation_id,
                    kind=kind,
                    occurred_at=workflow.now().isoformat(),
                    attempt=workflow.info().attempt,
                    **content,
                )
            )
        except Exception as err:  # noqa: BLE001
            # An invalid report (for example, the payload converter refuses it) must not stop the workflow.
            self._log_lost(kind, err)
            return None
        self._pending.append(report)
        report.add_done_callback(functools.partial(self._on_done, kind))
        return report

    async def send_progress(self, progress: ReportedProgress) -> None:
        """Reports progress, and waits for the report while the ledger answers.

        One progress report is pending at a time. Of the progress reported meanwhile, only the newest is sent after it,
        without waiting: otherwise a thousand lost reports would add a thousand timeouts to the workflow.
        """
        if self._progress is not None and not self._progress.done():
            self._newest = progress if self._keeps_newest else None
            return
        self.send_started()
        self._progress = report = self._send(UpdateKind.PROGRESS, progress=progress)
        if report is not None and self._ledger_answers:
            await workflow.wait([report])

    async def send_outcome(self, kind: UpdateKind, **content: Any) -> None:
        """Reports the outcome, and waits for the report even if a cancellation is requested meanwhile.

        Such a cancellation request is too late: the body has ended, and its outcome stands.

        Raises:
            BaseException: the worker evicts the run from its cache. The run ends here and is replayed later.
        """
        report = self._send(kind, **content)
        if report is None:
            return
        while not report.done():
            try:
                await workflow.wait([report])
            except asyncio.CancelledError:
                # On eviction the SDK also cancels the report, so the loop ends. The SDK's `_await_temporal_operation`
                # calls `uncancel` too when it holds back a cancellation.
                if (task := asyncio.current_task()) is not None:
                    task.uncancel()
        with contextlib.suppress(Exception):
            report.result()

    def _schedule(self, update: StatusUpdate) -> asyncio.Task[Any]:
        # The response stays undecoded (RawValue): a response that cannot be decoded would fail the workflow task.
        if self._local:
            return self._schedule_local(update)
        return workflow.start_activity(
            UPDATE_ACTIVITY,
            update,
            task_queue=self._options.ledger_task_queue,
            result_type=RawValue,
            schedule_to_close_timeout=self._options.report_timeout,
            start_to_close_timeout=min(self._options.report_timeout, _ATTEMPT_TIMEOUT),
            retry_policy=_RETRIES,
        )

    def _schedule_local(self, update: StatusUpdate) -> asyncio.Task[Any]:
        # Measured on SDK 1.35: a local activity that keeps failing is retried after its schedule-to-close timeout,
        # forever if its intervals stay below `local_retry_threshold`. So the number of attempts is limited, and all
        # attempts together (4 x 0.15, and 0.05 + 0.1 + 0.2 between them) stay below the timeout.
        timeout = self._options.report_timeout
        if update.kind is UpdateKind.STARTED:
            timeout = min(timeout, _LOCAL_START_TIMEOUT)
        return workflow.start_local_activity(
            UPDATE_ACTIVITY,
            update,
            result_type=RawValue,
            schedule_to_close_timeout=timeout,
            start_to_close_timeout=timeout * 0.15,
            retry_policy=RetryPolicy(
                initial_interval=timeout * 0.05, backoff_coefficient=2.0, maximum_attempts=_LOCAL_ATTEMPTS
            ),
            # Above every retry interval, so that no retry becomes a timer in the workflow's history.
            local_retry_threshold=timeout,
        )

    def _on_done(self, kind: UpdateKind, report: asyncio.Task[Any]) -> None:
        self._pending.remove(report)
        if report.cancelled():
            return
        # Retrieves the exception so that asyncio does not log it.
        err = report.exception()
        if err is None:
            self._ledger_answers = True
        elif isinstance(err, Exception) and not is_cancelled_exception(err):
            self._log_lost(kind, err)
        else:
            return
        if report is self._progress and self._newest is not None:
            newest, self._newest = self._newest, None
            self._progress = self._send(UpdateKind.PROGRESS, progress=newest)

    def _log_lost(self, kind: UpdateKind, err: Exception) -> None:
        self._ledger_answers = False
        workflow.logger.warning(
            "Operation %s: the report %r did not reach the ledger: %s",
            self._operation_id,
            kind.value,
            err.__cause__ or err,
        )
