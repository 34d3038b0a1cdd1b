"""Accepting an operation durably, against starting its workflow.

No dispatcher and no worker runs. So the figure is the time that a client waits, and not all work for its operation,
which `accepted to completed` measures. The ledger's requests go over HTTP, with an idempotency key, and are checked
against a schema; the alternative's go from this process directly to the server, over one connection that all of its
clients share, with no search attribute. The ledger has synced when it answers, by PostgreSQL with fsync; the dev server
writes to its SQLite file, with the syncs of its own configuration.
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
    """Operations per second, and p99."""
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
    """Submits `many` operations, each with its own idempotency key."""
    body = msgspec.json.encode({"type": "deploy", "input": INPUT, "labels": {"team": "a"}})
    posts = [
        request("POST", "/v1/operations", f"Idempotency-Key: accepting-{next(numbers)}", body=body) for _ in range(many)
    ]
    return await over_http(clients, posts, 202)


async def _started(engine: Temporal, numbers: Iterator[int], many: int) -> Figures:
    return await awaited(CLIENTS, [partial(start, engine, "Nobody", f"raw-{next(numbers)}") for _ in range(many)])
