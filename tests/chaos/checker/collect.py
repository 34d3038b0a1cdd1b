"""Collects the facts from both sides, directly."""

from collections.abc import Mapping, Sequence
from datetime import datetime

import asyncpg

from tests.chaos.checker import ledger
from tests.chaos.checker.engine import Engine
from tests.chaos.checker.facts import Facts, Order


async def collect(
    connection: "asyncpg.Connection[asyncpg.Record]",
    engine: Engine,
    answers: Mapping[str, set[str]],
    deleted: Mapping[str, Sequence[datetime]],
    orders: Mapping[str, Order],
) -> Facts:
    """`orders` is by idempotency key.

    The rows are read before the runs: a row may only be too old against a run, never too new.
    """
    rows = await ledger.rows(connection)
    answered = {operation_id for ids in answers.values() for operation_id in ids}
    return Facts(
        rows=rows,
        lines=await ledger.lines(connection),
        stored_keys=await ledger.stored_keys(connection),
        runs=await engine.runs(rows.keys() | answered),
        answers={key: frozenset(ids) for key, ids in answers.items()},
        deleted={operation_id: list(times) for operation_id, times in deleted.items()},
        orders={operation_id: orders[key] for key, ids in answers.items() for operation_id in ids},
    )
