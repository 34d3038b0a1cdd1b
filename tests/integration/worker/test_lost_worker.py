"""A reconciliation pass whose worker was killed, and one that only takes its time."""

import asyncio
from collections import Counter
from uuid import uuid4

from temporalio import activity
from temporalio.client import Client
from temporalio.worker import Worker

from entrypoints.worker.heartbeat import heartbeating
from entrypoints.worker.reconcile_operations import (
    HEARTBEAT_TIMEOUT,
    RECONCILE_PASS,
    PassDone,
    ReconcileOperations,
)
from entrypoints.worker.temporal_worker import HEARTBEAT_EVERY

LONG = HEARTBEAT_TIMEOUT.total_seconds() + 2
DONE = PassDone(pages=1, listed=1, asked=1, corrected=0, failed=0)


async def test_pass_of_a_killed_worker_is_begun_again_in_seconds_and_a_slow_one_is_left_alone(
    temporal_client: Client,
) -> None:
    """Hazard 26: overlapping passes are skipped, so a pass without a worker must not last until its time-out."""
    tries: Counter[str] = Counter()

    @activity.defn(name=RECONCILE_PASS)
    async def one_pass() -> PassDone:
        name = str(activity.info().workflow_id)
        tries[name] += 1
        if "killed" in name and tries[name] == 1:
            await asyncio.sleep(3600)  # no heartbeat: what the server sees of a process that was killed
        if "slow" in name:
            async with heartbeating():
                await asyncio.sleep(LONG)
        return DONE

    queue = f"reconcile-{uuid4()}"
    names = [f"killed-{uuid4()}", f"slow-{uuid4()}"]
    async with Worker(
        temporal_client,
        task_queue=queue,
        workflows=[ReconcileOperations],
        activities=[one_pass],
        max_heartbeat_throttle_interval=HEARTBEAT_EVERY,
    ):
        runs = [temporal_client.execute_workflow(ReconcileOperations.run, id=name, task_queue=queue) for name in names]
        results = await asyncio.wait_for(asyncio.gather(*runs), 90)
    assert results == [DONE] * 2
    assert [tries[name] for name in names] == [2, 1]
