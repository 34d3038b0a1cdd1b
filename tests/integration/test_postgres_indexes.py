"""The queries run on the indexes that were made for them, as the planner sees it with realistic numbers of rows."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.connection.driver import connector
from adapters.postgres.connection.engine import create_engine
from adapters.postgres.convergence.drift_queries import PostgresDriftQueries
from adapters.postgres.feed.change_feed import PostgresChangeFeed
from adapters.postgres.feed.notifications import Listener
from adapters.postgres.operations.operation_queries import PostgresQueries
from adapters.postgres.unit_of_work import PostgresUnitsOfWork
from application.ports.change_feed import Position
from application.ports.operation_queries import OperationFilter, PageKey
from domain.operation.attention import AttentionKind
from domain.operation.status import OperationStatus
from entrypoints.local.embedded.postgres import EmbeddedPostgres
from tests.support.operations import at
from tests.support.postgres import TEMPLATE
from tests.support.statements import caught

ROWS = 20_000
# 97 % done, as in any ledger that has run for a while; ten tenants, of which one has half of all.
FILL = """
INSERT INTO operations (id, tenant, type, status, input, labels, result, accepted_at, started_at, finished_at,
    updated_at, dispatch_due_at, dispatch_attempts, dispatched_at, follow_up_due_at, follow_up_attempts, version,
    history_length, verified_at, verify_due_at, attention_kind, attention_since, attention_message)
SELECT lpad(to_hex(n), 32, '0')::uuid, 'tenant' || CASE WHEN n % 2 = 0 THEN 0 ELSE n % 10 END, 'type' || n % 7,
    CASE WHEN kind < 2 THEN 'ACCEPTED' WHEN kind < 6 THEN 'RUNNING' ELSE 'COMPLETED' END,
    '{"seconds": 3}', jsonb_build_object('team', 'team' || n % 500), CASE WHEN kind >= 6 THEN '{"ok": true}'::json END,
    accepted, CASE WHEN kind >= 2 THEN accepted END, CASE WHEN kind >= 6 THEN accepted END, accepted,
    CASE WHEN kind = 0 THEN accepted END, 1, CASE WHEN kind > 0 THEN accepted END,
    CASE WHEN kind = 1 THEN accepted END, 0, 3, 3, CASE WHEN kind > 0 THEN accepted END,
    CASE WHEN kind BETWEEN 1 AND 5 THEN accepted END, attention, CASE WHEN attention > '' THEN accepted END,
    CASE WHEN attention > '' THEN 'why' END
FROM (SELECT n, n % 200 AS kind, CASE n % 200 WHEN 3 THEN 'STALLED' WHEN 193 THEN 'DIVERGED' END AS attention,
             timestamptz '2026-01-01 12:00Z' + n * interval '1 second' AS accepted
      FROM generate_series(1, :rows) AS n) AS made
