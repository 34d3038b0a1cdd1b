"""The team's worker, a process of its own: `python -m tests.chaos.team.worker`, with TEMPORAL_ADDRESS and
TEAM_LEDGER_URL and TEAM_LEDGER_KEY."""

import asyncio
import logging
import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any

from temporalio.client import Client
from temporalio.worker import Worker
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from opledger import OpledgerPlugin
from tests.chaos.team.errands import ERRANDS, Plugged, Queued
from tests.chaos.team.workflows import ACTIVITIES, WORKFLOWS

TASK_QUEUE = "team"
_log = logging.getLogger(__name__)


async def main() -> None:
    """Run until a signal; whatever ends the worker before, it is begun again."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    while not stop.is_set():
        try:
            client = await Client.connect(os.environ["TEMPORAL_ADDRESS"])
            async with AsyncExitStack() as workers:
                for worker in _workers(client):
                    await workers.enter_async_context(worker)
                await stop.wait()
        except Exception as error:  # noqa: BLE001 -- whatever it was
            _log.warning("begun again: %s: %s", type(error).__name__, error)
            await asyncio.sleep(0.5)


def _workers(client: Client) -> Iterator[Worker]:
    """One without plugin, one that reports over HTTP, and one that reports through the ledger's task queue."""
    http = OpledgerPlugin(url=os.environ["TEAM_LEDGER_URL"], api_key=os.environ["TEAM_LEDGER_KEY"])
    yield _worker(client, TASK_QUEUE, [*WORKFLOWS, *ERRANDS], activities=ACTIVITIES)
    yield _worker(client, "plugged", [Plugged], plugins=[http])
    yield _worker(client, "queued", [Queued], plugins=[OpledgerPlugin()])


def _worker(client: Client, task_queue: str, workflows: Sequence[type], **options: Any) -> Worker:
    restrictions = SandboxRestrictions.default.with_passthrough_modules("opledger")
    return Worker(
        client,
        task_queue=task_queue,
        workflows=workflows,
        workflow_runner=SandboxedWorkflowRunner(restrictions=restrictions),
        sticky_queue_schedule_to_start_timeout=timedelta(seconds=2),
        **options,
    )


if __name__ == "__main__":
    logging.basicConfig(format="%(asctime)s %(message)s")
    asyncio.run(main())
    os._exit(0)
