"""The reconciliation's schedule on a real Temporal server."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
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
from temporalio.service import RPCError

from adapters.temporal.connection.schedule import SCHEDULE_ID, ReconciliationSchedule, ensure_schedule
from domain.errors import StartupError
from tests.contract.engine_world import eventually

WANTED = ReconciliationSchedule("Reconcile", "nobody-listens-here", timedelta(hours=5))
FOREIGN = Schedule(
    action=ScheduleActionStartWorkflow("Other", id="other", task_queue="nobody-listens-here"),
    spec=ScheduleSpec(intervals=[ScheduleIntervalSpec(timedelta(hours=7))]),
)


async def delete(client: Client, schedule_id: str) -> None:
    handle = client.get_schedule_handle(schedule_id)

    async def gone() -> bool:
        try:
            await handle.describe()
        except RPCError:
            return True
        return False

    with contextlib.suppress(RPCError):
        await handle.delete()
    await eventually(gone)


@pytest.fixture
async def client(temporal_client: Client) -> AsyncIterator[Client]:
    await delete(temporal_client, SCHEDULE_ID)
    yield temporal_client
    await delete(temporal_client, SCHEDULE_ID)


async def described(client: Client) -> ScheduleDescription:
    return await client.get_schedule_handle(SCHEDULE_ID).describe()


def interval(description: ScheduleDescription) -> list[timedelta]:
    return [spec.every for spec in description.schedule.spec.intervals]


async def test_is_created_as_wanted(client: Client) -> None:
    """Type, queue and interval are as wanted; runs never overlap and are not caught up on."""
    await ensure_schedule(client, WANTED)
    found = await described(client)
    action = found.schedule.action
    assert isinstance(action, ScheduleActionStartWorkflow)
    assert (action.workflow, action.task_queue, action.id) == ("Reconcile", "nobody-listens-here", SCHEDULE_ID)
    assert interval(found) == [timedelta(hours=5)]
    assert found.schedule.policy.overlap is ScheduleOverlapPolicy.SKIP
    assert found.schedule.policy.catchup_window == timedelta(seconds=10)


async def test_repeats_change_nothing(client: Client) -> None:
    """A second set-up with the same wishes does not touch the schedule."""
    await ensure_schedule(client, WANTED)
    first = await described(client)
    await ensure_schedule(client, WANTED)
    again = await described(client)
    assert again.raw_description.conflict_token == first.raw_description.conflict_token
    assert again.info.last_updated_at is None


async def test_concurrent_workers_make_one(client: Client) -> None:
    """Any number of workers that start at once all succeed."""
    await asyncio.gather(*(ensure_schedule(client, WANTED) for _ in range(6)))
    assert interval(await described(client)) == [timedelta(hours=5)]


async def test_is_changed_where_it_differs(client: Client) -> None:
    """Another interval, type or queue is carried over."""
    await ensure_schedule(client, WANTED)
    await ensure_schedule(client, ReconciliationSchedule("Reconcile2", "another-queue", timedelta(hours=6)))
    found = await described(client)
    action = found.schedule.action
    assert isinstance(action, ScheduleActionStartWorkflow)
    assert (action.workflow, action.task_queue, interval(found)) == (
        "Reconcile2",
        "another-queue",
        [timedelta(hours=6)],
    )


async def test_stays_paused(client: Client) -> None:
    """Somebody who paused it finds it paused after a worker's restart, changed settings or not."""
    await ensure_schedule(client, WANTED)
    await client.get_schedule_handle(SCHEDULE_ID).pause(note="maintenance")
    await ensure_schedule(client, WANTED)
    await ensure_schedule(client, ReconciliationSchedule("Reconcile", "nobody-listens-here", timedelta(hours=9)))
    found = await described(client)
    assert interval(found) == [timedelta(hours=9)]
    assert found.schedule.state.paused
    assert found.schedule.state.note == "maintenance"


async def test_strangers_schedule_is_not_taken_over(client: Client) -> None:
    """A schedule with our id that we did not make is left as it is, and named in an error."""
    await client.create_schedule(SCHEDULE_ID, FOREIGN)
    with pytest.raises(StartupError, match="opledger-reconcile of namespace default was not created by opledger"):
        await ensure_schedule(client, WANTED)
    assert interval(await described(client)) == [timedelta(hours=7)]


async def test_other_schedules_are_left_alone(client: Client) -> None:
    """Set-up deletes and changes no other schedule."""
    handle = await client.create_schedule("somebody-elses", FOREIGN)
    try:
        before = (await handle.describe()).raw_description.conflict_token
        await ensure_schedule(client, WANTED)
        assert (await handle.describe()).raw_description.conflict_token == before
    finally:
        await delete(client, "somebody-elses")
