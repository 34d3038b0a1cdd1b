"""The worker: `python -m deployer.worker`. It reads OPLEDGER_URL, OPLEDGER_API_KEY and TEMPORAL_ADDRESS."""

import asyncio
import os

from temporalio.client import Client
from temporalio.worker import Worker

from deployer.workflows import TASK_QUEUE, DeployMachine, install, restart
from opledger import OpledgerPlugin


async def main() -> None:
    """Runs until it is interrupted."""
    address = os.environ.get("TEMPORAL_ADDRESS", "127.0.0.1:7233")
    client = await Client.connect(address, plugins=[OpledgerPlugin()])
    await Worker(client, task_queue=TASK_QUEUE, workflows=[DeployMachine], activities=[install, restart]).run()


if __name__ == "__main__":
    asyncio.run(main())
