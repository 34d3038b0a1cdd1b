"""The decorator that makes a workflow report its status to the ledger."""

import asyncio
import functools
import inspect
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, TypeVar, cast, overload

from opledger._identity import identify, keep
from opledger._outcome import OutcomeReport
from opledger._reporting import Reporter, TrackingOptions
from opledger.progress import reporters
from opledger.wire import LEDGER_TASK_QUEUE

_RunMethod = TypeVar("_RunMethod", bound=Callable[..., Awaitable[Any]])


@overload
def track_operation_status(run: _RunMethod, /) -> _RunMethod: ...


@overload
def track_operation_status(
    *, ledger_task_queue: str = ..., report_timeout: timedelta = ..., report_outcome: bool | None = ...
) -> Callable[[_RunMethod], _RunMethod]: ...


def track_operation_status(
    run: _RunMethod | None = None,
    /,
    *,
    ledger_task_queue: str = LEDGER_TASK_QUEUE,
    report_timeout: timedelta = timedelta(seconds=10),
    report_outcome: bool | None = None,
) -> _RunMethod | Callable[[_RunMethod], _RunMethod]:
    """Make a workflow report to the ledger that it started and, where that is safe and useful, how it ended.

    Goes over or under `@workflow.run`, with or without parentheses, on a run method of any number of arguments and
    any result. The workflow behaves as without it: the body starts at once, every exception and result passes
    through unchanged, no signal or update is lost, and a ledger that is down is only logged.

    A run is tracked when its search attribute `OperationUUID` equals its workflow id, a UUID in canonical form, and it
    is no child workflow: that is how the ledger starts an operation. Every other run is left alone. The further runs
    of a chain stay tracked, whatever search attributes and memo `continue_as_new` is given.

    **The outcome.** A workflow that reports its outcome has to wait for that report after its body has ended, and a
    signal or update that is accepted during the wait is lost: its handler runs, and no body reads what it leaves. So
    the outcome comes from Temporal where the ledger attached a completion callback at the start, where the workflow
    has signal or update handlers (dynamic ones and ones set at run time included), and where it has other tasks that
    go on. Otherwise nothing can act during the wait, and the workflow reports its outcome: a ledger that is down then
    costs at most `report_timeout`, and a cancellation request that arrives meanwhile comes too late. Where the ledger
    takes reports as final (`OPLEDGER_FINALITY=workflow`) the outcome is always reported: the body must first see to
    it that no more signals or updates come, and that its handlers have finished (`workflow.all_handlers_finished`).

    Reported is what closes the workflow, no more: nothing on continue-as-new, and nothing on an exception that only
    fails the workflow task, which the server retries. A failure that the workflow's retry policy may follow by
    another attempt says so (`may_retry`). The error is the root cause, the last in the chain of causes.

    Adding the decorator to a workflow, or taking it away, changes what the workflow does, as any change of its code:
    with operations of that type open, it needs Temporal's versioning (`workflow.patched`, or a new worker version).
    The same holds for `report_outcome`, and for the first handler that a workflow gets.

    The reports run as a local activity in a worker that listens on the ledger's task queue, and as an ordinary
    activity on that queue everywhere else. The ledger's worker must be able to read this worker's payloads: a codec
    that encrypts them has to be the same on both.

    Args:
        run: The workflow's run method.
        ledger_task_queue: The task queue of the ledger's worker.
        report_timeout: How long one report may take, retries included. Above zero.
        report_outcome: True reports the outcome in any case, at the risk of losing what arrives during the wait. False
            never does; without callbacks the ledger then learns of the end later, from Temporal. None decides as above.

    Raises:
        TypeError: `run` is not an async function.
        ValueError: `report_timeout` is not above zero.
    """
    if report_timeout <= timedelta(0):
        raise ValueError("report_timeout must be above zero")
    options = TrackingOptions(ledger_task_queue, report_timeout, report_outcome)
    return _decorate(run, options) if run is not None else functools.partial(_decorate, options=options)


def _decorate(run: _RunMethod, options: TrackingOptions) -> _RunMethod:
    if not inspect.iscoroutinefunction(run):
        raise TypeError("track_operation_status is for async run methods of workflows")

    @functools.wraps(run)
    async def tracked(*args: Any, **kwargs: Any) -> Any:
        identity = identify()
        if identity is None or asyncio.get_running_loop() in reporters:
            return await run(*args, **kwargs)
        keep(identity)
        rule = identity.outcome_reports
        reporter = Reporter(identity.operation_id, options, keeps_newest=rule is not None)
        outcome = OutcomeReport(reporter, rule, options.report_outcome)
        return await _run_tracked(run(*args, **kwargs), reporter, outcome)

    return cast(_RunMethod, tracked)


async def _run_tracked(body: Awaitable[Any], reporter: Reporter, outcome: OutcomeReport) -> Any:
    try:
        result = await _run_body(body, reporter)
    except (Exception, asyncio.CancelledError) as err:
        await outcome.send_error(err)
        raise
    await outcome.send_result(result)
    return result


async def _run_body(body: Awaitable[Any], reporter: Reporter) -> Any:
    reporter.begin()
    loop = asyncio.get_running_loop()
    reporters[loop] = reporter
    try:
        return await body
    finally:
        del reporters[loop]
        reporter.end()
