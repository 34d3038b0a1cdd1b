"""Reads the ledger's tables, with SQL of its own."""

import json
from collections import defaultdict

import asyncpg

from tests.chaos.checker.facts import Line, Row, Target

ROWS = """
SELECT id::text, status, history_length, accepted_at, started_at, finished_at, result::text AS result,
       error_code, error_message, error_details::text AS error_details, attention_kind,
       type, coalesce(workflow_id, id::text) AS workflow_id, first_run_id, origin, parent_id::text AS parent_id,
       superseded_by::text AS superseded_by, retry_of::text AS retry_of, input::text AS input,
       start_at, tenant, acknowledged::text AS acknowledged
FROM opledger.operations ORDER BY id
"""
LINES = """
SELECT operation_id::text, sequence, from_status, to_status, source, reason, at, actor
FROM opledger.transitions ORDER BY operation_id, sequence
"""
TARGETS = """
SELECT action.id::text, target.id::text AS target, outcomes.outcome, outcomes.new_operation_id::text
FROM opledger.bulk_actions AS action CROSS JOIN unnest(action.targets) WITH ORDINALITY AS target (id, place)
LEFT JOIN opledger.bulk_outcomes AS outcomes ON outcomes.action_id = action.id AND outcomes.place = target.place
ORDER BY action.id, target.place
"""
KEYS = """
SELECT CASE tenant WHEN 'default' THEN key ELSE tenant || '/' || key END AS key, operation_id::text
FROM opledger.idempotency_keys
"""
UNFINISHED = "SELECT count(*) FROM opledger.operations WHERE status IN ('ACCEPTED', 'RUNNING')"


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


async def targets(connection: "asyncpg.Connection[asyncpg.Record]") -> dict[str, list[Target]]:
    """The targets of every bulk action, and what became of each."""
    found: defaultdict[str, list[Target]] = defaultdict(list)
    for record in await connection.fetch(TARGETS):
        found[record["id"]].append(Target(record["target"], record["outcome"], record["new_operation_id"]))
    return dict(found)


async def unfinished(connection: "asyncpg.Connection[asyncpg.Record]") -> int:
    """How many operations have not ended."""
    count: int = await connection.fetchval(UNFINISHED)
    return count


def _row(record: asyncpg.Record) -> Row:
    values = dict(record)
    values["error_details"] = json.loads(values["error_details"] or "{}")
    values["acknowledged"] = json.loads(values["acknowledged"] or "null")
    return Row(**values)
