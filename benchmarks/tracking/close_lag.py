"""Time from a close in Temporal to the final row.

The executions are terminated in Temporal, which is the slowest case: the workflow cannot report it, and the callback
lacks the reason, so that the ledger asks Temporal. The time runs from Temporal's close time until this process can read
the final row, commit included; it polls every 2 ms. The executions are terminated one after another.

The alternative are executions without a callback in the same ledger, terminated at times that are spread evenly over
one interval of the schedule: only the reconciliation finds them. They are measured once, because they take up to two
intervals.

What could mislead: the clocks are those of one machine, and the ledger has nothing else to do. Under load the time is
longer.
"""

import asyncio
import random
import time
from functools import partial

from temporalio.client import Client

from adapters.postgres.connection.driver import Connection
from benchmarks.data.executions import in_parallel, new_ids, start
from benchmarks.data.ledger_rows import TIMEOUT, connection, count, insert, until
from benchmarks.harness.measurement import Goal, Row, Scale, in_turns, quantile
from benchmarks.tracking.application import application, connections, submit
from benchmarks.tracking.lags import first_seen, since_close, terminate_each
from domain.operation.status import OperationStatus
from domain.operation.transition import Source
from entrypoints.local.embedded.options import Running

NOBODY = "bench-nobody"
"""A task queue without a worker."""
ONE_MINUTE = 60
_FINAL = """
SELECT id::text AS workflow_id FROM opledger.operations
WHERE id = ANY($1::uuid[]) AND status = 'FAILED' AND error_code = 'TERMINATED'
"""
_BY = "id IN (SELECT operation_id FROM opledger.transitions WHERE to_status = 'FAILED' AND source = $1) AND type = $2"


async def rows(scale: Scale) -> list[Row]:
    """Rows for callbacks, against the schedule."""
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
    """Returns the median and p99 in milliseconds."""
    async with connections(to) as clients:
        await submit(clients, "waiting", many)
    await until(ledger, many, "type = 'waiting' AND status = 'RUNNING'")
    found = await ledger.fetch("SELECT id FROM opledger.operations WHERE type = 'waiting' AND status = 'RUNNING'")
    lags = await terminate_each(temporal, ledger, _FINAL, [str(row["id"]) for row in found])
    return [quantile(lags, 0.5), quantile(lags, 0.99)]


async def by_schedule(temporal: Client, ledger: Connection, many: int, every: float) -> list[float]:
    """Returns the milliseconds of each. Raises RuntimeError if another channel found one."""
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
    seen = await first_seen(ledger, _FINAL, list(map(str, ids)), every=0.05, within=3 * every + TIMEOUT)
    await terminating
    if await count(ledger, _BY, Source.RECONCILIATION.value, "scheduled") != many:
        raise RuntimeError("another channel than the schedule found a termination")
    return await since_close(temporal, seen)
