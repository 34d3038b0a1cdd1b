"""The decorator `track_operation_status`."""

import asyncio
import functools
import inspect
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, TypeVar, cast, overload

from opledger._identity import identify, keep_identity
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
    """Makes a workflow report its start to the ledger and, if that is safe and useful, its outcome.

    Put it above or below `@workflow.run`, with or without parentheses, on a run method with any arguments and any
    result. The workflow behaves as without it: the body starts at once, every exception and result passes through
    unchanged, no signal or update is lost, and an unavailable ledger is only logged.

    A run is tracked if its search attribute `OperationUUID` equals its workflow id, a UUID in canonical form, and it is
    not a child workflow: this is how the ledger starts an operation. The decorator ignores every other run. The later
    runs of a chain stay tracked, whatever search attributes and memo `continue_as_new` gets.

    **Outcome.** A workflow that reports its outcome waits for that report after its body has returned. A signal or
    update that the server accepts during the wait is lost: its handler runs, but no body processes what it leaves. So
    the ledger takes the outcome from Temporal, and the workflow does not report it, if one of these is true: the ledger
    attached a completion callback at the start; the workflow has signal or update handlers (also dynamic ones and ones
    set at run time); the workflow has other unfinished tasks. Otherwise nothing can act during the wait, and the
    workflow reports its outcome. An unavailable ledger then delays the end by at most `report_timeout`, and a
    cancellation request during that time is too late. If the ledger takes reports as final
    (`OPLEDGER_FINALITY=workflow`), the workflow always reports its outcome. Its body must then make sure that no more
    signals or updates arrive and that its handlers have finished (`workflow.all_handlers_finished`).

    The workflow reports only what closes it: not continue-as-new, and not an exception that only fails the workflow
    task, which the server retries. If the workflow's retry policy may start another attempt, the report of the failure
    says so (`may_retry`). The reported error is the root cause, the last one in the chain of causes.

    **Versioning.** Adding or removing the decorator changes the workflow's commands, like any change of its code. While
    operations of that type are open, it needs Temporal's versioning (`workflow.patched`, or a new worker version). The
    same is true for a change of `report_outcome`, and for the first signal or update handler of a workflow.

    **Transport.** In a worker that polls the ledger's task queue, reports are local activities. In every other worker
    they are ordinary activities on the ledger's task queue. The ledger's worker must be able to read the payloads of
    this worker: both need the same payload codec.

    Args:
        run: The workflow's run method.
        ledger_task_queue: Task queue of the ledger's worker.
            report_timeout: Timeout of one report, retries included. Must be above zero.
            report_outcome: True: always report the outcome, at the risk of losing signals and updates during the wait.
                False: never report it; without callbacks the ledger learns of the end later, from Temporal. None:
                decide as described above.

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
        raise TypeError("track_operation_status: expected the async run method of a workflow")

    @functools.wraps(run)
    async def tracked(*args: Any, **kwargs: Any) -> Any:
        identity = identify()
        if identity is None or asyncio.get_running_loop() in reporters:
            return await run(*args, **kwargs)
        keep_identity(identity)
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
