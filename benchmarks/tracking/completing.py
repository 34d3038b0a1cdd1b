"""Throughput from submission to COMPLETED.

The alternative is the same workflow on the same worker, started by a client that then waits for each result: no API, no
database, no dispatcher, no reports, no callbacks. The ledger learns of the end by callback. With the decorator or the
plugin workflows also report their start: the decorator by an activity on the ledger's task queue, the plugin over HTTP.
Both sides are a batch, and the time runs from the first request until the end of the last workflow is known. The client
of either side sends 16 requests at a time, as the dispatcher does.

All processes share the machine, so that CPU time limits the rate. The CPU time of each process per operation is counted
too.

What could mislead: the ledger's processes take CPU time from Temporal, and the development server on SQLite limits
both. With a Temporal cluster on other machines the ratio differs.
"""

import time
from functools import partial

from temporalio.client import Client

from adapters.postgres.connection.driver import Connection
from benchmarks.data.executions import new_ids, run
from benchmarks.data.ledger_rows import connection, count, until
from benchmarks.harness.measurement import Goal, Row, Scale, column, in_turns
from benchmarks.harness.processor_time import Spent, by_process
from benchmarks.tracking.application import application, connections, submit
from benchmarks.tracking.team_worker import plugin_worker
from benchmarks.tracking.untracked_workflow import TEAM_QUEUE
from entrypoints.local.embedded.options import Running

COMPLETED = "status = 'COMPLETED'"
WITH_REPORT, BY_CALLBACK = Goal(0.75, "at least"), Goal(0.9, "at least")
WHAT = "accepted to completed, sustained"
AGAINST = "raw start and run of the same workflow, untracked"


WAYS = {
    "tracked": ("with one report, by the decorator", WITH_REPORT),
    "plugged": ("with one report, by the plugin over HTTP", WITH_REPORT),
    "untracked": ("by callback alone", BY_CALLBACK),
}
"""By operation type: how it is tracked, and the goal."""


async def rows(scale: Scale) -> list[Row]:
    """Rows for one report and the callback, and for the callback alone."""
    many = scale.of(200, least=8)
    async with (
        application() as it,
        plugin_worker(it.temporal_address, it.api_url),
        connection(it.database_url) as ledger,
    ):
        temporal = await Client.connect(it.temporal_address)
        raw, *tracked = await in_turns(
            scale.repeats,
            partial(without_the_ledger, temporal, many),
            *(partial(through_the_ledger, it, ledger, type_name, many) for type_name in WAYS),
        )
    note = f"batches of {many}, one activity each, callbacks on; the client of the raw side waits for every result"
    theirs = column(raw, 0)
    return [
        *(
            Row(f"{WHAT}, {how}", AGAINST, "1/s", column(ours, 0), theirs, goal, note)
            for ours, (how, goal) in zip(tracked, WAYS.values(), strict=True)
        ),
        *(
            by_process(f"processor time an operation, {how}", AGAINST, ours, raw)
            for ours, (how, _) in zip(tracked, WAYS.values(), strict=True)
        ),
    ]


async def through_the_ledger(to: Running, ledger: Connection, type_name: str, many: int) -> list[float]:
    """Returns the operations per second, and the CPU milliseconds per operation by process. Raises TimeoutError if one
    does not complete."""
    before = await count(ledger, COMPLETED)
    async with connections(to) as clients:
        spent, begin = Spent(), time.perf_counter()
        await submit(clients, type_name, many)
        await until(ledger, before + many, COMPLETED)
        return [many / (time.perf_counter() - begin), *spent.on_each(many)]


async def without_the_ledger(temporal: Client, many: int) -> list[float]:
    """Returns the same figures for plain workflows."""
    spent = Spent()
    seconds = await run(temporal, "Untracked", TEAM_QUEUE, new_ids(many), marked=False)
    return [many / seconds, *spent.on_each(many)]
