"""`opledger.submit` in SQL, against inserts of the same rows and against starting the workflow.

Each submission is a transaction of its own, on one of several connections: it checks its arguments, claims its
idempotency key and stores the operation with its first history line. The inserts store the same rows, with the same
triggers and indexes, in one prepared statement without any check. No dispatcher runs. PostgreSQL syncs each commit.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from itertools import count
from typing import Final

import msgspec
from temporalio.client import Client as Temporal

from adapters.postgres.connection.driver import Connection, DatabaseSettings, connector
from adapters.postgres.schema.grants import grant_submit_to
from adapters.system.operation_ids import RandomOperationIds
from benchmarks.api.accepting import START
from benchmarks.data.idle_executions import INPUT, UNLIMITED, start
from benchmarks.harness.load import Figures, awaited
from benchmarks.harness.measurement import Goal, Row, Scale, column, in_turns
from benchmarks.harness.stage import data_folder, database, temporal

CLIENTS: Final = 32
_IDS: Final = RandomOperationIds()
_INPUT: Final = msgspec.json.encode(INPUT).decode()
_SUBMIT: Final = "SELECT opledger.submit('deploy', $1::text::jsonb, '{\"team\": \"a\"}', $2)"
_INSERT: Final = """
WITH claimed AS (
    INSERT INTO opledger.idempotency_keys (tenant, key, request_hash, operation_id, expires_at)
    VALUES ('default', $2, decode(repeat('00', 32), 'hex'), $3, now() + interval '24 hours')
), added AS (
    INSERT INTO opledger.operations (
        id, tenant, type, status, input, labels, accepted_at, updated_at, dispatch_due_at, dispatch_attempts,
        follow_up_attempts, version, history_length, unchecked
    ) VALUES (
        $3, 'default', 'deploy', 'ACCEPTED', $1::text::json, '{"team": "a"}', now(), now(), now(), 0, 0, 1, 1, true
    )
)
INSERT INTO opledger.transitions (operation_id, sequence, to_status, source, reason, at, actor, details)
VALUES ($3, 1, 'ACCEPTED', 'CLIENT', 'accepted', now(), 'bench', '{}')
"""


async def rows(scale: Scale) -> list[Row]:
    """Transactions per second, and p99."""
    numbers = count(1)
    with data_folder() as folder:
        async with database(folder) as url, temporal(folder, *UNLIMITED) as address:
            engine = await Temporal.connect(address)
            connect = connector(url, DatabaseSettings(statement_timeout=None))
            connections = [await connect() for _ in range(CLIENTS)]
            await grant_submit_to(url, str(await connections[0].fetchval("SELECT current_user")), "default")
            many = scale.of(3_000, 100)
            submitted, inserted, started = await in_turns(
                scale.repeats,
                lambda: _on(connections, [partial(_submit, number=next(numbers)) for _ in range(many)]),
                lambda: _on(connections, [partial(_insert, number=next(numbers)) for _ in range(many)]),
                lambda: _started(engine, numbers, scale.of(500, 50)),
            )
            for connection in connections:
                await connection.close()
    note = f"{CLIENTS} connections; row, history line and idempotency key"
    bare = "bare inserts of the same rows"
    return [
        Row("submit in SQL", bare, "1/s", column(submitted, 0), column(inserted, 0), Goal(0.6, "at least"), note),
        Row("submit in SQL, p99", bare, "ms", column(submitted, 1), column(inserted, 1)),
        Row("submit in SQL", START, "1/s", column(submitted, 0), column(started, 0), Goal(8, "at least"), note),
    ]


async def _on(connections: list[Connection], calls: list[Callable[[Connection], Awaitable[object]]]) -> Figures:
    free: asyncio.LifoQueue[Connection] = asyncio.LifoQueue()
    for connection in connections:
        free.put_nowait(connection)

    async def lent(call: Callable[[Connection], Awaitable[object]]) -> None:
        connection = free.get_nowait()
        await call(connection)
        free.put_nowait(connection)

    return await awaited(len(connections), [partial(lent, call) for call in calls])


async def _submit(connection: Connection, number: int) -> None:
    await connection.fetchval(_SUBMIT, _INPUT, f"key-{number}")


async def _insert(connection: Connection, number: int) -> None:
    await connection.execute(_INSERT, _INPUT, f"key-{number}", _IDS.new())


async def _started(engine: Temporal, numbers: Iterator[int], many: int) -> Figures:
    return await awaited(CLIENTS, [partial(start, engine, "Nobody", f"raw-{next(numbers)}") for _ in range(many)])
