"""Fills the ledger by SQL with operations of twenty types that finished in the last week.

One in ten failed, with one of three codes. Their histories are left out.
"""

import asyncio
from collections.abc import Iterator
from datetime import datetime
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.unit_of_work import PostgresUnitsOfWork
from application.operate.fold_counts import FoldCounts
from application.ports.clock import Clock

TYPES: Final = 20
PARTS: Final = 2
"""Parts that are filled concurrently."""
CHUNK: Final = 250_000
"""Rows per statement."""
FOLDED: Final = 20_000
FILL: Final = text(
    """
    INSERT INTO opledger.operations (id, tenant, type, status, input, labels, result, error_code, error_message,
        error_details, accepted_at, started_at, finished_at, updated_at, dispatch_attempts, dispatched_at,
        follow_up_attempts, version, history_length)
    SELECT lpad(to_hex(n), 32, '0')::uuid, 'default', 'type-' || n % CAST(:types AS integer),
        CASE WHEN code IS NULL THEN 'COMPLETED' ELSE 'FAILED' END, '{"machine": "machine-1"}', '{}',
        CASE WHEN code IS NULL THEN '{"ok": true}'::json END, code, CASE WHEN code IS NOT NULL THEN 'it failed' END,
        CASE WHEN code IS NOT NULL THEN '{}'::json END, began, began, ended, ended, 1, began, 0, 3, 3
    FROM (
        SELECT n, ended, ended - n % 600 * interval '100 milliseconds' AS began,
            CASE n % 30 WHEN 7 THEN 'WORKFLOW_FAILED' WHEN 11 THEN 'TIMED_OUT' WHEN 23 THEN 'TERMINATED' END AS code
        FROM (
            SELECT n, CAST(:now AS timestamptz)
                - (CAST(:rows AS integer) - n) * (interval '7 days' / CAST(:rows AS integer)) AS ended
            FROM generate_series(CAST(:first AS integer), CAST(:last AS integer)) AS n
        ) AS timed
    ) AS made
    """
)


async def fill_week(engine: AsyncEngine, rows: int, clock: Clock) -> None:
    """Fills an empty ledger with `rows` operations, merges the counters of the triggers, and vacuums it."""
    now = clock.now()
    chunks = iter(range(1, rows + 1, CHUNK))
    await asyncio.gather(*(_chunks(engine, rows, now, chunks) for _ in range(PARTS)))
    folder = FoldCounts(PostgresUnitsOfWork(engine), clock)
    while (await folder.step(FOLDED)).found:
        pass
    async with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        await connection.execute(text("VACUUM ANALYZE"))
        await connection.execute(text("CHECKPOINT"))


async def _chunks(engine: AsyncEngine, rows: int, now: datetime, chunks: Iterator[int]) -> None:
    for first in chunks:
        bounds = {"types": TYPES, "rows": rows, "now": now, "first": first, "last": min(rows, first + CHUNK - 1)}
        async with engine.begin() as connection:
            await connection.execute(FILL, bounds)
