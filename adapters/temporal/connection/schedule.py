"""Creates the Temporal Schedule that runs the reconciliation."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from uuid import uuid4

from google.protobuf.duration_pb2 import Duration
from temporalio.api.common.v1 import Memo, Payload, WorkflowType
from temporalio.api.enums.v1 import ScheduleOverlapPolicy
from temporalio.api.schedule.v1 import (
    IntervalSpec,
    Schedule,
    ScheduleAction,
    SchedulePolicies,
    ScheduleSpec,
    ScheduleState,
)
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflow.v1 import NewWorkflowExecutionInfo
from temporalio.api.workflowservice.v1 import (
    CreateScheduleRequest,
    DescribeScheduleRequest,
    DescribeScheduleResponse,
    UpdateScheduleRequest,
)
from temporalio.service import RPCError, RPCStatusCode

from adapters.temporal.connection.errors import engine_error
from adapters.temporal.connection.raw_client import RawClient
from adapters.temporal.connection.rpc import call
from application.ports.engine.workflow_engine import EngineUnavailable
from domain.errors import StartupError

SCHEDULE_ID = "opledger-reconcile"
WORKFLOW_ID = "opledger-reconcile"
"""The server appends the time of each run."""
CATCHUP_WINDOW = timedelta(seconds=10)
"""Runs missed for longer are skipped: the next run does their work. It is the server's minimum."""
RUN_TIMEOUT = timedelta(hours=1)
"""Temporal ends a run that hangs after this time, because no other run starts while it is open."""
OWNER_MARK = Payload(metadata={"encoding": b"json/plain"}, data=b'"reconciliation"')
OWNER_KEY = "opledger"
_ATTEMPTS = 5
_RETRY_INTERVAL = 0.2


class _ScheduleBusy(EngineUnavailable):
    """The server limits concurrent requests for one schedule (measured with six workers on a busy machine)."""


@dataclass(frozen=True, slots=True)
class ReconciliationSchedule:
    """Workflow type, task queue and interval of the schedule."""

    workflow: str
    task_queue: str
    interval: timedelta


async def ensure_schedule(client: RawClient, wanted: ReconciliationSchedule) -> None:
    """Creates the schedule, or updates it if it differs. Any number of processes may call this concurrently.

    A paused schedule stays paused. Other schedules are not read or changed.

    Raises:
        StartupError: a schedule with this id exists and was not created by opledger.
            EngineUnavailable: the caller should retry later.
    """
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            if await _ensure_once(client, wanted):
                return
        except _ScheduleBusy:
            if attempt == _ATTEMPTS:
                raise
        await asyncio.sleep(_RETRY_INTERVAL)
    raise EngineUnavailable(f"other processes keep changing schedule {SCHEDULE_ID}")


async def _ensure_once(client: RawClient, wanted: ReconciliationSchedule) -> bool:
    """Returns whether the schedule is as wanted. If not, changes it and returns False: another process may have changed
    it too, so the caller checks again."""
    found = await _describe(client)
    if found is None:
        await _create(client, wanted)
    elif found.memo.fields.get(OWNER_KEY) != OWNER_MARK:
        raise StartupError(f"schedule {SCHEDULE_ID} of namespace {client.namespace} was not created by opledger")
    elif _settings(found.schedule) == _settings(_schedule(wanted)):
        return True
    else:
        await _update(client, wanted, found)
    return False


async def check_schedule(client: RawClient) -> None:
    """Checks the schedule without changing it.

    Raises:
        StartupError: opledger's schedule does not exist.
        EngineUnavailable: Temporal cannot be reached.
    """
    found = await _describe(client)
    if found is None or found.memo.fields.get(OWNER_KEY) != OWNER_MARK:
        raise StartupError(f"schedule {SCHEDULE_ID} does not exist: a running `opledger worker` creates it")


async def _describe(client: RawClient) -> DescribeScheduleResponse | None:
    request = DescribeScheduleRequest(namespace=client.namespace, schedule_id=SCHEDULE_ID)
    try:
        return await call(client.workflow_service.describe_schedule, request)
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return None
        if error.status is RPCStatusCode.RESOURCE_EXHAUSTED:
            raise _ScheduleBusy(error.message) from error
        raise engine_error(error) from error


async def _create(client: RawClient, wanted: ReconciliationSchedule) -> None:
    request = CreateScheduleRequest(
        namespace=client.namespace,
        schedule_id=SCHEDULE_ID,
        schedule=_schedule(wanted),
        memo=Memo(fields={OWNER_KEY: OWNER_MARK}),
        identity=client.identity,
        request_id=str(uuid4()),
    )
    try:
        await call(client.workflow_service.create_schedule, request)
    except RPCError as error:
        if error.status is not RPCStatusCode.ALREADY_EXISTS:
            raise engine_error(error) from error


async def _update(client: RawClient, wanted: ReconciliationSchedule, found: DescribeScheduleResponse) -> None:
    schedule = _schedule(wanted)
    schedule.state.CopyFrom(found.schedule.state)
    request = UpdateScheduleRequest(
        namespace=client.namespace,
        schedule_id=SCHEDULE_ID,
        schedule=schedule,
        conflict_token=found.conflict_token,
        identity=client.identity,
        request_id=str(uuid4()),
    )
    try:
        await call(client.workflow_service.update_schedule, request)
    except RPCError as error:
        raise engine_error(error) from error


def _schedule(wanted: ReconciliationSchedule) -> Schedule:
    return Schedule(
        spec=ScheduleSpec(interval=[IntervalSpec(interval=_duration(wanted.interval))]),
        action=ScheduleAction(
            start_workflow=NewWorkflowExecutionInfo(
                workflow_id=WORKFLOW_ID,
                workflow_type=WorkflowType(name=wanted.workflow),
                task_queue=TaskQueue(name=wanted.task_queue),
                workflow_execution_timeout=_duration(RUN_TIMEOUT),
            )
        ),
        policies=SchedulePolicies(
            overlap_policy=ScheduleOverlapPolicy.SCHEDULE_OVERLAP_POLICY_SKIP, catchup_window=_duration(CATCHUP_WINDOW)
        ),
        state=ScheduleState(notes="Created by opledger: reconciles unfinished operations with Temporal."),
    )


def _settings(schedule: Schedule) -> tuple[object, ...]:
    """The settings that opledger sets, without those that the server adds."""
    action = schedule.action.start_workflow
    spec = schedule.spec
    return (
        [interval.interval.ToTimedelta() for interval in spec.interval],
        len(spec.calendar) + len(spec.structured_calendar) + len(spec.cron_string),
        action.workflow_id,
        action.workflow_type.name,
        action.task_queue.name,
        action.workflow_execution_timeout.ToTimedelta(),
        len(action.input.payloads),
        schedule.policies.overlap_policy,
        schedule.policies.catchup_window.ToTimedelta(),
    )


def _duration(value: timedelta) -> Duration:
    duration = Duration()
    duration.FromTimedelta(value)
    return duration
