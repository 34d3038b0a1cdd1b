"""The throughput equals a plain count of what started and ended, whatever changes operations."""

import asyncio
import random
from collections import Counter
from collections.abc import Mapping

import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.operations.operation_queries import PostgresQueries
from adapters.postgres.schema.tables import operation_throughput, operation_throughput_changes
from adapters.postgres.unit_of_work import PostgresUnitsOfWork
from domain.throughput import Became, Window
from tests.contract.storage.operations.test_operation_repository import SHARED
from tests.integration.postgres.test_counts import do
from tests.support.operations import T0

PLAIN = """
SELECT type, became, CASE became WHEN 'FAILED' THEN error_code ELSE '' END, count(*)
FROM opledger.operations, LATERAL (VALUES (started_at, 'RUNNING'), (finished_at, status)) AS event (at, became)
WHERE tenant = 'default' AND at IS NOT NULL GROUP BY 1, 2, 3
"""
KEPT = """
SELECT type, status, error_code, sum(number)::bigint FROM (
    SELECT type, status, error_code, number FROM opledger.operation_throughput
    WHERE tenant = 'default' AND minutes = 120
    UNION ALL
    SELECT type, status, error_code, change FROM opledger.operation_throughput_changes WHERE tenant = 'default'
) AS every GROUP BY 1, 2, 3 HAVING sum(number) <> 0
"""
STEPS = ("add", "move", "note", "fold", "change by hand")
"""Without deletions, after which a plain count has less."""
steps = st.lists(st.tuples(st.sampled_from(STEPS), st.booleans(), st.integers(0, 2**16)), max_size=12)


async def plain(engine: AsyncEngine) -> Mapping[tuple[str, str, str], int]:
    """Counts the rows."""
    async with engine.connect() as connection:
        return {(row[0], row[1], row[2]): row[3] for row in await connection.execute(text(PLAIN))}


def named(totals: Mapping[Became, int]) -> Mapping[tuple[str, str, str], int]:
    """Returns the totals by the database's values."""
    return {(kind, status.value, code.value if code else ""): many for (kind, status, code), many in totals.items()}


@settings(deadline=None, max_examples=30, suppress_health_check=[*SHARED, HealthCheck.too_slow])
@given(steps)
async def test_throughput_follows_every_change(
    postgres_engine: AsyncEngine, steps: list[tuple[str, bool, int]]
) -> None:
    """Committed or rolled back, by the ledger or by hand, in the buckets of every length."""
    units = PostgresUnitsOfWork(postgres_engine)
    queries = PostgresQueries(postgres_engine)("default")
    for what, committed, seed in steps:
        async with units() as unit:
            await do(unit, what, random.Random(seed))
            if committed:
                await unit.commit()
    expected = await plain(postgres_engine)
    for window in Window:
        found = await queries.throughput(window, window.start_of(T0), None)
        assert named(found.totals) == expected
        by_status: Counter[str] = Counter()
        for (_, status), many in found.by_bucket.items():
            by_status[status.value] += many
        summed: Counter[str] = Counter()
        for (_, name, _), many in expected.items():
            summed[name] += many
        assert by_status == summed


async def test_throughput_is_exact_in_every_snapshot_while_writers_and_folds_compete(
    postgres_engine: AsyncEngine,
) -> None:
    """A reader compares both within one transaction."""
    units = PostgresUnitsOfWork(postgres_engine)

    async def write(seed: int) -> None:
        choice = random.Random(seed)
        for _ in range(15):
            async with units() as unit:
                await do(unit, choice.choice(("add", "add", "move", "move", "note", "fold")), choice)
                if choice.random() < 0.8:
                    await unit.commit()

    async def compare() -> None:
        snapshots = postgres_engine.execution_options(isolation_level="REPEATABLE READ")
        for _ in range(30):
            async with snapshots.connect() as connection:
                kept, counted = [sorted(map(tuple, await connection.execute(text(one)))) for one in (KEPT, PLAIN)]
            assert kept == counted

    await asyncio.gather(*map(write, range(4)), compare())


async def test_a_change_that_neither_starts_nor_ends_an_operation_adds_no_row(postgres_engine: AsyncEngine) -> None:
    """So that such saves cost what they did."""
    units = PostgresUnitsOfWork(postgres_engine)
    async with units() as unit:
        await do(unit, "add", random.Random(3))
        await unit.commit()
    query = sa.select(sa.func.count()).select_from(operation_throughput_changes)
    async with postgres_engine.connect() as connection:
        before = await connection.scalar(query)
    async with units() as unit:
        await do(unit, "note", random.Random(3))
        await unit.commit()
    async with postgres_engine.connect() as connection:
        assert await connection.scalar(query) == before


async def test_a_fold_leaves_a_row_of_each_bucket_and_no_change(postgres_engine: AsyncEngine) -> None:
    """Limited folds go on until none is left. Changes that are not committed stay."""
    units = PostgresUnitsOfWork(postgres_engine)
    for seed in range(4):
        async with units() as unit:
            await do(unit, "add", random.Random(seed))
            await unit.commit()
    async with units() as open_unit:
        await do(open_unit, "add", random.Random(1))
        while True:
            async with units() as unit:
                folded = await unit.operations.fold_throughput(T0, 3)
                await unit.commit()
            if folded < 3:
                break
        await open_unit.commit()
    async with postgres_engine.connect() as connection:
        left = await connection.scalar(sa.select(sa.func.sum(operation_throughput_changes.c.change)))
        rows = (
            await connection.execute(sa.select(operation_throughput).where(operation_throughput.c.minutes == 1))
        ).all()
    found = await PostgresQueries(postgres_engine)("default").throughput(Window.HOUR, T0, None)
    assert left > 0
    assert sum(row.number for row in rows) + left == sum(found.totals.values())


async def test_two_folds_do_not_wait_for_one_another(postgres_engine: AsyncEngine) -> None:
    """The second does nothing."""
    units = PostgresUnitsOfWork(postgres_engine)
    async with units() as unit:
        await do(unit, "add", random.Random(3))
        await unit.commit()
    async with units() as first, units() as second:
        assert await first.operations.fold_throughput(T0, 100) > 0
        assert await second.operations.fold_throughput(T0, 100) == 0
