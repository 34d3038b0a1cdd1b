"""A deep page costs what the first page costs, counted in buffers, not in time."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.connection.driver import DatabaseSettings
from adapters.postgres.connection.engine import create_engine
from adapters.postgres.operations.operation_queries import PostgresQueries
from application.ports.storage.operation_queries import OperationFilter, PageKey, SortTime
from domain.operation.attention import AttentionKind
from domain.operation.operation_error import ErrorCode
from domain.operation.origin import Origin
from domain.operation.status import OperationStatus
from entrypoints.local.embedded.postgres import EmbeddedPostgres
from tests.integration.postgres.test_indexes import indexes, kinds, nodes, vacuum
from tests.support.operations import T0
from tests.support.postgres.server import own_database
from tests.support.postgres.statements import caught

SIZE = 20
PAGES = 1_000
EVERY = 3
"""One of this many operations matches each of the filters."""
ROWS = PAGES * SIZE * EVERY + EVERY * SIZE
# Seven operations share each instant. Those that match are COMPLETED and have an attention, a parent, a workflow id and
# an origin. As many are FAILED.
FILL = """
INSERT INTO opledger.operations (
    id, tenant, type, status, input, labels, result, error_code, error_message, error_details,
    accepted_at, started_at, finished_at, updated_at, dispatch_attempts, dispatched_at, follow_up_attempts, version,
    history_length, verified_at, verify_due_at, attention_kind, attention_since, attention_message, parent_id,
    workflow_id, origin)
SELECT lpad(to_hex(n), 32, '0')::uuid, 'reader', CASE WHEN fits THEN 'deploy' ELSE 'other' END,
    CASE WHEN fits THEN 'COMPLETED' WHEN failed THEN 'FAILED' ELSE 'RUNNING' END, '{"seconds": 3}',
    jsonb_build_object('team', CASE WHEN fits THEN 'a' ELSE 'b' END, 'n', (n % 1000)::text),
    CASE WHEN fits THEN '{"ok": true}'::json END, CASE WHEN failed THEN 'TIMED_OUT' END,
    CASE WHEN failed THEN 'why' END, CASE WHEN failed THEN '{}'::json END, accepted, accepted,
    CASE WHEN fits OR failed THEN accepted END, accepted, 1, accepted, 0, 3, 3, accepted,
    CASE WHEN NOT fits AND NOT failed THEN accepted END, CASE WHEN fits THEN 'DIVERGED' END,
    CASE WHEN fits THEN accepted END, CASE WHEN fits THEN 'why' END,
    CASE WHEN fits THEN lpad(to_hex(1 + n / :every % 2), 32, '0')::uuid END,
    CASE WHEN fits THEN 'machine' || n / :every % 2 END, CASE WHEN fits THEN 'ADOPTED' ELSE 'LEDGER' END
FROM (SELECT n, n % :every = 0 AS fits, n % :every = 1 AS failed,
             timestamptz '2026-01-01 12:00Z' + (n / 7) * interval '1 second' AS accepted
      FROM generate_series(1, :rows) AS n) AS made