"""
KEYS = "INSERT INTO idempotency_keys SELECT tenant, id::text, 'hash', id, accepted_at FROM operations"
HISTORY = """
INSERT INTO transitions
SELECT id, sequence, CASE WHEN sequence > 1 THEN 'ACCEPTED' END, 'ACCEPTED', 'CLIENT', 'filled', accepted_at, NULL, '{}'
FROM operations, generate_series(1, 3) AS sequence
"""


@pytest.fixture(scope="module")
async def filled(postgres_server: EmbeddedPostgres) -> AsyncIterator[AsyncEngine]:
    """A ledger with a past."""
    await postgres_server.create_database("filled", template=TEMPLATE)
    engine = create_engine(postgres_server.url_for("filled"))
    async with engine.begin() as connection:
        await connection.execute(text(FILL), {"rows": ROWS})
        await connection.execute(text(KEYS))
        await connection.execute(text(HISTORY))
    await vacuum(engine)
    yield engine
    await engine.dispose()
    await postgres_server.drop_database("filled")


async def vacuum(engine: AsyncEngine) -> None:
    """What autovacuum does in its time."""
    async with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        await connection.execute(text("VACUUM ANALYZE"))


async def plan_of(engine: AsyncEngine, call: Callable[[], Awaitable[object]]) -> list[dict[str, Any]]:
    """The plan nodes of the one statement that the call executes."""
    [plan] = await plans_of(engine, call)
    return plan


async def plans_of(engine: AsyncEngine, call: Callable[[], Awaitable[object]]) -> list[list[dict[str, Any]]]:
    """The plan nodes of each statement that the call executes."""
    with caught(engine) as asked:
        await call()
    plans = []
    async with engine.connect() as connection:
        for statement, parameters in asked:
            found = await connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {statement}", parameters)
            plans.append(list(nodes(json.loads(found.scalar_one())[0]["Plan"])))
    return plans


def nodes(plan: dict[str, Any]) -> Any:
    """The plan and everything below it."""
    yield plan
    for part in plan.get("Plans", []):
        yield from nodes(part)


def indexes(plan: list[dict[str, Any]]) -> set[str]:
    """The indexes it uses."""
    return {node["Index Name"] for node in plan if "Index Name" in node}


def kinds(plan: list[dict[str, Any]]) -> set[str]:
    """The kinds of its nodes."""
    return {node["Node Type"] for node in plan}


LEASE = timedelta(seconds=30)
SOME = [UUID(int=number) for number in range(1, ROWS, 200)]
CHANGES: dict[str, tuple[str, Callable[[Any], Awaitable[object]]]] = {
    "dispatch": ("ix_operations_due_dispatch", lambda unit: unit.operations.claim_due_dispatches(at(9**6), LEASE, 50)),
    "follow-up": (
        "ix_operations_due_follow_up",
        lambda unit: unit.operations.claim_due_follow_ups(at(9**6), LEASE, 50),
    ),
    "verification": (
        "ix_operations_due_verification",
        lambda unit: unit.operations.claim_due_verifications(at(9**6), LEASE, 50),
    ),
    "oldest without callback": ("ix_operations_uncalled", lambda unit: unit.operations.oldest_without_callback()),
    "waiting": ("ix_operations_waiting", lambda unit: unit.operations.waiting(["type1"], at(9**6), 4)),
    "stalled": ("ix_operations_attention", lambda unit: unit.operations.stalled(50)),
    "standings": ("pk_operations", lambda unit: unit.operations.standings(SOME)),
    "oldest unfinished": ("ix_operations_verified", lambda unit: unit.watermarks.oldest_unfinished()),
    "purge of operations": ("ix_operations_finished", lambda unit: unit.operations.purge(at(9**6), 50)),
    "several": ("pk_operations", lambda unit: unit.operations.get_all(SOME)),
    "purge": ("ix_idempotency_keys_expires_at", lambda unit: unit.idempotency_keys.purge(at(60), 50)),
    "get": ("pk_operations", lambda unit: unit.operations.get(UUID(int=500))),
}


@pytest.mark.parametrize("what", CHANGES)
async def test_scans_of_the_background_work(filled: AsyncEngine, what: str) -> None:
    """All of it reads its few rows, in order, not the thousands."""
    index, call = CHANGES[what]

    async def use() -> None:
        async with PostgresUnitsOfWork(filled)() as unit:
            await call(unit)

    plan = await plan_of(filled, use)
    assert index in indexes(plan)
    assert not {"Seq Scan", "Sort"} & kinds(plan)


EITHER = {"ix_operations_tenant_status", "ix_operations_tenant_accepted"}
PAGES = {
    "newest": (OperationFilter(), True, {"ix_operations_tenant_accepted"}),
    "oldest": (OperationFilter(), False, {"ix_operations_tenant_accepted"}),
    # Nearly all are completed: passing over the few others costs less than the larger index.
    "completed": (OperationFilter(statuses=frozenset({OperationStatus.COMPLETED})), True, EITHER),
    "between": (
        OperationFilter(accepted_after=at(1000), accepted_before=at(15_000)),
        True,
        {"ix_operations_tenant_accepted"},
    ),
}


@pytest.mark.parametrize("tenant", ["tenant0", "tenant3"])
@pytest.mark.parametrize("after", [None, PageKey(at(5000), UUID(int=5000))], ids=["first", "later"])
@pytest.mark.parametrize("what", PAGES)
async def test_pages(filled: AsyncEngine, what: str, after: PageKey | None, tenant: str) -> None:
    """A page is read off an index in its order: nothing is sorted, however much the tenant has."""
    criteria, newest_first, usable = PAGES[what]
    queries = PostgresQueries(filled)(tenant)
    plan = await plan_of(filled, lambda: queries.page(criteria, newest_first=newest_first, after=after, limit=50))
    assert len(indexes(plan) & usable) == len(indexes(plan)) == 1
    assert not {"Seq Scan", "Sort"} & kinds(plan)


@pytest.mark.parametrize("status", [OperationStatus.ACCEPTED, OperationStatus.RUNNING])
async def test_pages_of_the_few_that_are_not_done(filled: AsyncEngine, status: OperationStatus) -> None:
    """What is rare is found by the index that knows it; whether it is then sorted does not matter."""
    queries = PostgresQueries(filled)("tenant3")
    criteria = OperationFilter(statuses=frozenset({status}))
    plan = await plan_of(filled, lambda: queries.page(criteria, newest_first=True, after=None, limit=50))
    assert indexes(plan) == {"ix_operations_tenant_status"}


@pytest.mark.parametrize("tenant", ["tenant0", "tenant3"])
@pytest.mark.parametrize("after", [None, PageKey(at(5000), UUID(int=5000))], ids=["first", "later"])
async def test_pages_of_several_statuses(filled: AsyncEngine, after: PageKey | None, tenant: str) -> None:
    """Each status has its own first ones read, in the order of an index: what is put together is a few pages at most,
    however much the tenant has."""
    queries = PostgresQueries(filled)(tenant)
    criteria = OperationFilter(statuses=frozenset({OperationStatus.COMPLETED, OperationStatus.FAILED}))
    plan = await plan_of(filled, lambda: queries.page(criteria, newest_first=True, after=after, limit=50))
    assert indexes(plan) <= EITHER
    assert "Seq Scan" not in kinds(plan)
    assert all(node["Plan Rows"] <= 2 * 51 for node in plan if "Sort" in node["Node Type"])


@pytest.mark.parametrize("tenant", ["tenant0", "tenant3"])
@pytest.mark.parametrize("name", ["type3", "nobody's"])
async def test_pages_of_a_type(filled: AsyncEngine, name: str, tenant: str) -> None:
    """One that is rare, or that there is not, does not have all of the tenant's rows read."""
    queries = PostgresQueries(filled)(tenant)
    criteria = OperationFilter(type=name)
    plan = await plan_of(filled, lambda: queries.page(criteria, newest_first=True, after=None, limit=50))
    assert len(indexes(plan)) == 1
    assert indexes(plan) <= {"ix_operations_tenant_type"} | (
        {"ix_operations_tenant_accepted"} if name == "type3" else set()
    )
    assert not {"Seq Scan", "Sort"} & kinds(plan)


