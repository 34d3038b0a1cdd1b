"""Sends a workflow's reports to the ledger. Each report has a timeout, and no report makes the workflow fail."""

import asyncio
import contextlib
import functools
from dataclasses import replace
from typing import Any

from temporalio import workflow
from temporalio.exceptions import ApplicationError, is_cancelled_exception

from opledger._tracking.steps import MAX_STEPS, Steps, merged
from opledger._tracking.transport import LEDGER_REFUSED, Transport
from opledger.wire import ReportedExecution, ReportedProgress, ReportedStep, StatusUpdate, UpdateKind


class Reporter:
    """Sends the reports of one workflow run."""

    def __init__(
        self,
        operation_id: str,
        transport: Transport,
        *,
        keeps_newest: bool,
        execution: ReportedExecution | None = None,
    ) -> None:
        """`keeps_newest`: send the newest progress that was reported while another progress report was pending."""
        self.operation_id = operation_id
        self._transport = transport
        self._keeps_newest = keeps_newest
        self._execution = execution
        self._ledger_answers = True
        self._started = False
        self._starting: asyncio.Task[None] | None = None
        self._progress: asyncio.Task[Any] | None = None
        self._newest: ReportedProgress | None = None
        self._steps = Steps()
        self._sent: list[ReportedStep] = []
        """Steps of the pending progress report."""
        self._logged_steps = False
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
        if self._transport.is_local:
            for report in self._pending:
                report.cancel()

    def _send(self, kind: UpdateKind, **content: Any) -> asyncio.Task[Any] | None:
        """Starts a report without waiting; None if it cannot be started. A lost report is logged."""
        try:
            report = self._transport.send(
                StatusUpdate(
                    operation_id=self.operation_id,
                    kind=kind,
                    occurred_at=workflow.now().isoformat(),
                    attempt=workflow.info().attempt,
                    execution=self._execution,
                    **content,
                ),
                brief=kind is UpdateKind.STARTED or (kind is UpdateKind.PROGRESS and not self._ledger_answers),
            )
        except Exception as err:  # noqa: BLE001
            # An invalid report (for example, the payload converter refuses it) must not stop the workflow.
            self._log_lost(kind, err)
            return None
        self._pending.append(report)
        report.add_done_callback(functools.partial(self._on_done, kind))
        return report

    def change_step(self, step: ReportedStep, *, ends_others: bool) -> None:
        """Changes a step, which goes with the next progress report. The first one too many is logged."""
        kept = self._steps.change(step, ends_others=ends_others)
        if not kept and not self._logged_steps:
            self._logged_steps = True
            workflow.logger.warning(
                "Operation %s: the step %r and further new ones are not reported: a run has at most %d",
                self.operation_id,
                step.name,
                MAX_STEPS,
            )

    async def send_progress(self, progress: ReportedProgress) -> None:
        """Reports progress, and waits for the report while the ledger answers.

        One progress report is pending at a time. Of the progress reported meanwhile, only the newest is sent after it,
        without waiting: otherwise a thousand lost reports would add a thousand timeouts to the workflow.
        """
        if self._progress is not None and not self._progress.done():
            if self._keeps_newest:
                self._newest = progress if self._newest is None else merged(self._newest, progress)
            return
        self.send_started()
        if self._newest is not None:
            # The pending report has ended in this turn of the event loop, and `_on_done` is about to run. It sends what
            # is kept after this report, as recorded histories have it: this progress again, and not an older one.
            self._newest = progress = merged(self._newest, progress)
        self._progress = report = self._send_progress(progress)
        if report is not None and self._ledger_answers:
            await workflow.wait([report])

    def _send_progress(self, progress: ReportedProgress) -> asyncio.Task[Any] | None:
        self._sent = self._steps.changed
        return self._send(UpdateKind.PROGRESS, progress=replace(progress, steps=self._sent))

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

    def _on_done(self, kind: UpdateKind, report: asyncio.Task[Any]) -> None:
        self._pending.remove(report)
        if report.cancelled():
            return
        # Retrieves the exception so that asyncio does not log it.
        err = report.exception()
        if err is None:
            self._ledger_answers = True
            if report is self._progress:
                self._steps.arrived(self._sent)
        elif isinstance(err, Exception) and not is_cancelled_exception(err):
            self._log_lost(kind, err)
        else:
            return
        if report is self._progress and self._newest is not None:
            newest, self._newest = self._newest, None
            self._progress = self._send_progress(newest)

    def _log_lost(self, kind: UpdateKind, err: Exception) -> None:
        self._ledger_answers = False
        cause = err.__cause__ or err
        if isinstance(cause, ApplicationError) and cause.type == LEDGER_REFUSED:
            return  # the activity has logged it
        workflow.logger.warning(
            "Operation %s: the report %r did not reach the ledger: %s",
            self.operation_id,
            kind.value,
            cause,
        )