"""


ORIGIN = "CASE WHEN fits THEN 'ADOPTED' ELSE 'LEDGER' END"
# The tenant has submitted the nine oldest operations, and only adopts since.
ADOPTED = FILL.replace(ORIGIN, "CASE WHEN n <= 9 THEN 'LEDGER' ELSE 'ADOPTED' END")


@asynccontextmanager
async def filled(server: EmbeddedPostgres, rows: int, fill: str = FILL) -> AsyncIterator[AsyncEngine]:
    """A database with so many operations."""
    async with own_database(server) as url:
        engine = create_engine(url, DatabaseSettings(statement_timeout=None))
        async with engine.begin() as connection:
            await connection.execute(text(fill), {"rows": rows, "every": EVERY})
        async with engine.begin() as connection:
            # ANALYZE then reads all rows: from a random half, one run in ten would take rare labels for frequent.
            await connection.execute(text("ALTER TABLE opledger.operations ALTER COLUMN labels SET STATISTICS 1000"))
        await vacuum(engine)
        yield engine
        await engine.dispose()


@pytest.fixture(scope="module")
async def deep(postgres_server: EmbeddedPostgres) -> AsyncIterator[AsyncEngine]:
    """A tenant with a thousand pages for each filter."""
    async with filled(postgres_server, ROWS) as engine:
        yield engine


def key_of(number: int) -> PageKey:
    """Returns the position of the operation with this number."""
    return PageKey(T0 + timedelta(seconds=number // 7), UUID(int=number))


async def read(
    engine: AsyncEngine,
    criteria: OperationFilter,
    after: PageKey | None,
    *,
    newest_first: bool,
    by: SortTime = SortTime.ACCEPTED,
) -> tuple[list[int], int, list[dict[str, Any]]]:
    """Reads a page. Returns its numbers, the buffers that it touched, and its plan."""
    with caught(engine) as asked:
        page = await PostgresQueries(engine)("reader").page(
            criteria, newest_first=newest_first, after=after, limit=SIZE, by=by
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


KINDS = frozenset({AttentionKind.DIVERGED, AttentionKind.STALLED})
CODES = frozenset({ErrorCode.TIMED_OUT, ErrorCode.CANCELED})
BOTH = frozenset({UUID(int=1), UUID(int=2)})
NAMES = frozenset({"machine0", "machine1"})
FOUND: dict[str, tuple[OperationFilter, int, str]] = {
    "error code": (OperationFilter(error_codes=frozenset({ErrorCode.TIMED_OUT})), 1, "ix_operations_tenant_error"),
    "error codes": (OperationFilter(error_codes=CODES), 1, "ix_operations_tenant_error"),
    "attentions": (OperationFilter(attentions=KINDS), 0, "ix_operations_tenant_attention"),
    "parents": (OperationFilter(parents=BOTH), 0, "ix_operations_parent"),
    "workflow ids": (OperationFilter(workflow_ids=NAMES), 0, "ix_operations_workflow_id"),
    "origins": (OperationFilter(origins=frozenset({Origin.ADOPTED, Origin.CLIENT})), 0, "ix_operations_tenant_origin"),
}
"""The filter, the remainder of the numbers that match, and the index."""


@pytest.mark.parametrize("newest_first", [True, False], ids=["newest first", "oldest first"])
@pytest.mark.parametrize("what", FOUND)
async def test_page_1000_of_a_filter_with_several_values_costs_what_page_1_costs(
    deep: AsyncEngine, what: str, newest_first: bool
) -> None:
    """Each value reads its index from where the page before ended. A sort of the first rows of each value is fine."""
    criteria, remainder, index = FOUND[what]
    numbers = [number for number in range(1, ROWS + 1) if number % EVERY == remainder]
    if newest_first:
        numbers.reverse()
    behind = (PAGES - 1) * SIZE
    first, at_first, _ = await read(deep, criteria, None, newest_first=newest_first)
    last, at_last, plan = await read(deep, criteria, key_of(numbers[behind - 1]), newest_first=newest_first)
    assert first == numbers[:SIZE]
    assert last == numbers[behind : behind + SIZE]
    assert at_last <= 2 * at_first
    assert at_last < 3 * SIZE
    assert indexes(plan) == {index}
    assert "Seq Scan" not in kinds(plan)


async def test_the_few_operations_of_an_origin_are_found_without_reading_the_others(
    postgres_server: EmbeddedPostgres,
) -> None:
    """Also those that the ledger has started, and from either end of the list."""
    criteria = OperationFilter(origins=frozenset({Origin.LEDGER}))
    async with filled(postgres_server, 6_000, ADOPTED) as engine:
        for newest_first in (True, False):
            found, touched, plan = await read(engine, criteria, None, newest_first=newest_first)
            assert sorted(found) == list(range(1, 10))
            assert touched < SIZE
            assert indexes(plan) == {"ix_operations_tenant_origin"}


@pytest.mark.parametrize("newest_first", [True, False], ids=["newest first", "oldest first"])
@pytest.mark.parametrize("by", SortTime)
async def test_page_1000_between_times_costs_what_page_1_costs(
    deep: AsyncEngine, by: SortTime, newest_first: bool
) -> None:
    """Within the bounds, without a sort. It does not begin at the bound."""
    start, end = key_of(70).at, key_of(ROWS - 70).at
    if by is SortTime.FINISHED:
        bounds = OperationFilter(finished_after=start, finished_before=end)
    else:
        bounds = OperationFilter(accepted_after=start, accepted_before=end)
    fitting = (0, 1) if by is SortTime.FINISHED else (0, 1, 2)
    numbers = [n for n in range(1, ROWS + 1) if n % EVERY in fitting and start < key_of(n).at < end]
    if newest_first:
        numbers.reverse()
    behind = (PAGES - 1) * SIZE
    first, at_first, _ = await read(deep, bounds, None, newest_first=newest_first, by=by)
    last, at_last, plan = await read(deep, bounds, key_of(numbers[behind - 1]), newest_first=newest_first, by=by)
    assert first == numbers[:SIZE]
    assert last == numbers[behind : behind + SIZE]
    assert at_last <= 2 * at_first
    assert at_last < SIZE
    assert indexes(plan) == {f"ix_operations_tenant_{by.name.lower()}"}
    assert not {"Seq Scan", "Sort"} & kinds(plan)


async def test_an_offset_costs_more_buffers(deep: AsyncEngine) -> None:
    """The measurement can tell: OFFSET reads all rows that it skips."""
    offset = "SELECT * FROM opledger.operations WHERE tenant = 'reader' ORDER BY accepted_at, id LIMIT 20 OFFSET 19980"
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
