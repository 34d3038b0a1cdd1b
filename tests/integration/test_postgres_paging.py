"""A deep page costs what the first page costs, counted in buffers, not in time."""

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.connection.driver import DatabaseSettings
from adapters.postgres.connection.engine import create_engine
from adapters.postgres.operations.operation_queries import PostgresQueries
from application.ports.operation_queries import OperationFilter, PageKey
from domain.operation.status import OperationStatus
from entrypoints.local.embedded.postgres import EmbeddedPostgres
from tests.integration.test_postgres_indexes import indexes, kinds, nodes, vacuum
from tests.support.operations import T0
from tests.support.postgres import own_database
from tests.support.statements import caught

SIZE = 20
PAGES = 1_000
EVERY = 3
"""One of this many operations matches each of the filters."""
ROWS = PAGES * SIZE * EVERY + EVERY * SIZE
# Seven operations share each instant.
FILL = """
INSERT INTO operations (id, tenant, type, status, input, labels, result, accepted_at, started_at, finished_at,
    updated_at, dispatch_attempts, dispatched_at, follow_up_attempts, version, history_length, verified_at,
    verify_due_at)
SELECT lpad(to_hex(n), 32, '0')::uuid, 'reader', CASE WHEN fits THEN 'deploy' ELSE 'other' END,
    CASE WHEN fits THEN 'COMPLETED' ELSE 'RUNNING' END, '{"seconds": 3}',
    jsonb_build_object('team', CASE WHEN fits THEN 'a' ELSE 'b' END, 'n', (n % 1000)::text),
    CASE WHEN fits THEN '{"ok": true}'::json END, accepted, accepted, CASE WHEN fits THEN accepted END, accepted, 1,
    accepted, 0, 3, 3, accepted, CASE WHEN NOT fits THEN accepted END
FROM (SELECT n, n % :every = 0 AS fits,
             timestamptz '2026-01-01 12:00Z' + (n / 7) * interval '1 second' AS accepted
      FROM generate_series(1, :rows) AS n) AS made
"""


@pytest.fixture(scope="module")
async def deep(postgres_server: EmbeddedPostgres) -> AsyncIterator[AsyncEngine]:
    """A tenant with a thousand pages for each filter."""
    async with own_database(postgres_server) as url:
        engine = create_engine(url)
        async with engine.begin() as connection:
            await connection.execute(text(FILL), {"rows": ROWS, "every": EVERY})
        async with engine.begin() as connection:
            # ANALYZE then reads all rows: from a random half, one run in ten would take rare labels for frequent.
            await connection.execute(text("ALTER TABLE operations ALTER COLUMN labels SET STATISTICS 1000"))
        await vacuum(engine)
        yield engine
        await engine.dispose()


def key_of(number: int) -> PageKey:
    """Returns the position of the operation with this number."""
    return PageKey(T0 + timedelta(seconds=number // 7), UUID(int=number))


async def read(
    engine: AsyncEngine, criteria: OperationFilter, after: PageKey | None, *, newest_first: bool
) -> tuple[list[int], int, list[dict[str, Any]]]:
    """Reads a page. Returns its numbers, the buffers that it touched, and its plan."""
    with caught(engine) as asked:
        page = await PostgresQueries(engine)("reader").page(
            criteria, newest_first=newest_first, after=after, limit=SIZE
        )
    [(statement, parameters)] = asked
    async with engine.connect() as connection:
        found = await connection.exec_driver_sql(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}", parameters)
        plan = json.loads(found.scalar_one())[0]["Plan"]
    touched = plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
    return [row.id.int for row in page.items], touched, list(nodes(plan))


FILTERS = {
    "all": OperationFilter(),
    "status": OperationFilter(statuses=frozenset({OperationStatus.COMPLETED})),
    "type": OperationFilter(type="deploy"),
    "label": OperationFilter(labels={"team": "a"}),
    "together": OperationFilter(statuses=frozenset({OperationStatus.COMPLETED}), type="deploy", labels={"team": "a"}),
}


@pytest.mark.parametrize("newest_first", [True, False], ids=["newest first", "oldest first"])
@pytest.mark.parametrize("what", FILTERS)
async def test_page_1000_costs_what_page_1_costs(deep: AsyncEngine, what: str, newest_first: bool) -> None:
    """It starts in the index after the page before: without an offset or a sort."""
    step = 1 if what == "all" else EVERY
    numbers = [number for number in range(1, ROWS + 1) if number % step == 0]
    if newest_first:
        numbers.reverse()
    behind = (PAGES - 1) * SIZE
    first, at_first, _ = await read(deep, FILTERS[what], None, newest_first=newest_first)
    last, at_last, plan = await read(deep, FILTERS[what], key_of(numbers[behind - 1]), newest_first=newest_first)
    assert first == numbers[:SIZE]
    assert last == numbers[behind : behind + SIZE]
    assert at_last <= 2 * at_first
    assert at_last < SIZE
    assert indexes(plan) <= {f"ix_operations_tenant_{order}" for order in ("accepted", "status", "type")}
    assert not {"Seq Scan", "Sort"} & kinds(plan)


async def test_an_offset_costs_more_buffers(deep: AsyncEngine) -> None:
    """The measurement can tell: OFFSET reads all rows that it skips."""
    offset = "SELECT * FROM operations WHERE tenant = 'reader' ORDER BY accepted_at, id LIMIT 20 OFFSET 19980"
    async with deep.connect() as connection:
        found = await connection.exec_driver_sql(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {offset}")
        plan = json.loads(found.scalar_one())[0]["Plan"]
    assert plan["Shared Hit Blocks"] + plan["Shared Read Blocks"] > 20 * SIZE


async def test_a_page_is_planned_for_its_parameters(database_url: str) -> None:
    """Also after many repeats. A generic plan would read all of a tenant's rows for a frequent label."""
    engine = create_engine(database_url, DatabaseSettings(pool_size=1))
    queries = PostgresQueries(engine)("reader")
    for _ in range(10):
        await queries.page(FILTERS["type"], newest_first=True, after=None, limit=SIZE)
    plans = "SELECT custom_plans, generic_plans FROM pg_prepared_statements WHERE statement LIKE 'SELECT CAST(%'"
    async with engine.connect() as connection:
        assert [tuple(row) for row in await connection.execute(text(plans))] == [(10, 0)]
    await engine.dispose()


async def test_rare_labels_use_their_index_on_any_page(deep: AsyncEngine) -> None:
    """The GIN index."""
    criteria = OperationFilter(labels={"n": "500"})
    numbers = list(range(500, ROWS + 1, 1000))
    found, touched, _ = await read(deep, criteria, key_of(numbers[30]), newest_first=False)
    assert found == numbers[31 : 31 + SIZE]
    assert touched < 10 * len(numbers)
