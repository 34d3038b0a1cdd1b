"""Fills a peer's tables with copies of one row that the peer itself has written, changed in some columns."""

from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass

from adapters.postgres.connection.driver import Connection, DatabaseSettings, connector
from benchmarks.data.rows import EVERY

_COPY = """
INSERT INTO {table} SELECT made.*
FROM (SELECT to_jsonb(found) AS original FROM {of} AS found LIMIT 1) AS template,
    (SELECT n, n % {every} = 0 AS finished, lpad(to_hex(n), 32, '0')::uuid AS id,
            timestamptz '2026-01-01Z' + n * interval '1 millisecond' AS at
     FROM generate_series(1, {many}) AS n) AS numbered,
    LATERAL jsonb_populate_record(NULL::{table}, original || jsonb_build_object({changes})) AS made
WHERE {where}
"""


@dataclass(frozen=True, slots=True)
class Copies:
    """Copies for one table."""

    table: str
    changes: Mapping[str, str]
    """By column: an SQL expression of `original` (the copied row as JSON), `n`, `finished`, `id` and `at`."""
    of: str | None = None
    """The table of the copied row, if it is another one."""
    where: str = "true"


async def fill(database_url: str, many: int, *tables: Copies) -> None:
    """Copy the row `many` times into each table, without its triggers and foreign keys, and vacuum the database."""
    async with AsyncExitStack() as stack:
        connection: Connection = await connector(database_url, DatabaseSettings(statement_timeout=None))()
        stack.push_async_callback(connection.close)
        await connection.execute("SET session_replication_role = replica")
        for copies in tables:
            await connection.execute(_statement(copies, many))
        await connection.execute("VACUUM ANALYZE")
        await connection.execute("CHECKPOINT")  # which would otherwise fall into what is measured


def _statement(copies: Copies, many: int) -> str:
    changes = ", ".join(f"'{column}', {expression}" for column, expression in copies.changes.items())
    of = copies.of or copies.table
    return _COPY.format(table=copies.table, of=of, every=EVERY, many=many, changes=changes, where=copies.where)
