"""GET of one operation, against the same endpoint on Temporal, and against the limit of the machine.

The limit is the time of a static answer of the same bytes by the same server, and that of a bare lookup of the same
columns by primary key (asyncpg, prepared, one connection, one process), added up. The other work of the API is not in
it. Two things lower the limit: the lookups are sequential, so that their time includes a round trip that the API spends
on other requests; and this process may send requests more slowly than the server returns static answers. Temporal has
some hundred executions, the ledger 100,000 rows.
"""

import random
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from uuid import UUID

import asyncpg
from temporalio.client import Client as Temporal

from adapters.postgres.connection.driver import connector
from adapters.postgres.schema.tables import operations
from benchmarks.api.reference_apps import ANSWER, packed
from benchmarks.data.idle_executions import UNLIMITED, start_all
from benchmarks.data.rows import EVERY, fill, running
from benchmarks.harness.client import Client, connected, request
from benchmarks.harness.load import Figures, over_http
from benchmarks.harness.measurement import Goal, Row, Scale, column, in_turns
from benchmarks.harness.stage import PLANNED_ONCE, api, data_folder, database, server, temporal
from entrypoints.net import free_port

CLIENTS = 16
LOOKUP = f"SELECT {', '.join(operations.columns.keys())} FROM opledger.operations WHERE id = $1"
DESCRIBE = "GET one that asks Temporal (describe)"


async def rows(scale: Scale) -> list[Row]:
    """Requests per second, and p99."""
    async with _subject(scale) as it:
        ours, theirs, static, lookup = await in_turns(
            scale.repeats,
            lambda: it.read(it.ours, it.ids, scale.of(2_000, 50)),
            lambda: it.read(it.proxy, it.executions, scale.of(1_000, 50)),
            lambda: it.read(it.static, it.ids, scale.of(5_000, 50)),
            lambda: it.look_up(scale.of(5_000, 50)),
        )
    rate, their_rate = column(ours, 0), column(theirs, 0)
    limit = tuple(
        1 / (1 / answered + 1 / looked_up)
        for answered, looked_up in zip(column(static, 0), column(lookup, 0), strict=True)
    )
    clients = f"{CLIENTS} clients"
    return [
        Row("GET one operation", DESCRIBE, "1/s", rate, their_rate, Goal(4, "at least"), clients),
        Row("GET one operation, p99", DESCRIBE, "ms", column(ours, 1), column(theirs, 1), Goal(0.3, "at most")),
        Row(
            *("GET one operation", "static answer + bare lookup", "1/s", rate, limit, Goal(0.7, "at least")),
            note=f"1 / (1/static + 1/lookup), of {column(static, 0)[0]:,.0f} and {column(lookup, 0)[0]:,.0f} a second "
            "in the first turn",
        ),
    ]


@dataclass(frozen=True)
class _Subject:
    """Connections to each server, and the ids that it knows."""

    ours: Sequence[Client]
    proxy: Sequence[Client]
    static: Sequence[Client]
    lookup: "asyncpg.prepared_stmt.PreparedStatement[asyncpg.Record]"
    ids: Sequence[UUID]
    executions: Sequence[UUID]
    chance: random.Random

    async def read(self, clients: Sequence[Client], ids: Sequence[UUID], many: int) -> Figures:
        """Reads random operations, `many` times."""
        return await over_http(clients, [_get(one) for one in self.chance.choices(ids, k=many)])

    async def look_up(self, many: int) -> tuple[float]:
        """Returns the rows per second of sequential lookups."""
        wanted = self.chance.choices(self.ids, k=many)
        begin = time.perf_counter()
        for one in wanted:
            await self.lookup.fetchrow(one)
        return (many / (time.perf_counter() - begin),)


@asynccontextmanager
async def _subject(scale: Scale) -> AsyncIterator[_Subject]:
    made = scale.of(100_000 * EVERY // (EVERY - 1), 1_000)
    ids = running(made)
    executions = ids[: scale.of(500, 50)]
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(data_folder())
        url = await stack.enter_async_context(database(folder))
        address = await stack.enter_async_context(temporal(folder, *UNLIMITED))
        await fill(url, made)
        await start_all(await Temporal.connect(address), "Nobody", [str(one) for one in executions])
        _, port = await stack.enter_async_context(api(url))
        ours = await connected(port, CLIENTS)
        answer = packed(*_parts(await ours[0].send(_get(ids[0]))))
        path = f"/v1/operations/{executions[0]}"
        proxy = await connected(await _app(stack, "proxy", path, TEMPORAL_ADDRESS=address), CLIENTS)
        static = await connected(await _app(stack, "static", path, **{ANSWER: answer}), CLIENTS)
        connection = await connector(f"{url}&{PLANNED_ONCE}")()
        stack.push_async_callback(connection.close)
        lookup = await connection.prepare(LOOKUP)
        yield _Subject(ours, proxy, static, lookup, ids, executions, random.Random(1))
        for client in (*ours, *proxy, *static):
            client.close()


async def _app(stack: AsyncExitStack, name: str, path: str, **variables: str) -> int:
    """Runs one of the reference apps. Returns its port."""
    port = free_port("127.0.0.1")
    command = (sys.executable, "-m", "benchmarks.api.reference_apps", name, "--port", str(port))
    await stack.enter_async_context(server(*command, ready=path, port=port, **variables))
    return port


def _get(one: UUID) -> bytes:
    return request("GET", f"/v1/operations/{one}")


def _parts(answer: bytes) -> tuple[list[tuple[str, str]], bytes]:
    """Returns the headers, without the one that the server adds, and the body."""
    head, _, body = answer.partition(b"\r\n\r\n")
    lines = [line.partition(": ") for line in head.decode().split("\r\n")[1:]]
    return [(name, value) for name, _, value in lines if name.lower() != "date"], body
