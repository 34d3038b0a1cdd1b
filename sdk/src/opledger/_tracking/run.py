"""Reads the state of the current run for which temporalio has no public API.

If a version of temporalio lacks an attribute, each function returns the answer that cannot harm the workflow.
"""

import asyncio
from collections.abc import Callable, Collection
from typing import Any


def has_handlers() -> bool:
    """Whether the run has signal or update handlers now: of its class, dynamic ones, or set at run time."""
    run = asyncio.get_running_loop()
    return any(getattr(run, handlers, True) for handlers in ("_signals", "_updates"))


def has_other_tasks(known: Collection[asyncio.Task[Any]]) -> bool:
    """Whether the run has unfinished tasks besides the current one and the known ones."""
    tasks = getattr(asyncio.get_running_loop(), "_tasks", None)
    if tasks is None:
        return True
    excluded = {asyncio.current_task(), *known}
    return any(task not in excluded and not task.done() for task in tasks)


def intercept_continue_as_new(change: Callable[[Any], Any]) -> None:
    """Changes the `ContinueAsNewInput` of every `continue_as_new` of this run.

    It replaces the method of the run's outermost interceptor. An interceptor class would need `temporalio.worker`,
    which costs 9 MB in a process that runs no worker.
    """
    outbound = getattr(asyncio.get_running_loop(), "_outbound", None)
    if outbound is not None:
        proceed = outbound.continue_as_new
        outbound.continue_as_new = lambda arguments: proceed(change(arguments))
