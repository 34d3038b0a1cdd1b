"""Reads the ledger's tables, with SQL of its own."""

import json
from collections import defaultdict

import asyncpg

from tests.chaos.checker.facts import Line, Row

ROWS = """
SELECT id::text, status, history_length, accepted_at, started_at, finished_at, result::text AS result,
       error_code, error_message, error_details::text AS error_details, attention_kind
FROM operations ORDER BY id
"""
LINES = """
SELECT operation_id::text, sequence, from_status, to_status, source, reason, at
FROM transitions ORDER BY operation_id, sequence
"""
KEYS = "SELECT key, operation_id::text FROM idempotency_keys"
UNFINISHED = "SELECT count(*) FROM operations WHERE status IN ('ACCEPTED', 'RUNNING')"


async def rows(connection: "asyncpg.Connection[asyncpg.Record]") -> dict[str, Row]:
    """Every operation."""
    return {record["id"]: _row(record) for record in await connection.fetch(ROWS)}


async def lines(connection: "asyncpg.Connection[asyncpg.Record]") -> dict[str, list[Line]]:
    """Every history line, by operation."""
    found: defaultdict[str, list[Line]] = defaultdict(list)
    for record in await connection.fetch(LINES):
        found[record["operation_id"]].append(Line(**{k: v for k, v in record.items() if k != "operation_id"}))
    return dict(found)


async def stored_keys(connection: "asyncpg.Connection[asyncpg.Record]") -> list[tuple[str, str]]:
    """Every idempotency key, with its operation."""
    return [(record["key"], record["operation_id"]) for record in await connection.fetch(KEYS)]


async def unfinished(connection: "asyncpg.Connection[asyncpg.Record]") -> int:
    """How many operations have not ended."""
    count: int = await connection.fetchval(UNFINISHED)
    return count


def _row(record: asyncpg.Record) -> Row:
    values = dict(record)
    values["error_details"] = json.loads(values["error_details"] or "{}")
    return Row(**values)
