"""Sends one report from a workflow: by the ledger's task queue, or by HTTP."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol

from temporalio import workflow
from temporalio.common import RawValue, RetryPolicy

from opledger.wire import LEDGER_TASK_QUEUE, UPDATE_ACTIVITY, StatusUpdate, UpdateKind

HTTP_REPORT_ACTIVITY = "opledger_report"
"""Local activity that `OpledgerPlugin` registers on the worker. Not `update_operation_status`: in the ledger's own
worker it would replace the ledger's activity."""
LEDGER_REFUSED = "LedgerRefused"
"""Error type of a report that the ledger refused over HTTP. The activity logs it."""

_ATTEMPT_TIMEOUT = timedelta(seconds=3)
_RETRIES = RetryPolicy(
    initial_interval=timedelta(milliseconds=200),
    backoff_coefficient=2.0,
    maximum_interval=timedelta(seconds=2),
)
_LOCAL_ATTEMPTS = 4
_BRIEF_TIMEOUT = timedelta(seconds=1)
"""Timeout of a brief report by local activity. A local activity keeps the workflow task open, and signals and updates
wait until the task ends. So a ledger that hangs must not delay the workflow for long. Without the report the ledger
asks Temporal."""

IN_BACKGROUND = frozenset({UpdateKind.STARTED, UpdateKind.PROGRESS})
"""Reports over HTTP that the worker delivers in the background."""
_HELD_TIMEOUT = timedelta(seconds=2.2)
"""Timeout of their local activity, which returns after 2 s at the latest. It counts from its scheduling, so that a busy
worker does not hold up the workflow."""


class Transport(Protocol):
    """Sends reports as activities."""

    @property
    def is_local(self) -> bool:
        """Whether reports are local activities."""
        ...

    def send(self, update: StatusUpdate, *, brief: bool) -> asyncio.Task[Any]:
        """Starts a report. `brief`: the report must not keep a workflow task open for long."""
        ...


@dataclass(frozen=True)
class LedgerQueue:
    """Reports by the activity `update_operation_status`: local in a worker that polls the ledger's task queue, ordinary
    in every other worker."""

    task_queue: str = LEDGER_TASK_QUEUE
    report_timeout: timedelta = timedelta(seconds=10)

    @property
    def is_local(self) -> bool:
        """Whether this worker polls the ledger's task queue."""
        return workflow.info().task_queue == self.task_queue

    def send(self, update: StatusUpdate, *, brief: bool) -> asyncio.Task[Any]:
        """Starts the activity. Its response stays undecoded (RawValue): a response that cannot be decoded would fail
        the workflow task."""
        if self.is_local:
            return self._send_locally(
                update, min(self.report_timeout, _BRIEF_TIMEOUT) if brief else self.report_timeout
            )
        return workflow.start_activity(
            UPDATE_ACTIVITY,
            update,
            task_queue=self.task_queue,
            result_type=RawValue,
            schedule_to_close_timeout=self.report_timeout,
            start_to_close_timeout=min(self.report_timeout, _ATTEMPT_TIMEOUT),
            retry_policy=_RETRIES,
        )

    def _send_locally(self, update: StatusUpdate, timeout: timedelta) -> asyncio.Task[Any]:
        # Measured on SDK 1.35: a local activity that keeps failing is retried after its schedule-to-close timeout,
        # forever if its intervals stay below `local_retry_threshold`. So the number of attempts is limited, and all
        # attempts together (4 x 0.15, and 0.05 + 0.1 + 0.2 between them) stay below the timeout.
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


@dataclass(frozen=True)
class OverHttp:
    """Reports by a local activity that posts to the ledger's API. For the start and progress it returns after 2 s at
    the latest, and the delivery goes on without it."""

    report_timeout: timedelta = timedelta(seconds=10)

    @property
    def is_local(self) -> bool:
        """Always True: reports over HTTP are local activities."""
        return True

    def send(self, update: StatusUpdate, *, brief: bool) -> asyncio.Task[Any]:  # noqa: ARG002
        """Starts the local activity."""
        held = update.kind in IN_BACKGROUND
        return workflow.start_local_activity(
            HTTP_REPORT_ACTIVITY,
            update,
            result_type=RawValue,
            schedule_to_close_timeout=min(self.report_timeout, _HELD_TIMEOUT) if held else self.report_timeout,
            start_to_close_timeout=self.report_timeout,
            retry_policy=RetryPolicy(maximum_attempts=1),
        )
