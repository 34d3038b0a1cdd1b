"""Schedules of a test."""

import contextlib
from collections.abc import AsyncIterator

import pytest
from temporalio.client import Client, ScheduleActionExecutionStartWorkflow
from temporalio.service import RPCError

from adapters.temporal.connection.schedule import SCHEDULE_ID
from tests.support.eventually import eventually


async def delete_schedule(client: Client, schedule_id: str) -> None:
    """Deletes the schedule, and terminates the executions that it has started. Does nothing if there is none."""
    handle = client.get_schedule_handle(schedule_id)

    async def gone() -> bool:
        try:
            await handle.describe()
        except RPCError:
            return True
        return False

    with contextlib.suppress(RPCError):
        await handle.pause()  # after it, no start is missing in the description
        started = (await handle.describe()).info.running_actions
        await handle.delete()
        for one in started:
            if isinstance(one, ScheduleActionExecutionStartWorkflow):
                with contextlib.suppress(RPCError):
                    execution = client.get_workflow_handle(
                        one.workflow_id, first_execution_run_id=one.first_execution_run_id
                    )
                    await execution.terminate()
    await eventually(gone)


@pytest.fixture
async def unscheduled(temporal_client: Client) -> AsyncIterator[Client]:
    """A client of a server without the ledger's schedule. One that a test creates is deleted: it would start workflows
    that the workers of later tests do not know."""
    await delete_schedule(temporal_client, SCHEDULE_ID)
    yield temporal_client
    await delete_schedule(temporal_client, SCHEDULE_ID)
