"""Many waiters for one operation in one process, without HTTP: `python -m benchmarks.waiting.inside WAITERS TURNS`.

Runs in its own process, because its memory is measured. Prints JSON: KiB per waiter, and for each turn the p99 of the
milliseconds from the begin of a commit to the notification. The first turn warms up.
"""

import asyncio
import gc
import json
import os
import sys
import time
from uuid import UUID

import psutil
import uvloop

from adapters.memory.metrics import MemoryMetrics
from adapters.postgres.connection.driver import connector
from adapters.postgres.connection.engine import create_engine
from adapters.postgres.feed.change_feed import PostgresChangeFeed
from adapters.postgres.feed.notifications import Listener
from adapters.postgres.operations.operation_queries import PostgresQueries
from adapters.system.clock import SystemClock
from application.ports.storage.operation_view import OperationDetails
from application.watch.change_hub import ChangeHub
from application.watch.read import ReadOperations
from application.watch.wait import WaitForOperation, WaitOptions
from benchmarks.harness.client import AT_ONCE, TIMEOUT
from benchmarks.harness.measurement import quantile
from benchmarks.waiting.writer import Writer
from domain.access.principal import DEFAULT_TENANT

OPERATION = UUID(int=3)
WARM_UP = 20


class _CountedReads(ReadOperations):
    """Counts the reads: a waiter that has read waits."""

    done = 0

    async def get(self, tenant: str, operation_id: UUID) -> OperationDetails:
        operation = await super().get(tenant, operation_id)
        self.done += 1
        return operation


async def measured(url: str, waiters: int, turns: int) -> dict[str, float | list[float]]:
    """Returns the figures to print."""
    engine, listener = create_engine(url), Listener(connector(url))
    hub = ChangeHub(PostgresChangeFeed(engine, listener), SystemClock(), MemoryMetrics())
    read = _CountedReads(PostgresQueries(engine))
    wait = WaitForOperation(read, hub)
    grown: list[float] = []

    async def notified() -> float:
        await wait.wait(DEFAULT_TENANT, OPERATION, WaitOptions(TIMEOUT))
        return time.perf_counter()

    async def turn(many: int) -> float:
        before, read.done = psutil.Process().memory_info().rss, 0
        tasks: list[asyncio.Task[float]] = []
        while len(tasks) < many:
            tasks += [asyncio.create_task(notified()) for _ in range(min(AT_ONCE, many - len(tasks)))]
            while read.done < len(tasks):  # noqa: ASYNC110
                await asyncio.sleep(0.001)
        grown.append((psutil.Process().memory_info().rss - before) / many / 1024)
        begin = await writer.change()
        return quantile([at - begin for at in await asyncio.gather(*tasks)], 0.99) * 1000

    try:
        async with asyncio.timeout(turns * TIMEOUT), Writer(url, OPERATION) as writer:
            await turn(WARM_UP)
            delays = [await turn(waiters) for _ in range(turns)]
    finally:
        hub.close()
        listener.close()
        await engine.dispose()
    return {"kib": grown[1], "ms": delays[1:]}


if __name__ == "__main__":
    gc.set_threshold(50_000, 20, 100)  # as the API does
    print(json.dumps(uvloop.run(measured(os.environ["DATABASE_URL"], int(sys.argv[1]), int(sys.argv[2])))))
