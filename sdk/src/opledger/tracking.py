"""The decorator that makes a workflow report its status to the ledger, and the call that reports its progress."""

import asyncio
import functools
import inspect
import math
import uuid
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, TypeVar, cast, overload
from weakref import WeakKeyDictionary

from temporalio import workflow
from temporalio.exceptions import is_cancelled_exception

from opledger._description import clean_text, describe_failure, describe_result, may_be_retried, to_failure
from opledger._reporting import Reporter, TrackingOptions
from opledger.wire import LEDGER_TASK_QUEUE, OPERATION_UUID, ReportedProgress, UpdateKind

_MAX_PROGRESS_CHARS = 1_000

_RunMethod = TypeVar("_RunMethod", bound=Callable[..., Awaitable[Any]])

# By event loop, because a workflow run is one: signal and update handlers run in contexts of their own, so a context
# variable set by the run method would not reach them.
_reporters: WeakKeyDictionary[asyncio.AbstractEventLoop, Reporter] = WeakKeyDictionary()


@overload
def track_operation_status(run: _RunMethod, /) -> _RunMethod: ...


@overload
def track_operation_status(
    *, ledger_task_queue: str = ..., report_timeout: timedelta = ...
) -> Callable[[_RunMethod], _RunMethod]: ...


def track_operation_status(
    run: _RunMethod | None = None,
    /,
    *,
    ledger_task_queue: str = LEDGER_TASK_QUEUE,
    report_timeout: timedelta = timedelta(seconds=10),
) -> _RunMethod | Callable[[_RunMethod], _RunMethod]:
    """Make a workflow report to the ledger that it started and how it ended.

    Goes over or under `@workflow.run`, with or without parentheses, on a run method of any number of arguments and
    any result. The workflow behaves as without it: the body starts at once, every exception and result passes
    through unchanged, and a ledger that is down costs at most `report_timeout` at the end and is only logged.

    A run is tracked when its search attribute `OperationUUID` equals its workflow id, a UUID in canonical form, and it
    is no child workflow: that is how the ledger starts an operation. Every other run is left alone.

    Adding the decorator to a workflow, or taking it away, changes what the workflow does, as any change of its code:
    with operations of that type open, it needs Temporal's versioning (`workflow.patched`, or a new worker version).

    Reported is what closes the workflow, no more: nothing on continue-as-new, and nothing on an exception that only
    fails the workflow task, which the server retries. A failure that the workflow's retry policy may follow by
    another attempt says so (`may_retry`). The error is the root cause, the last in the chain of causes.

    The reports run as a local activity in a worker that listens on the ledger's task queue, and as an ordinary
    activity on that queue everywhere else. The ledger's worker must be able to read this worker's payloads: a codec
    that encrypts them has to be the same on both.

    Args:
        run: The workflow's run method.
        ledger_task_queue: The task queue of the ledger's worker.
        report_timeout: How long one report may take, retries included. Above zero.

    Raises:
        TypeError: `run` is not an async function.
        ValueError: `report_timeout` is not above zero.
    """
    if report_timeout <= timedelta(0):
        raise ValueError("report_timeout must be above zero")
    options = TrackingOptions(ledger_task_queue, report_timeout)
    return _decorate(run, options) if run is not None else functools.partial(_decorate, options=options)


def _decorate(run: _RunMethod, options: TrackingOptions) -> _RunMethod:
    if not inspect.iscoroutinefunction(run):
        raise TypeError("track_operation_status is for async run methods of workflows")

    @functools.wraps(run)
    async def tracked(*args: Any, **kwargs: Any) -> Any:
        operation_id = _operation_id()
        if operation_id is None or asyncio.get_running_loop() in _reporters:
            return await run(*args, **kwargs)
        return await _run_tracked(run(*args, **kwargs), Reporter(operation_id, options))

    return cast(_RunMethod, tracked)