@pytest.mark.parametrize("kind", [AttentionKind.STALLED, AttentionKind.DIVERGED])
async def test_pages_of_the_few_that_need_attention(filled: AsyncEngine, kind: AttentionKind) -> None:
    """A tenant's are found by an index of their own."""
    queries = PostgresQueries(filled)("tenant3")
    criteria = OperationFilter(attention=kind)
    plan = await plan_of(filled, lambda: queries.page(criteria, newest_first=True, after=None, limit=50))
    assert indexes(plan) == {"ix_operations_tenant_attention"}


async def test_drift(filled: AsyncEngine) -> None:
    """How far the ledger may be off is read off the two partial indexes, whatever lies in the table."""
    queries = PostgresDriftQueries(filled)
    waiting, counted, _watermark = await plans_of(filled, queries.drift)  # of a table of one row
    assert indexes(waiting) == {"ix_operations_verified"}
    assert "Limit" in kinds(waiting)
    assert indexes(counted) == {"ix_operations_attention"}
    listed = await plan_of(filled, lambda: queries.diverged(50))
    assert indexes(listed) == {"ix_operations_attention"}
    for plan in (waiting, counted, listed):
        assert "Seq Scan" not in kinds(plan)
    for plan in (waiting, listed):
        assert "Sort" not in kinds(plan)


async def test_labels(filled: AsyncEngine) -> None:
    """A label that few operations have is looked up."""
    queries = PostgresQueries(filled)("tenant3")
    criteria = OperationFilter(labels={"team": "team3"})
    plan = await plan_of(filled, lambda: queries.page(criteria, newest_first=True, after=None, limit=50))
    assert "ix_operations_labels" in indexes(plan)


async def test_counts(filled: AsyncEngine) -> None:
    """Counting reads an index alone, not the rows."""
    await vacuum(filled)
    plan = await plan_of(filled, PostgresQueries(filled)("tenant3").counts)
    assert indexes(plan) == {"ix_operations_tenant_status"}
    assert "Index Only Scan" in kinds(plan)


async def test_history(filled: AsyncEngine) -> None:
    """A history is looked up by its operation."""
    queries = PostgresQueries(filled)("tenant3")
    plan = await plan_of(filled, lambda: queries.transitions(UUID(int=3)))
    assert "pk_operations" in indexes(plan)
    assert "Seq Scan" not in kinds(plan)


@pytest.mark.parametrize("from_the_start", [True, False])
async def test_change_feed(filled: AsyncEngine, from_the_start: bool) -> None:
    """Each page is read off the two indexes in their order, from the start of a ledger as from its end."""
    feed = PostgresChangeFeed(filled, Listener(connector("postgresql://unused")))
    after = Position.behind(0) if from_the_start else await feed.head()
    _, plan = await plans_of(filled, lambda: feed.read(after, 50))
    assert {"ix_operations_changed", "ix_transitions_written"} <= indexes(plan)
    assert "Seq Scan" not in kinds(plan)
    [sort] = [node for node in plan if "Sort" in node["Node Type"]]
    assert sort["Plan Rows"] <= 100
