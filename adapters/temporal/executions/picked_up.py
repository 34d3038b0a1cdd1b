"""Whether a worker has ever been given a task of a workflow chain."""

from adapters.temporal.executions.history import RunHistory

MAX_PREVIOUS_RUNS = 20
"""Runs that are looked at; a chain of more counts as taken."""


async def ever_picked_up(latest: RunHistory) -> bool | None:
    """Whether a worker took the chain whose latest run it is; None where a history that would say so is gone.

    A run that continues, retries or resets another shows that the other one was taken, unless that one timed out: a
    retry policy retries time-outs, also of runs that no worker ever saw (measured).
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
