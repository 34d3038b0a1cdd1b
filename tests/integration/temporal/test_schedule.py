"""The Temporal Schedule of the reconciliation on a real server."""

import asyncio
from datetime import timedelta

import pytest
from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleDescription,
    ScheduleIntervalSpec,
    ScheduleOverlapPolicy,
    ScheduleSpec,
)

from adapters.temporal.connection.schedule import SCHEDULE_ID, ReconciliationSchedule, ensure_schedule
from domain.errors import StartupError
from tests.support.temporal.schedules import delete_schedule

WANTED = ReconciliationSchedule("Reconcile", "nobody-listens-here", timedelta(hours=5))
FOREIGN = Schedule(
    action=ScheduleActionStartWorkflow("Other", id="other", task_queue="nobody-listens-here"),
    spec=ScheduleSpec(intervals=[ScheduleIntervalSpec(timedelta(hours=7))]),
)


async def described(client: Client) -> ScheduleDescription:
    return await client.get_schedule_handle(SCHEDULE_ID).describe()


def interval(description: ScheduleDescription) -> list[timedelta]:
    return [spec.every for spec in description.schedule.spec.intervals]


async def test_schedule_is_created_as_configured(unscheduled: Client) -> None:
    """With type, queue and interval. Runs never overlap, and missed runs are skipped."""
    await ensure_schedule(unscheduled, WANTED)
    found = await described(unscheduled)
    action = found.schedule.action
    assert isinstance(action, ScheduleActionStartWorkflow)
    assert (action.workflow, action.task_queue, action.id) == ("Reconcile", "nobody-listens-here", SCHEDULE_ID)
    assert interval(found) == [timedelta(hours=5)]
    assert found.schedule.policy.overlap is ScheduleOverlapPolicy.SKIP
    assert found.schedule.policy.catchup_window == timedelta(seconds=10)


async def test_repeated_set_up_changes_nothing(unscheduled: Client) -> None:
    """With the same settings."""
    await ensure_schedule(unscheduled, WANTED)
    first = await described(unscheduled)
    await ensure_schedule(unscheduled, WANTED)
    again = await described(unscheduled)
    assert again.raw_description.conflict_token == first.raw_description.conflict_token
    assert again.info.last_updated_at is None


async def test_concurrent_workers_create_one_schedule(unscheduled: Client) -> None:
    """All of them succeed."""
    await asyncio.gather(*(ensure_schedule(unscheduled, WANTED) for _ in range(6)))
    assert interval(await described(unscheduled)) == [timedelta(hours=5)]


async def test_different_schedule_is_updated(unscheduled: Client) -> None:
    """Interval, type and queue."""
    await ensure_schedule(unscheduled, WANTED)
    await ensure_schedule(unscheduled, ReconciliationSchedule("Reconcile2", "another-queue", timedelta(hours=6)))
    found = await described(unscheduled)
    action = found.schedule.action
    assert isinstance(action, ScheduleActionStartWorkflow)
    assert (action.workflow, action.task_queue, interval(found)) == (
        "Reconcile2",
        "another-queue",
        [timedelta(hours=6)],
    )


async def test_paused_schedule_stays_paused(unscheduled: Client) -> None:
    """After a worker's restart, with or without changed settings."""
    await ensure_schedule(unscheduled, WANTED)
    await unscheduled.get_schedule_handle(SCHEDULE_ID).pause(note="maintenance")
    await ensure_schedule(unscheduled, WANTED)
    await ensure_schedule(unscheduled, ReconciliationSchedule("Reconcile", "nobody-listens-here", timedelta(hours=9)))
    found = await described(unscheduled)
    assert interval(found) == [timedelta(hours=9)]
    assert found.schedule.state.paused
    assert found.schedule.state.note == "maintenance"


async def test_foreign_schedule_is_not_changed(unscheduled: Client) -> None:
    """A schedule with this id that opledger did not create stays as it is, and the error names it."""
    await unscheduled.create_schedule(SCHEDULE_ID, FOREIGN)
    with pytest.raises(StartupError, match="opledger-reconcile of namespace default was not created by opledger"):
        await ensure_schedule(unscheduled, WANTED)
    assert interval(await described(unscheduled)) == [timedelta(hours=7)]


async def test_other_schedules_are_not_changed(unscheduled: Client) -> None:
    """The set-up deletes and changes no other schedule."""
    handle = await unscheduled.create_schedule("somebody-elses", FOREIGN)
    try:
        before = (await handle.describe()).raw_description.conflict_token
        await ensure_schedule(unscheduled, WANTED)
        assert (await handle.describe()).raw_description.conflict_token == before
    finally:
        await delete_schedule(unscheduled, "somebody-elses")
