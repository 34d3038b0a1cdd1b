"""Accepting an operation, durably, against starting its workflow: the time until a client knows that it will run.

Neither side has dispatchers, which would start what was accepted, or workers. So this is what a
client waits for, and not all the work that its operation makes; that is what `accepted to completed` is about. Ours
goes over HTTP, with an idempotency key, and is checked against a schema; theirs goes from this process straight to the
server, over one connection that all of its clients share, with no search attribute. Ours is on disk when it is
answered, by PostgreSQL with fsync; theirs is in the dev server's SQLite file, synced as that server sets it up.
"""

from collections.abc import Iterator
from functools import partial
from itertools import count

import msgspec
from temporalio.client import Client as Temporal

from benchmarks.data.idle_executions import INPUT, UNLIMITED, start
from benchmarks.harness.client import Client, connected, request
from benchmarks.harness.load import Figures, awaited, over_http
from benchmarks.harness.measurement import Goal, Row, Scale, column, in_turns
from benchmarks.harness.stage import api, data_folder, database, temporal

CLIENTS = 32
START = "client.start_workflow"


async def rows(scale: Scale) -> list[Row]:
    """Operations per second, and the time that 99 of 100 take."""
    numbers = count(1)
    with data_folder() as folder:
        async with database(folder) as url, temporal(folder, *UNLIMITED) as address, api(url) as (_, port):
            clients, engine = await connected(port, CLIENTS), await Temporal.connect(address)
            ours, theirs = await in_turns(
                scale.repeats,
                lambda: submitted(clients, numbers, scale.of(1_500, 50)),
                lambda: _started(engine, numbers, scale.of(500, 50)),
            )
            for client in clients:
                client.close()
    note = f"{CLIENTS} clients; the row, its first history line and its idempotency key in one commit"
    return [
        Row("accept (POST)", START, "1/s", column(ours, 0), column(theirs, 0), Goal(8, "at least"), note),
        Row("accept (POST), p99", START, "ms", column(ours, 1), column(theirs, 1), Goal(0.3, "at most")),
    ]


async def submitted(clients: list[Client], numbers: Iterator[int], many: int) -> Figures:
    """So many operations, each under a key of its own."""
    body = msgspec.json.encode({"type": "deploy", "input": INPUT, "labels": {"team": "a"}})
    posts = [
        request("POST", "/v1/operations", f"Idempotency-Key: accepting-{next(numbers)}", body=body) for _ in range(many)
    ]
    return await over_http(clients, posts, 202)


async def _started(engine: Temporal, numbers: Iterator[int], many: int) -> Figures:
    return await awaited(CLIENTS, [partial(start, engine, "Nobody", f"raw-{next(numbers)}") for _ in range(many)])
