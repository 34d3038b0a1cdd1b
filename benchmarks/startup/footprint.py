"""Memory of each process, and time until it is ready.

The time is from `exec` until the API says that it is ready (database and schema included), and until Temporal's server
names the worker among those that poll the ledger's task queue. Files are in the kernel's cache: a machine that has
just been started takes longer. Memory is what is resident a second later, pages shared with other processes included;
the API's grows with the connections of its pool and with the number of waiting requests, see `waiting`.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

import psutil
from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client

from benchmarks.harness.measurement import Row, Scale, column, in_turns
from benchmarks.harness.stage import OPLEDGER, READY_WITHIN, TYPES, data_folder, database, process, temporal
from entrypoints.net import free_port, http_status
from opledger.wire import LEDGER_TASK_QUEUE

SETTLES: Final = 1.0
"""Seconds between readiness and the reading of the memory."""
LOOK: Final = 0.02
MIB: Final = 2**20


async def rows(scale: Scale) -> list[Row]:
    """MiB, and seconds."""
    with data_folder() as folder:
        async with database(folder) as url, temporal(folder) as address:
            client = await Client.connect(address)
            variables = {"DATABASE_URL": url, "TEMPORAL_ADDRESS": address, **TYPES}
            api, worker = await in_turns(scale.repeats, lambda: _api(variables), lambda: _worker(variables, client))
    return [
        Row("memory of the API", "", "MiB", column(api, 1), note="resident, before its first client"),
        Row("memory of a worker", "", "MiB", column(worker, 1), note="resident, with nothing to do"),
        Row("start of the API", "", "s", column(api, 0), note="until /readyz is 200"),
        Row("start of a worker", "", "s", column(worker, 0), note="until Temporal names it as a poller"),
    ]


async def _api(variables: dict[str, str]) -> tuple[float, float]:
    port = free_port("127.0.0.1")

    async def ready(_: psutil.Process) -> bool:
        return await http_status("127.0.0.1", port, "/readyz") == 200

    return await _started("api", "--port", str(port), ready=ready, variables=variables)


async def _worker(variables: dict[str, str], client: Client) -> tuple[float, float]:
    question = DescribeTaskQueueRequest(
        namespace=client.namespace,
        task_queue=TaskQueue(name=LEDGER_TASK_QUEUE),
        task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
    )

    async def polls(worker: psutil.Process) -> bool:
        answer = await client.workflow_service.describe_task_queue(question)
        return any(poller.identity.endswith(f":{worker.pid}") for poller in answer.pollers)

    return await _started("worker", ready=polls, variables=variables)


async def _started(
    *arguments: str, ready: Callable[[psutil.Process], Awaitable[bool]], variables: dict[str, str]
) -> tuple[float, float]:
    """Returns the seconds until the process is ready, and its MiB. Raises TimeoutError."""
    begin = time.perf_counter()
    async with process(*OPLEDGER, *arguments, **variables) as started:
        async with asyncio.timeout(READY_WITHIN):
            while not await ready(started):  # noqa: ASYNC110
                await asyncio.sleep(LOOK)
        seconds = time.perf_counter() - begin
        await asyncio.sleep(SETTLES)
        return seconds, started.memory_info().rss / MIB