def _operation_id() -> str | None:
    """The operation that this run is, or None when it is none."""
    if not workflow.in_workflow():
        return None
    info = workflow.info()
    if info.parent is not None or info.typed_search_attributes.get(OPERATION_UUID) != info.workflow_id:
        return None
    try:
        canonical = str(uuid.UUID(info.workflow_id))
    except ValueError:
        return None
    return info.workflow_id if info.workflow_id == canonical else None


async def _run_tracked(body: Awaitable[Any], reporter: Reporter) -> Any:
    try:
        result = await _run_body(body, reporter)
    except (Exception, asyncio.CancelledError) as err:
        await _report_error(err, reporter)
        raise
    await _report_result(result, reporter)
    return result


async def _run_body(body: Awaitable[Any], reporter: Reporter) -> Any:
    async def send_started() -> None:
        reporter.send_started()

    # A task of its own, so that the body comes first, and a body that ends without ever waiting sends its outcome
    # alone. It only sends: nobody waits for the report.
    started = asyncio.create_task(send_started())
    loop = asyncio.get_running_loop()
    _reporters[loop] = reporter
    try:
        return await body
    finally:
        del _reporters[loop]
        started.cancel()
        reporter.abandon()


async def _report_error(err: BaseException, reporter: Reporter) -> None:
    """Report an error that closes the workflow, by the rules with which the SDK closes it.

    Those rules are `_run_top_level_workflow_function` in temporalio's `worker/_workflow_instance.py`.
    """
    if workflow.cancellation_reason() is not None and is_cancelled_exception(err):
        await reporter.send_outcome(UpdateKind.CANCELED)
        return
    # The SDK makes a failure of an asyncio cancellation that nobody requested.
    if not (isinstance(err, asyncio.CancelledError) or workflow.is_failure_exception(err)):
        return
    failure = to_failure(err, workflow.payload_converter())
    info = workflow.info()
    await reporter.send_outcome(
        UpdateKind.FAILED,
        error=describe_failure(failure),
        may_retry=may_be_retried(failure, info.retry_policy, info.attempt),
    )


async def _report_result(result: Any, reporter: Reporter) -> None:
    try:
        payload = workflow.payload_converter().to_payload(result)
    except Exception:
        # Then the SDK cannot close the workflow with it either, and says so itself: the task fails, and is retried.
        return
    value, omitted = describe_result(payload)
    await reporter.send_outcome(UpdateKind.COMPLETED, result=value, result_omitted=omitted)


async def report_progress(fraction: float | None = None, message: str | None = None) -> None:
    """Tell the ledger how far this workflow is. For the run method and what it calls, and for its handlers.

    Raises nothing of its own, because a plain exception would stop the workflow for ever over a progress bar: what
    cannot be used is dropped, and a report that gets lost is logged. While the ledger answers, this waits for it;
    once a report was lost, reports are sent one at a time without waiting. Outside a tracked run it does nothing.

    Each call adds events to the workflow's history (six, where the report is an ordinary activity), of which a run may
    have 51,200: report steps, not every row of a table.

    Args:
        fraction: 0.0 to 1.0; what lies outside is moved to the nearer end, what is no number is dropped.
        message: For people to read; cut to 1,000 characters.

    Raises:
        asyncio.CancelledError: the workflow was cancelled while it waited, as with a timer.
    """
    if not workflow.in_workflow():
        return
    reporter = _reporters.get(asyncio.get_running_loop())
    progress = ReportedProgress(
        fraction=_usable_fraction(fraction),
        message=None if message is None else clean_text(str(message), _MAX_PROGRESS_CHARS),
    )
    if reporter is not None and progress != ReportedProgress():
        await reporter.send_progress(progress=progress)


def _usable_fraction(fraction: float | None) -> float | None:
    try:
        number = math.nan if fraction is None else float(fraction)
    except (TypeError, ValueError, OverflowError):
        return None
    return None if math.isnan(number) else min(max(number, 0.0), 1.0)
