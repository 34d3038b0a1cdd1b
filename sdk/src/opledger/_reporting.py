"""Carry a workflow's reports to the ledger: bounded in time, and never the reason why a workflow fails."""

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
"""A local activity keeps the workflow task open, and what arrives meanwhile waits until the task ends. So a ledger that
hangs may not delay a workflow by its start report for long; without it, the ledger asks Temporal."""


@dataclass(frozen=True)
class TrackingOptions:
    """Where the reports go, for how long one may be tried, and whether there is one of the outcome."""

    ledger_task_queue: str = LEDGER_TASK_QUEUE
    report_timeout: timedelta = timedelta(seconds=10)
    report_outcome: bool | None = None
    """None: as the ledger says in the memo."""


class Reporter:
    """One workflow run's way to the ledger."""

    def __init__(self, operation_id: str, options: TrackingOptions, *, keeps_newest: bool) -> None:
        """`keeps_newest`: what progress is reported during a progress report is sent after it."""
        self._operation_id = operation_id
        self._options = options
        self._keeps_newest = keeps_newest
        self._local = workflow.info().task_queue == options.ledger_task_queue
        self._ledger_answers = True
        self._started = False
        self._starting: asyncio.Task[None] | None = None
        self._progress: asyncio.Task[Any] | None = None
        self._newest: ReportedProgress | None = None
        self._under_way: list[asyncio.Task[Any]] = []

    @property
    def tasks(self) -> list[asyncio.Task[Any]]:
        """The tasks of this reporter."""
        return self._under_way if self._starting is None else [self._starting, *self._under_way]

    def begin(self) -> None:
        """Report the start as soon as the body waits for the first time.

        In a task of its own, so that the body comes first, and one that ends without ever waiting reports no start.
        """

        async def send() -> None:
            self.send_started()

        self._starting = asyncio.create_task(send())

    def send_started(self) -> None:
        """Report the start, once, and wait for nothing."""
        if not self._started:
            self._started = True
            self._send(UpdateKind.STARTED)

    def end(self) -> None:
        """Start no further report but the outcome's, and give up those under way where that is needed.

        The body has ended, and nothing of this may hold up the close. Two things measured on SDK 1.35 decide where
        reports are given up. A run that closes while one of its local activities is executing can leave its workflow
        task unanswered until that times out, again and again. And an ordinary activity that was cancelled without
        waiting (ABANDON) fails every workflow task once the server records its timeout, so those are left to end by
        themselves, or with the workflow.
        """
        self._newest = None
        if self._starting is not None:
            self._starting.cancel()
        if self._local:
            for report in self._under_way:
                report.cancel()

    def _send(self, kind: UpdateKind, **content: Any) -> asyncio.Task[Any] | None:
        """Start a report and return at once; None if it cannot even be started. What gets lost is logged."""
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
        except Exception as err:
            # Whatever is wrong with a report (the payload converter refuses it, say), the workflow goes on.
            self._note_lost(kind, err)
            return None
        self._under_way.append(report)
        report.add_done_callback(functools.partial(self._settle, kind))
        return report

    async def send_progress(self, progress: ReportedProgress) -> None:
        """Report progress, and wait for the report as long as the ledger answers.

        One report is under way at a time. What is reported meanwhile is sent after it, the newest only, and without
        waiting: a thousand lost reports would otherwise add a thousand timeouts to the workflow.
        """
        if self._progress is not None and not self._progress.done():
            self._newest = progress if self._keeps_newest else None
            return
        self.send_started()
        self._progress = report = self._send(UpdateKind.PROGRESS, progress=progress)
        if report is not None and self._ledger_answers:
            await workflow.wait([report])

    async def send_outcome(self, kind: UpdateKind, **content: Any) -> None:
        """Report how the body ended, and wait for it whatever is requested meanwhile.

        A cancellation request that arrives now comes too late: the body has ended, and its outcome stands.

        Raises:
            BaseException: the run is being evicted from the worker's cache; it ends here and is replayed later.
        """
        report = self._send(kind, **content)
        if report is None:
            return
        while not report.done():
            try:
                await workflow.wait([report])
            except asyncio.CancelledError:
                # On eviction the SDK cancels the report too, so this loop ends then as well. Taking the request off
                # the counter is what the SDK does when it holds a cancellation back (`_await_temporal_operation`).
                if (task := asyncio.current_task()) is not None:
                    task.uncancel()
        with contextlib.suppress(Exception):
            report.result()

    def _schedule(self, update: StatusUpdate) -> asyncio.Task[Any]:
        # The answer stays undecoded (RawValue): one that cannot be decoded would fail the workflow task.
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
        # Measured on SDK 1.35: a local activity that keeps failing is retried past its schedule-to-close timeout, for
        # ever if its intervals stay below `local_retry_threshold`. So the attempts are counted, and sized so that all
        # of them together (4 x 0.15, and 0.05 + 0.1 + 0.2 between them) stay below the time-out.
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
            # Above every interval, so that none becomes a timer in the workflow's history.
            local_retry_threshold=timeout,
        )

    def _settle(self, kind: UpdateKind, report: asyncio.Task[Any]) -> None:
        self._under_way.remove(report)
        if report.cancelled():
            return
        # Asking also marks the exception as seen, or asyncio logs it as an error when nobody waited.
        err = report.exception()
        if err is None:
            self._ledger_answers = True
        elif isinstance(err, Exception) and not is_cancelled_exception(err):
            self._note_lost(kind, err)
        else:
            return
        if report is self._progress and self._newest is not None:
            newest, self._newest = self._newest, None
            self._progress = self._send(UpdateKind.PROGRESS, progress=newest)

    def _note_lost(self, kind: UpdateKind, err: Exception) -> None:
        self._ledger_answers = False
        workflow.logger.warning(
            "Operation %s: the report %r did not reach the ledger: %s",
            self._operation_id,
            kind.value,
            err.__cause__ or err,
        )
