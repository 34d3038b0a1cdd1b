"""Clients that start workflows themselves: plain ones, ones with the plugin, and Schedules."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta

from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleSpec,
    ScheduleState,
    WorkflowHandle,
)
from temporalio.common import RetryPolicy, WorkflowIDConflictPolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError

from opledger import operation_id
from tests.chaos.checker.facts import ReceivedId
from tests.chaos.plan.kinds import Way
from tests.chaos.plan.workload import BASKETS, PREFIXES, Work
from tests.chaos.record import Record

TIMEOUT = 240.0
"""Seconds of repeats: a server may be down, and then slow."""
WORKFLOWS = {
    "watched": ("Watched", "team"),
    "chosen": ("Chosen", "team"),
    "passed-over": ("Chosen", "team"),
    "called": ("Called", "team"),
    "recorded": ("Recorded", "team"),
    "plugged": ("Plugged", "plugged"),
    "queued": ("Queued", "queued"),
    **dict.fromkeys(PREFIXES, ("Named", "team")),
    **dict.fromkeys(BASKETS, ("Basket", "team")),
}
"""Workflow type and task queue, by type of work."""
SHARED = (*PREFIXES, *BASKETS)
"""Types of work that have their workflow ids not alone."""
ATTEMPTS = RetryPolicy(maximum_attempts=5, initial_interval=timedelta(seconds=1))
TASK_TIMEOUT = timedelta(seconds=3)
ON_CONFLICT = (
    WorkflowIDConflictPolicy.FAIL,
    WorkflowIDConflictPolicy.USE_EXISTING,
    WorkflowIDConflictPolicy.TERMINATE_EXISTING,
)
"""Of executions under workflow ids that the templates give, each as often."""
STRANGERS = 0.4
"""Share of the foreign executions that have another workflow type than the operations with their workflow id."""


class Starter:
    """Starts what the plan has clients start."""

    def __init__(self, plain: Client, recording: Sequence[Client], record: Record) -> None:
        """`recording`: clients with the plugin."""
        self._plain = plain
        self._recording = recording
        self._record = record

    async def start(self, work: Work) -> str | None:
        """The workflow id; None if the work never started. A start without answer is made again."""
        starts: dict[Way, Callable[[Work], Awaitable[str]]] = {
            Way.CLIENT: self._with_plugin,
            Way.FOREIGN: self._foreign,
            Way.SCHEDULE: self._by_schedule,
        }
        deadline = time.monotonic() + TIMEOUT
        while time.monotonic() < deadline:
            try:
                return await starts.get(work.way, self._start)(work)
            except WorkflowAlreadyStartedError:
                return None if work.type in SHARED else work.workflow_id
            except RPCError:
                await asyncio.sleep(0.3)
        self._record.complaints.append(f"{work.workflow_id} was not started in {TIMEOUT:g} s")
        return None

    async def ended(self, workflow_id: str) -> None:
        """Wait until the latest execution with the workflow id has ended, or for TIMEOUT."""
        deadline = time.monotonic() + TIMEOUT
        while time.monotonic() < deadline:
            try:
                described = await self._plain.get_workflow_handle(workflow_id).describe()
                if described.close_time is not None:
                    return
            except RPCError:
                pass
            await asyncio.sleep(0.3)

    async def _start(self, work: Work) -> str:
        await _started(self._plain, work)
        return work.workflow_id

    async def _with_plugin(self, work: Work) -> str:
        self._record.asked.add(work.workflow_id)
        client = self._recording[int(work.choice * len(self._recording))]
        handle = await _started(client, work, on_conflict=_on_conflict(work))
        if (received := operation_id(handle)) is not None and _is_recorded(received):
            self._record.received_ids.append(ReceivedId(received, work.workflow_id, handle.first_execution_run_id))
        return work.workflow_id

    async def _foreign(self, work: Work) -> str:
        stranger = "Stranger" if work.type in PREFIXES and work.choice < STRANGERS else None
        await _started(self._plain, work, on_conflict=_on_conflict(work), workflow=stranger)
        return work.workflow_id

    async def _by_schedule(self, work: Work) -> str:
        workflow, task_queue = WORKFLOWS[work.type]
        action = ScheduleActionStartWorkflow(
            workflow, work.input, id=work.workflow_id, task_queue=task_queue, task_timeout=TASK_TIMEOUT
        )
        with contextlib.suppress(ScheduleAlreadyRunningError):  # an earlier try was taken
            await self._plain.create_schedule(
                f"schedule-{work.number}",
                Schedule(action, ScheduleSpec(), state=ScheduleState(limited_actions=True, remaining_actions=1)),
                trigger_immediately=True,
            )
        return work.workflow_id


async def _started(
    client: Client,
    work: Work,
    *,
    on_conflict: WorkflowIDConflictPolicy = ON_CONFLICT[0],
    workflow: str | None = None,
) -> WorkflowHandle[object, object]:
    declared, task_queue = WORKFLOWS[work.type]
    return await client.start_workflow(
        workflow or declared,
        work.input,
        id=work.workflow_id,
        task_queue=task_queue,
        task_timeout=TASK_TIMEOUT,
        retry_policy=ATTEMPTS if work.input.get("does") == "retry" else None,
        id_conflict_policy=on_conflict,
    )


def _on_conflict(work: Work) -> WorkflowIDConflictPolicy:
    return ON_CONFLICT[work.number % len(ON_CONFLICT)] if work.type in SHARED else ON_CONFLICT[0]


def _is_recorded(operation_id: str) -> bool:
    """Whether the ledger has answered with this id. The other kind, a UUIDv5, follows from the execution, and may be
    the plugin's own conclusion."""
    return operation_id[14] != "5"
