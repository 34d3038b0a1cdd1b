"""Finds why an open execution makes no progress: no worker, a failing workflow task, a failing activity."""

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
"""Number of failures in a row from which an activity counts as a problem. With the default retry policy they take
15 s."""
LONG_RETRY_INTERVAL = timedelta(minutes=1)
"""One failure is enough if the retry interval is at least this long."""
_SCHEDULED = PendingActivityState.PENDING_ACTIVITY_STATE_SCHEDULED


async def find_problem(
    latest: LatestRun, observed: Observation, pollers: Pollers, reader: PayloadReader
) -> ExecutionProblem | None:
    """The first problem found, in this order: without a worker nothing else can change."""
    return (
        await _no_worker(latest, observed, pollers)
        or await _stalled(latest, reader)
        or await _activity_without_worker(latest, observed.asked_at, pollers)
        or await _activity_retrying(latest, reader)
    )


async def _no_worker(latest: LatestRun, observed: Observation, pollers: Pollers) -> ExecutionProblem | None:
    message = await pollers.unpolled(latest.info.task_queue, TaskKind.WORKFLOW, observed.asked_at)
    if message is None:
        return None
    waits_since = observed.started_at if observed.state is ExecutionState.PENDING else None
    return ExecutionProblem(AttentionKind.NO_WORKER, message, waits_since)


async def _stalled(latest: LatestRun, reader: PayloadReader) -> ExecutionProblem | None:
    attempt = latest.description.pending_workflow_task.attempt
    if attempt < STALLED_ATTEMPT:
        return None
    message = await stalled_message(attempt - 1, await latest.history.task_problem(), reader)
    return ExecutionProblem(AttentionKind.STALLED, message)


async def _activity_without_worker(latest: LatestRun, now: datetime, pollers: Pollers) -> ExecutionProblem | None:
    """Finds an activity whose task waits on a queue without a poller. A busy worker, whose slots are all in use, does
    not poll either."""
    for activity in _activities(latest):
        since = to_datetime(activity.scheduled_time)
        if activity.state != _SCHEDULED or since is None or since > now:
            continue
        queue = activity.activity_options.task_queue.name
        if queue and (message := await pollers.unpolled(queue, TaskKind.ACTIVITY, now)) is not None:
            return ExecutionProblem(AttentionKind.NO_WORKER, f"{message}; {_name(activity)} waits for one", since)
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
    message = f'{_name(worst)} on task queue "{queue}" has failed {times}; {_next_attempt(worst)}{more}; last failure: '
    return ExecutionProblem(AttentionKind.ACTIVITY_RETRYING, message + clean_text(why, MAX_MESSAGE_CHARS))


def _activities(latest: LatestRun) -> Iterable[PendingActivityInfo]:
    """The workflow's pending activities, without its reports to the ledger."""
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
    return f"attempt {activity.attempt}{limit} is running"
