"""The decorator `track_operation_status`."""

import functools
import inspect
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, TypeVar, cast, overload

from opledger._tracking.identity import identify, keep_identity
from opledger._tracking.reporting import Reporter
from opledger._tracking.tracked_run import TrackedRun, current_run
from opledger._tracking.transport import LedgerQueue
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
    """Makes a workflow report its start to the ledger and, if that is safe and needed, its outcome.

    Apply it above or below `@workflow.run`, with or without parentheses, to a run method with any arguments and result.
    The workflow behaves as without it: same results, errors and cancellations, no lost signal or update, and an
    unavailable ledger is only logged. It tracks the runs of chains that were started as operations: they have the
    search attribute `OperationUUID` and the ledger's memo, and are no children. It ignores every other run.

    Adding or removing the decorator, changing `report_outcome`, and adding the first signal or update handler change
    the workflow's commands. While operations of its type are open, such a change needs Temporal's versioning.

    In a worker with `OpledgerPlugin` the plugin sends the reports, with its own options, and tracks other runs too. The
    decorator only decides about the outcome report.

    docs/tracking.md describes which outcomes are reported, and why.

    Args:
        run: The workflow's run method.
        ledger_task_queue: Task queue of the ledger's worker.
        report_timeout: Timeout of one report, retries included. Must be above zero.
        report_outcome: True: always report the outcome; signals and updates during that report are lost. False: never
            report it. None: report it where no callback is attached and nothing can be lost.

    Raises:
        TypeError: `run` is not an async function.
        ValueError: `report_timeout` is not above zero.
    """
    if report_timeout <= timedelta(0):
        raise ValueError("report_timeout must be above zero")
    transport = LedgerQueue(ledger_task_queue, report_timeout)
    decorate = functools.partial(_decorate, transport=transport, report_outcome=report_outcome)
    return decorate(run) if run is not None else decorate


def _decorate(run: _RunMethod, *, transport: LedgerQueue, report_outcome: bool | None) -> _RunMethod:
    if not inspect.iscoroutinefunction(run):
        raise TypeError("track_operation_status: expected the async run method of a workflow")

    @functools.wraps(run)
    async def tracked(*args: Any, **kwargs: Any) -> Any:
        identity = identify()
        if identity is None:
            return await run(*args, **kwargs)
        current = current_run()
        if current is not None:  # the plugin's, or the one of another decorated method
            current.outcome.declare(report_outcome)
            return await run(*args, **kwargs)
        keep_identity(identity)
        rule = identity.outcome_reports
        current = TrackedRun(Reporter(identity.operation_id, transport, keeps_newest=rule is not None), rule)
        current.outcome.declare(report_outcome)
        return await current.run(run(*args, **kwargs))

    return cast(_RunMethod, tracked)
