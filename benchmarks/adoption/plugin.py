"""Cost of the plugin: workflows per second tracked over HTTP, against the same workflows untracked.

A batch of workflows is started by a client that waits for every result, on a worker with the plugin and on one without.
The plugin is on the worker alone, which reports the start, or on the client too, which records the operation before the
start and reports which execution Temporal has started. In both cases the ledger asks Temporal about the execution,
attaches its callback, and gets the end by callback. These requests to Temporal are counted by its server. All of it
runs while the batch runs, on the same machine; the next batch begins when every operation of this one is COMPLETED.

What could mislead: on a cluster, the ledger's part of the work is done on other processors than the team's. One
activity is little work: more makes the ratio better.
"""

from collections.abc import Sequence
from functools import partial

from temporalio.client import Client

from adapters.postgres.connection.driver import Connection
from benchmarks.adoption.server_calls import ServerCalls
from benchmarks.data.executions import new_ids, run
from benchmarks.data.ledger_rows import connection, until
from benchmarks.harness.measurement import Goal, Row, Scale, column, in_turns
from benchmarks.harness.processor_time import Spent, by_process
from benchmarks.tracking.application import application
from benchmarks.tracking.team_worker import plugin_worker
from benchmarks.tracking.untracked_workflow import PLUGIN_QUEUE, TEAM_QUEUE
from opledger import OpledgerPlugin

GOAL = Goal(0.9, "at least")
AGAINST = "the same untracked"
EVERYWHERE, WORKER_ALONE = "by the plugin on client and worker", "by the plugin on the worker alone"


async def rows(scale: Scale) -> list[Row]:
    """Rows for the plugin on client and worker, and on the worker alone."""
    many = scale.of(150, least=8)
    async with (
        application() as it,
        plugin_worker(it.temporal_address, it.api_url),
        connection(it.database_url) as ledger,
    ):
        plain = await Client.connect(it.temporal_address)
        plugged = await Client.connect(it.temporal_address, plugins=[OpledgerPlugin(url=it.api_url)])
        calls = ServerCalls()
        everywhere, worker_alone, bare = await in_turns(
            scale.repeats,
            partial(tracked, plugged, calls, ledger, many),
            partial(tracked, plain, calls, ledger, many),
            partial(untracked, plain, calls, many),
        )
    note = f"batches of {many}, one activity each, reports over HTTP, callbacks on"
    return [
        _rate(EVERYWHERE, everywhere, bare, note),
        _rate(WORKER_ALONE, worker_alone, bare, note),
        _requests(EVERYWHERE, everywhere, bare),
        _requests(WORKER_ALONE, worker_alone, bare),
        _processor_time(EVERYWHERE, everywhere, bare),
        _processor_time(WORKER_ALONE, worker_alone, bare),
    ]


async def tracked(client: Client, calls: ServerCalls, ledger: Connection, many: int) -> list[float]:
    """Returns the workflows per second, and per workflow the requests to Temporal and the CPU milliseconds by process.
    Raises TimeoutError if an operation does not complete."""
    before, spent, ids = await calls.so_far(), Spent(), new_ids(many)
    seconds = await run(client, "Untracked", PLUGIN_QUEUE, ids, marked=False)
    await until(ledger, many, "workflow_id = ANY($1) AND status = 'COMPLETED'", list(map(str, ids)))
    times = spent.on_each(many)
    return [many / seconds, (await calls.so_far() - before).total() / many, *times]


async def untracked(client: Client, calls: ServerCalls, many: int) -> list[float]:
    """Returns the same figures without the plugin."""
    before, spent = await calls.so_far(), Spent()
    seconds = await run(client, "Untracked", TEAM_QUEUE, new_ids(many), marked=False)
    times = spent.on_each(many)
    return [many / seconds, (await calls.so_far() - before).total() / many, *times]


def _rate(how: str, ours: Sequence[tuple[float, ...]], theirs: Sequence[tuple[float, ...]], note: str) -> Row:
    what = f"workflows a second, tracked over HTTP {how}"
    return Row(what, AGAINST, "1/s", column(ours, 0), column(theirs, 0), GOAL, note)


def _requests(how: str, ours: Sequence[tuple[float, ...]], theirs: Sequence[tuple[float, ...]]) -> Row:
    return Row(f"requests to Temporal a workflow, {how}", AGAINST, "calls", column(ours, 1), column(theirs, 1))


def _processor_time(how: str, ours: Sequence[tuple[float, ...]], theirs: Sequence[tuple[float, ...]]) -> Row:
    rates_and_times = ([(figures[0], *figures[2:]) for figures in side] for side in (ours, theirs))
    return by_process(f"processor time a workflow, {how}", AGAINST, *rates_and_times)
