"""Why an open execution makes no progress: no worker, a workflow task that keeps failing, an activity that does."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from temporalio.api.enums.v1 import PendingActivityState
from temporalio.api.workflow.v1 import PendingActivityInfo

from adapters.temporal.executions.close import to_datetime
from adapters.temporal.executions.observation import LatestRun
from adapters.temporal.executions.pollers import Pollers, TaskKind
from adapters.temporal.executions.stalling import MAX_MESSAGE_CHARS, STALLED_ATTEMPT, stalled_message
from adapters.temporal.payloads.failures import to_operation_error
from adapters.temporal.payloads.payloads import PayloadReader
from domain.evidence.observation import ExecutionProblem, ExecutionState, Observation
from domain.json_value import clean_text
from domain.operation.attention import AttentionKind
from opledger.wire import UPDATE_ACTIVITY

MIN_FAILURES = 4
"""From so many failures in a row on an activity counts as retried: by default they take 15 s."""
LONG_RETRY_INTERVAL = timedelta(minutes=1)
"""One failure counts where the next attempt is so far away."""
_SCHEDULED = PendingActivityState.PENDING_ACTIVITY_STATE_SCHEDULED


async def find_problem(
    latest: LatestRun, seen: Observation, pollers: Pollers, reader: PayloadReader
) -> ExecutionProblem | None:
    """The first that holds: without a worker nothing else can change."""
    return (
        await _no_worker(latest, seen, pollers)
        or await _stalled(latest, reader)
        or await _activity_without_worker(latest, seen.asked_at, pollers)
        or await _activity_retrying(latest, reader)
    )


async def _no_worker(latest: LatestRun, seen: Observation, pollers: Pollers) -> ExecutionProblem | None:
    words = await pollers.unpolled(latest.info.task_queue, TaskKind.WORKFLOW, seen.asked_at)
    if words is None:
        return None
    waits_since = seen.started_at if seen.state is ExecutionState.PENDING else None
    return ExecutionProblem(AttentionKind.NO_WORKER, words, waits_since)


async def _stalled(latest: LatestRun, reader: PayloadReader) -> ExecutionProblem | None:
    attempt = latest.description.pending_workflow_task.attempt
    if attempt < STALLED_ATTEMPT:
        return None
    words = await stalled_message(attempt - 1, await latest.history.task_problem(), reader)
    return ExecutionProblem(AttentionKind.STALLED, words)


async def _activity_without_worker(latest: LatestRun, now: datetime, pollers: Pollers) -> ExecutionProblem | None:
    """An activity whose task waits. A worker whose slots are all in use does not poll either."""
    for activity in _activities(latest):
        since = to_datetime(activity.scheduled_time)
        if activity.state != _SCHEDULED or since is None or since > now:
            continue
        queue = activity.activity_options.task_queue.name
        if queue and (words := await pollers.unpolled(queue, TaskKind.ACTIVITY, now)) is not None:
            return ExecutionProblem(AttentionKind.NO_WORKER, f"{words}; {_name(activity)} waits for one", since)
    return None


async def _activity_retrying(latest: LatestRun, reader: PayloadReader) -> ExecutionProblem | None:
    failing = sorted(filter(_keeps_failing, _activities(latest)), key=lambda activity: -activity.attempt)
    if not failing:
        return None
    worst, *others = failing
    error = await to_operation_error(worst.last_failure, reader)
    kind = str(error.details["type"])
    why = kind if error.message == kind else f"{kind}: {error.message}"
    times = "once" if worst.attempt == 2 else f"{worst.attempt - 1} times"
    more = f"; {len(others)} more keep failing" if others else ""
    queue = worst.activity_options.task_queue.name
    words = f'{_name(worst)} on task queue "{queue}" has failed {times}; {_next_attempt(worst)}{more}; last failure: '
    return ExecutionProblem(AttentionKind.ACTIVITY_RETRYING, words + clean_text(why, MAX_MESSAGE_CHARS))


def _activities(latest: LatestRun) -> Iterable[PendingActivityInfo]:
    """The workflow's own: a report to the ledger is none."""
    pending = latest.description.pending_activities
    return [activity for activity in pending if activity.activity_type.name != UPDATE_ACTIVITY]


def _keeps_failing(activity: PendingActivityInfo) -> bool:
    if activity.attempt < 2 or not activity.HasField("last_failure"):
        return False
    interval = activity.current_retry_interval.ToTimedelta()
    return activity.attempt > MIN_FAILURES or interval >= LONG_RETRY_INTERVAL


def _name(activity: PendingActivityInfo) -> str:
    return f'activity "{activity.activity_type.name}" ({activity.activity_id})'


def _next_attempt(activity: PendingActivityInfo) -> str:
    limit = f" of {activity.maximum_attempts}" if activity.maximum_attempts else ""
    due = to_datetime(activity.next_attempt_schedule_time)
    if activity.state == _SCHEDULED and due is not None:
        return f"attempt {activity.attempt}{limit} is due at {due:%Y-%m-%d %H:%M:%S} UTC"
    return f"attempt {activity.attempt}{limit} is under way"
