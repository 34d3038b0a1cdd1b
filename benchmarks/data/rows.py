"""Fills the ledger with rows by SQL: a million take a minute.

Every third operation is a COMPLETED `deploy` of team `a`, the others are RUNNING `commission`s of team `b`, accepted a
millisecond after one another. Their histories are left out: no benchmark on these rows reads them.
"""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.connection.driver import DatabaseSettings
from adapters.postgres.connection.engine import create_engine
from application.ports.storage.operation_queries import PageKey

EVERY: Final = 3
"""One in three operations is a COMPLETED `deploy`."""
BEGIN: Final = datetime(2026, 1, 1, tzinfo=UTC)
PARTS: Final = 2
"""Parts that are filled concurrently."""
FILL: Final = """
INSERT INTO opledger.operations (id, tenant, type, status, input, labels, result, accepted_at, started_at, finished_at,
    updated_at, dispatch_attempts, dispatched_at, follow_up_attempts, version, history_length, verified_at,
    verify_due_at)
SELECT lpad(to_hex(n), 32, '0')::uuid, CASE WHEN tenants = 1 THEN 'default' ELSE 'tenant-' || n % tenants END,
    CASE WHEN fits THEN 'deploy' ELSE 'commission' END,
    CASE WHEN fits THEN 'COMPLETED' ELSE 'RUNNING' END, '{"machine": "machine-1", "seconds": 3}',
    jsonb_build_object('team', CASE WHEN fits THEN 'a' ELSE 'b' END, 'release', (n % 1000)::text),
    CASE WHEN fits THEN '{"machine": "machine-1", "ok": true}'::json END, accepted, accepted,
    CASE WHEN fits THEN accepted END, accepted, 1, accepted, 0, 3, 3, accepted,
    CASE WHEN NOT fits THEN now() + interval '1 hour' END
FROM (SELECT n, n % CAST(:every AS integer) = 0 AS fits,
             CAST(:begin AS timestamptz) + n * interval '1 millisecond' AS accepted,
             CAST(:tenants AS integer) AS tenants
      FROM generate_series(CAST(:first AS integer), CAST(:last AS integer)) AS n) AS made
"""


def operation_id(number: int) -> UUID:
    """Returns the id of the operation with that number in the order of acceptance."""
    return UUID(int=number)


def place(number: int) -> PageKey:
    """Returns the position in the order of acceptance."""
    return PageKey(BEGIN + number * timedelta(milliseconds=1), operation_id(number))


def running(rows: int) -> Sequence[UUID]:
    """Returns the RUNNING ones of `rows` operations, in the order of acceptance."""
    return [operation_id(number) for number in range(1, rows + 1) if number % EVERY]


async def fill(url: str, rows: int, tenants: int = 1) -> None:
    """Fills an empty ledger with `rows` operations of `tenants` tenants in turn, and vacuums it."""
    engine = create_engine(url, DatabaseSettings(statement_timeout=None))
    bounds = [rows * part // PARTS for part in range(PARTS + 1)]
    try:
        await asyncio.gather(*(_part(engine, first + 1, last, tenants) for first, last in pairwise(bounds)))
        async with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
            await connection.execute(text("VACUUM ANALYZE"))
            await connection.execute(text("CHECKPOINT"))  # which would otherwise fall into what is measured
    finally:
        await engine.dispose()


async def _part(engine: AsyncEngine, first: int, last: int, tenants: int) -> None:
    bounds = {"first": first, "last": last, "every": EVERY, "begin": BEGIN, "tenants": tenants}
    async with engine.begin() as connection:
        await connection.execute(text(FILL), bounds)
