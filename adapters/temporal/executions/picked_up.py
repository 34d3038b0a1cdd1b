"""Checks whether a worker ever picked up a workflow task of a chain."""

from adapters.temporal.executions.history import RunHistory

MAX_PREVIOUS_RUNS = 20
"""Maximum number of runs that are read. A longer chain counts as picked up."""


async def ever_picked_up(latest: RunHistory) -> bool | None:
    """Whether a worker picked up a task of the chain of this latest run; None if a needed history no longer exists.

    A run that continues, retries or resets another run shows that a worker picked up the other run, unless that one
    timed out: a retry policy also retries timeouts of runs that no worker ever picked up (measured).
    """
    history = latest
    for _ in range(MAX_PREVIOUS_RUNS):
        opening = await history.opening()
        if opening is None:
            return None
        if opening.task_started:
            return True
        if not (opening.previous_run and opening.previous_timed_out):
            return bool(opening.previous_run)
        history = history.of_run(opening.previous_run)
    return True
