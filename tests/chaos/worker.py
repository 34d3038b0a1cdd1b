"""The team's worker, a process of its own: `python -m tests.chaos.worker`, with TEMPORAL_ADDRESS."""

import asyncio
import logging
import os
import signal
from datetime import timedelta

from temporalio.client import Client
from temporalio.worker import Worker
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from tests.chaos.workflows import ACTIVITIES, WORKFLOWS

TASK_QUEUE = "team"
_log = logging.getLogger(__name__)


async def main() -> None:
    """Run until told to stop; whatever ends the worker before, it is begun again."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    while not stop.is_set():
        try:
            client = await Client.connect(os.environ["TEMPORAL_ADDRESS"])
            async with _worker(client):
                await stop.wait()
        except Exception as error:  # noqa: BLE001 -- whatever it was
            _log.warning("begun again: %s: %s", type(error).__name__, error)
            await asyncio.sleep(0.5)


def _worker(client: Client) -> Worker:
    restrictions = SandboxRestrictions.default.with_passthrough_modules("opledger")
    return Worker(
        client,
        task_queue=TASK_QUEUE,
        workflows=WORKFLOWS,
        activities=ACTIVITIES,
        workflow_runner=SandboxedWorkflowRunner(restrictions=restrictions),
        sticky_queue_schedule_to_start_timeout=timedelta(seconds=2),
    )


if __name__ == "__main__":
    logging.basicConfig(format="%(asctime)s %(message)s")
    asyncio.run(main())
    os._exit(0)
