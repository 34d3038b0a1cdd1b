"""What temporalio knows of the current run, and has no public call for.

Where a version of temporalio lacks what is read here, the answer is the one that cannot harm the workflow.
"""

import asyncio
from collections.abc import Callable, Collection
from typing import Any


def has_handlers() -> bool:
    """Whether the run has signal or update handlers now: those of its class, dynamic ones, ones set at run time."""
    run = asyncio.get_running_loop()
    return any(getattr(run, handlers, True) for handlers in ("_signals", "_updates"))


def has_tasks_besides(known: Collection[asyncio.Task[Any]]) -> bool:
    """Whether tasks of the run are still under way, apart from the current one and the known ones."""
    tasks = getattr(asyncio.get_running_loop(), "_tasks", None)
    if tasks is None:
        return True
    apart = {asyncio.current_task(), *known}
    return any(task not in apart and not task.done() for task in tasks)


def intercept_continue_as_new(change: Callable[[Any], Any]) -> None:
    """Let every `continue_as_new` of this run go out with a changed `ContinueAsNewInput`.

    The interceptor that is outermost for this run gets another method. A class of our own would need
    `temporalio.worker`, which costs a process that runs no worker 9 MB.
    """
    outbound = getattr(asyncio.get_running_loop(), "_outbound", None)
    if outbound is not None:
        proceed = outbound.continue_as_new
        outbound.continue_as_new = lambda given: proceed(change(given))
