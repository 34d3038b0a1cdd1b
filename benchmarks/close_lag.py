"""How long after an execution has closed in Temporal its row says so.

What closes is terminated past the ledger, which is the slowest of its news: the workflow cannot report it, and the
callback does not say enough of it, so that the ledger asks Temporal once more. The time runs from Temporal's close time
until this process can read the final row, which includes the commit; it looks every 2 ms. One after another: how soon
one is known is asked for, not how many a second.

The alternative are executions that were started without a callback, and terminated at moments that are spread evenly
over one interval of the schedule, in the same ledger at the same time: the reconciliation alone finds them. Once, not
once a repeat: they take up to two intervals.

What could mislead: the clocks are those of one machine, and the ledger has nothing else to do. Under load it is later.
"""

import asyncio
import random
import time
from collections.abc import Sequence
from functools import partial
from uuid import UUID

from temporalio.client import Client

from adapters.postgres.connection.driver import Connection
from benchmarks.application import application, connections, submit
from benchmarks.executions import in_parallel, new_ids, start
from benchmarks.harness import Goal, Row, Scale, in_turns, quantile
from benchmarks.ledger_rows import PATIENCE, connection, count, insert, until
from domain.operation.status import OperationStatus
from domain.operation.transition import Source
from entrypoints.local.embedded.options import Running

NOBODY = "bench-nobody"
"""A task queue without a worker."""
ONE_MINUTE = 60
_FINAL = "SELECT id FROM operations WHERE id = ANY($1) AND status = 'FAILED' AND error_code = 'TERMINATED'"
_BETWEEN = 0.03
"""Seconds between two terminations."""
_BY = "id IN (SELECT operation_id FROM transitions WHERE to_status = 'FAILED' AND source = $1) AND type = $2"


async def rows(scale: Scale) -> list[Row]:
    """With callbacks, and against the schedule."""
    every, many = scale.of(ONE_MINUTE), scale.of(100, least=4)
    async with (
        application(OPLEDGER_RECONCILE_EVERY=f"{every}s") as it,
        connection(it.database_url) as ledger,
        connection(it.database_url) as watched,
    ):
        temporal = await Client.connect(it.temporal_address)
        scheduled = asyncio.create_task(by_schedule(temporal, watched, scale.of(60, least=4), every))
        try:
            (called,) = await in_turns(scale.repeats, partial(by_callback, it, temporal, ledger, many))
            lags = await scheduled
        finally:
            scheduled.cancel()
        by_call, in_all = await count(ledger, _BY, Source.CALLBACK.value, "waiting"), many * (scale.repeats + 1)
    medians, nearly_all = (tuple(figures[place] for figures in called) for place in (0, 1))
    what, said = "from close to ledger", f"{many} terminations a repeat; {by_call} of {in_all} ended by the callback"
    once = f"{len(lags)} terminations spread over one interval, once: the longest {max(lags):,.0f} ms"
    middle = (quantile(medians, 0.5),)
    return [
        Row(f"{what}, callbacks, median", "", "ms", medians, goal=Goal(50, "at most"), note=said),
        Row(f"{what}, callbacks, p99", "", "ms", nearly_all, goal=Goal(250, "at most")),
        Row(f"{what}, median", f"the schedule, every {every} s", "ms", middle, (quantile(lags, 0.5),), note=once),
    ]


async def by_callback(to: Running, temporal: Client, ledger: Connection, many: int) -> list[float]:
    """Milliseconds: the median and the 99th percentile."""
    async with connections(to) as clients:
        await submit(clients, "waiting", many)
    await until(ledger, many, "type = 'waiting' AND status = 'RUNNING'")
    found = await ledger.fetch("SELECT id FROM operations WHERE type = 'waiting' AND status = 'RUNNING'")
    seen: dict[UUID, float] = {}
    for row in found:
        await temporal.get_workflow_handle(str(row["id"])).terminate()
        seen |= await final_at(ledger, [row["id"]], every=0.002)
        await asyncio.sleep(_BETWEEN * random.random())
    lags = await since_close(temporal, seen)
    return [quantile(lags, 0.5), quantile(lags, 0.99)]


async def by_schedule(temporal: Client, ledger: Connection, many: int, every: float) -> list[float]:
    """Milliseconds of each. Raises RuntimeError where something else than the schedule found one of them."""
    ids = new_ids(many)
    await insert(ledger, ids, OperationStatus.RUNNING, type_name="scheduled")
    await in_parallel([partial(start, temporal, "Waiting", NOBODY, one, marked=True) for one in ids])

    async def terminate() -> None:
        begin = time.monotonic()
        for number, one in enumerate(ids):
            due = begin + every * (number + random.random()) / many
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            await temporal.get_workflow_handle(str(one)).terminate()

    terminating = asyncio.create_task(terminate())
    seen = await final_at(ledger, ids, every=0.05, patience=3 * every + PATIENCE)
    await terminating
    if await count(ledger, _BY, Source.RECONCILIATION.value, "scheduled") != many:
        raise RuntimeError("something else than the schedule found one of its terminations")
    return await since_close(temporal, seen)


async def final_at(
    ledger: Connection, ids: Sequence[UUID], *, every: float, patience: float = PATIENCE
) -> dict[UUID, float]:
    """When each was seen to be final, in seconds since the epoch."""
    seen: dict[UUID, float] = {}
    async with asyncio.timeout(patience):
        while len(seen) < len(ids):
            final = await ledger.fetch(_FINAL, [one for one in ids if one not in seen])
            seen |= dict.fromkeys((row["id"] for row in final), time.time())
            await asyncio.sleep(0 if len(seen) == len(ids) else every)
    return seen


async def since_close(temporal: Client, seen: dict[UUID, float]) -> list[float]:
    """Milliseconds from Temporal's close time to what was seen."""

    async def one(operation_id: UUID, at: float) -> float:
        closed = (await temporal.get_workflow_handle(str(operation_id)).describe()).close_time
        if closed is None:
            raise RuntimeError(f"{operation_id} is final in the ledger, and open in Temporal")
        return (at - closed.timestamp()) * 1000

    return await in_parallel([partial(one, *each) for each in seen.items()])
