"""Clients that start workflows with a signal or with an update, also where these run already."""

import asyncio
import json
import time
from collections.abc import Sequence
from datetime import timedelta
from random import Random
from typing import Any

from temporalio.client import (
    Client,
    WithStartWorkflowOperation,
    WorkflowHandle,
    WorkflowUpdateFailedError,
    WorkflowUpdateHandle,
    WorkflowUpdateRPCTimeoutOrCancelledError,
    WorkflowUpdateStage,
)
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.service import RPCError

from opledger import operation_id
from tests.chaos.checker.facts import Put
from tests.chaos.plan.kinds import Way
from tests.chaos.plan.plan import Plan
from tests.chaos.plan.workload import Work
from tests.chaos.record import Record

TIMEOUT = 240.0
"""Seconds of repeats: a server may be down, and then slow."""
UPDATE_TIMEOUT = timedelta(seconds=30)
"""Of one try: the update waits for the team's worker, which may be killed."""
AT_ONCE = 0.3
"""Share of the starts that are made at the same time as the one before."""
PAUSE = 1.5
"""Seconds between two starts at most."""
TASK_TIMEOUT = timedelta(seconds=3)
ERRORS = (RPCError, WorkflowUpdateFailedError, WorkflowUpdateRPCTimeoutOrCancelledError)


class Putter:
    """Puts items into baskets. Each item comes with a start of the basket, by any of the clients."""

    def __init__(self, clients: Sequence[Client], plan: Plan, record: Record) -> None:
        """`clients`: with the plugin."""
        self._clients = clients
        self._plan = plan
        self._record = record

    async def put(self, work: Work) -> str:
        """Makes all starts of the work. Returns the workflow id."""
        self._record.asked.add(work.workflow_id)
        dice = Random(f"{self._plan.seed}/puts/{work.number}")
        at = 0.0
        async with asyncio.TaskGroup() as group:
            for place in range(work.input["puts"]):
                at += 0.0 if dice.random() < AT_ONCE else dice.uniform(0.0, PAUSE)
                group.create_task(self._put(dice.choice(self._clients), work, place, at))
        return work.workflow_id

    async def _put(self, client: Client, work: Work, place: int, after: float) -> None:
        """One start. A start without an answer is made again."""
        await asyncio.sleep(after)
        order, item = {**work.input, "place": place}, f"{work.number}-{place}"
        start = _update if work.way is Way.UPDATE else _signal
        deadline = time.monotonic() + TIMEOUT
        while time.monotonic() < deadline:
            try:
                handle, run_id = await start(client, work.workflow_id, order, item)
            except ERRORS:
                await asyncio.sleep(0.3)
                continue
            answered = Put(work.workflow_id, run_id, item, json.dumps(order), operation_id(handle))
            self._record.puts.append(answered)
            return
        self._record.complaints.append(f"{item} was not put into {work.workflow_id} in {TIMEOUT:g} s")


async def _signal(
    client: Client, basket: str, order: dict[str, Any], item: str
) -> tuple[WorkflowHandle[Any, Any], str]:
    handle: WorkflowHandle[Any, Any] = await client.start_workflow(
        "Basket",
        order,
        id=basket,
        task_queue="team",
        task_timeout=TASK_TIMEOUT,
        start_signal="put",
        start_signal_args=[item],
    )
    return handle, handle.result_run_id or ""


async def _update(
    client: Client, basket: str, order: dict[str, Any], item: str
) -> tuple[WorkflowUpdateHandle[Any], str]:
    start: WithStartWorkflowOperation[Any, Any] = WithStartWorkflowOperation(
        "Basket",
        order,
        id=basket,
        task_queue="team",
        task_timeout=TASK_TIMEOUT,
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
    )
    handle: WorkflowUpdateHandle[Any] = await client.start_update_with_start_workflow(
        "add",
        item,
        start_workflow_operation=start,
        wait_for_stage=WorkflowUpdateStage.COMPLETED,
        id=item,
        rpc_timeout=UPDATE_TIMEOUT,
    )
    return handle, handle.workflow_run_id or ""
