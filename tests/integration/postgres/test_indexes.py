"""The planner uses the intended index for each query, with realistic numbers of rows."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.connection.driver import DatabaseSettings, connector
from adapters.postgres.connection.engine import create_engine
from adapters.postgres.convergence.drift_queries import PostgresDriftQueries
from adapters.postgres.feed.change_feed import PostgresChangeFeed
from adapters.postgres.feed.notifications import Listener
from adapters.postgres.operations.operation_queries import PostgresQueries
from adapters.postgres.unit_of_work import PostgresUnitsOfWork
from application.ports.storage.change_feed import Position
from application.ports.storage.operation_queries import OperationFilter, PageKey, SortTime
from domain.operation.attention import AttentionKind
from domain.operation.origin import Origin
from domain.operation.status import OperationStatus
from domain.retention import Cutoffs
from domain.scheduling.schedule import DueWork
from domain.throughput import Window
from entrypoints.local.embedded.postgres import EmbeddedPostgres
from tests.support.operations import at
from tests.support.postgres.server import own_database
from tests.support.postgres.statements import caught

ROWS = 20_000
TENANT = "'tenant' || CASE WHEN n % 2 = 0 THEN 0 ELSE n % 10 END"
# 97 % are finished, as after some time of use. One of ten tenants has half of all operations. Of 100 operations, two
# have one of nine workflow ids, five have one of five parents, and one is adopted.
FILL = f"""
INSERT INTO opledger.operations (id, tenant, type, status, input, labels, result, accepted_at, started_at, finished_at,
    updated_at, dispatch_due_at, dispatch_attempts, dispatched_at, follow_up_due_at, follow_up_attempts, version,
    history_length, verified_at, verify_due_at, attention_kind, attention_since, attention_message,
    workflow_id, parent_id, origin)
SELECT lpad(to_hex(n), 32, '0')::uuid, {TENANT}, 'type' || n % 7,
    CASE WHEN kind < 2 THEN 'ACCEPTED' WHEN kind < 6 THEN 'RUNNING' ELSE 'COMPLETED' END,
    '{{"seconds": 3}}', jsonb_build_object('team', 'team' || n % 500),
    CASE WHEN kind >= 6 THEN '{{"ok": true}}'::json END,
    accepted, CASE WHEN kind >= 2 THEN accepted END, CASE WHEN kind >= 6 THEN accepted END, accepted,
    CASE WHEN kind = 0 THEN accepted END, 1, CASE WHEN kind > 0 THEN accepted END,
    CASE WHEN kind = 1 THEN accepted END, 0, 3, 3, CASE WHEN kind > 0 THEN accepted END,
    CASE WHEN kind BETWEEN 1 AND 5 THEN accepted END, attention, CASE WHEN attention > '' THEN accepted END,
    CASE WHEN attention > '' THEN 'why' END, CASE WHEN n % 50 = 7 THEN 'machine' || n / 50 % 9 END,
    CASE WHEN n % 20 = 5 THEN lpad(to_hex(1 + n / 20 % 5), 32, '0')::uuid END,
    CASE WHEN n % 100 = 11 THEN 'ADOPTED' ELSE 'LEDGER' END
FROM (SELECT n, n % 200 AS kind, CASE n % 200 WHEN 3 THEN 'STALLED' WHEN 193 THEN 'DIVERGED' END AS attention,
             timestamptz '2026-01-01 12:00Z' + n * interval '1 second' AS accepted
      FROM generate_series(1, :rows) AS n) AS made
"""
KEYS = "INSERT INTO opledger.idempotency_keys SELECT tenant, id::text, 'hash', id, accepted_at FROM opledger.operations"
HISTORY = """
INSERT INTO opledger.transitions
SELECT id, sequence, CASE WHEN sequence > 1 THEN 'ACCEPTED' END, 'ACCEPTED', 'CLIENT', 'filled', accepted_at, NULL, '{}'
FROM opledger.operations, generate_series(1, 3) AS sequence
"""


@pytest.fixture(scope="module")
async def filled(postgres_server: EmbeddedPostgres) -> AsyncIterator[AsyncEngine]:
    """A database with realistic rows."""
    async with own_database(postgres_server) as url:
        engine = create_engine(url, DatabaseSettings(statement_timeout=None))
        async with engine.begin() as connection:
            await connection.execute(text(FILL), {"rows": ROWS})
            await connection.execute(text(KEYS))
            await connection.execute(text(HISTORY))
        await vacuum(engine)
        yield engine
        await engine.dispose()


async def vacuum(engine: AsyncEngine) -> None:
    """Does the work of autovacuum."""
    async with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        await connection.execute(text("VACUUM ANALYZE"))


async def plan_of(engine: AsyncEngine, call: Callable[[], Awaitable[object]]) -> list[dict[str, Any]]:
    """Returns the plan nodes of the only statement that the call executes."""
    [plan] = await plans_of(engine, call)
    return plan


async def plans_of(engine: AsyncEngine, call: Callable[[], Awaitable[object]]) -> list[list[dict[str, Any]]]:
    """Returns the plan nodes of each statement that the call executes."""
    with caught(engine) as asked:
        await call()
    plans = []
    async with engine.connect() as connection:
        for statement, parameters in asked:
            found = await connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {statement}", parameters)
            plans.append(list(nodes(json.loads(found.scalar_one())[0]["Plan"])))
    return plans


def nodes(plan: dict[str, Any]) -> Any:
    """Returns the plan's nodes."""
    yield plan
    for part in plan.get("Plans", []):
        yield from nodes(part)


def indexes(plan: list[dict[str, Any]]) -> set[str]:
    """Returns the indexes that the plan uses."""
    return {node["Index Name"] for node in plan if "Index Name" in node}


def kinds(plan: list[dict[str, Any]]) -> set[str]:
    """Returns the kinds of the plan's nodes."""
    return {node["Node Type"] for node in plan}


LEASE = timedelta(seconds=30)
OF_TYPES = Cutoffs(at(10), {("type1", OperationStatus.COMPLETED): at(9**6), ("type2", OperationStatus.FAILED): None})
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
    "cancellations": (
        "ix_operations_due_cancel_children",
        lambda unit: unit.operations.claim_due_cancellations(at(9**6), LEASE, 50),
    ),
    "late dispatch": (
        "ix_operations_due_dispatch",
        lambda unit: unit.operations.any_due(DueWork.DISPATCH, at(9**6)),
    ),
    "late follow-up": (
        "ix_operations_due_follow_up",
        lambda unit: unit.operations.any_due(DueWork.FOLLOW_UP, at(9**6)),
    ),
    "late cancellations": (
        "ix_operations_due_cancel_children",
        lambda unit: unit.operations.any_due(DueWork.CANCEL_CHILDREN, at(9**6)),
    ),
    "oldest without callback": ("ix_operations_uncalled", lambda unit: unit.operations.oldest_without_callback()),
    "types": ("ix_operations_started_elsewhere", lambda unit: unit.operations.types_started_elsewhere(50)),
    "waiting": ("ix_operations_waiting", lambda unit: unit.operations.waiting(["type1"], at(9**6), 4)),
    "stalled": ("ix_operations_attention", lambda unit: unit.operations.stalled(50)),
    "summaries": ("pk_operations", lambda unit: unit.operations.summaries(SOME)),
    "oldest unfinished": ("ix_operations_verified", lambda unit: unit.watermarks.oldest_unfinished()),
    "expired operations": ("ix_operations_purge", lambda unit: unit.operations.expired(Cutoffs(at(9**6)), 50)),
    "expired operations of types": ("ix_operations_purge", lambda unit: unit.operations.expired(OF_TYPES, 50)),
    "deletion of many": ("pk_operations", lambda unit: unit.operations.delete_all(dict.fromkeys(SOME, 1))),
    "open children": ("ix_operations_open_children", lambda unit: unit.operations.open_children(UUID(int=3), 2)),
    "several": ("pk_operations", lambda unit: unit.operations.get_all(SOME)),
    "purge": ("ix_idempotency_keys_expires_at", lambda unit: unit.idempotency_keys.purge(at(60), 50)),
    "get": ("pk_operations", lambda unit: unit.operations.get(UUID(int=500))),
}


@pytest.mark.parametrize("what", CHANGES)
async def test_background_work_reads_only_its_rows_in_order(filled: AsyncEngine, what: str) -> None:
    """Not the thousands of others."""
    index, call = CHANGES[what]

    async def use() -> None:
        async with PostgresUnitsOfWork(filled)() as unit:
            await call(unit)

    plan = await plan_of(filled, use)
    assert index in indexes(plan)
    assert not {"Seq Scan", "Sort"} & kinds(plan)


async def test_types_of_finished_operations_are_looked_up_one_by_one(filled: AsyncEngine) -> None:
    """In the index of those that the ledger has not started."""

    async def use() -> None:
        async with PostgresUnitsOfWork(filled)() as unit:
            await unit.operations.types_started_elsewhere(50, at(9**6))

    _, plan = await plans_of(filled, use)
    assert indexes(plan) == {"ix_operations_finished_elsewhere"}
    assert not {"Seq Scan", "Sort"} & kinds(plan)


async def test_workflow_ids_are_looked_up_in_two_partial_indexes(filled: AsyncEngine) -> None:
    """Of all the closed operations under a workflow id, one is read."""

    async def use() -> None:
        async with PostgresUnitsOfWork(filled)() as unit:
            await unit.operations.under_workflow_ids(["machine1", "nobody's", str(UUID(int=3))])

    plan = await plan_of(filled, use)
    assert indexes(plan) == {"ix_operations_open_workflow_id", "ix_operations_workflow_id", "pk_operations"}
    assert not {"Seq Scan", "Sort"} & kinds(plan)


@pytest.mark.parametrize(("name", "index"), [("machine1", "ux_operations_chain"), (str(UUID(int=3)), "pk_operations")])
async def test_chain_is_looked_up_in_its_own_index(filled: AsyncEngine, name: str, index: str) -> None:
    """However many operations had the workflow id."""

    async def use() -> None:
        async with PostgresUnitsOfWork(filled)() as unit:
            await unit.operations.of_chain(name, "run-1")

    plan = await plan_of(filled, use)
    assert index in indexes(plan) <= {"ux_operations_chain", "pk_operations"}
    assert not {"Seq Scan", "Sort"} & kinds(plan)


async def test_operations_that_the_ledger_starts_under_their_own_id_are_in_no_new_index(filled: AsyncEngine) -> None:
    """Their submission costs what it did before there were workflow ids and parents."""
    started = ("started_elsewhere", "finished_elsewhere")
    new = ("workflow_id", "open_workflow_id", "parent", "open_children", "children", *started)
    query = "SELECT reltuples::int FROM pg_class WHERE relname = 'ix_operations_' || :name"
    async with filled.connect() as connection:
        sizes = [await connection.scalar(text(query), {"name": name}) for name in new]
        assert await connection.scalar(text(f"{query.split('WHERE')[0]} WHERE relname LIKE 'ux_operations%'")) == 0
    assert sizes == [ROWS // 50, 0, ROWS // 20, ROWS // 200, ROWS // 20, 0, ROWS // 100]


EITHER = {"ix_operations_tenant_status", "ix_operations_tenant_accepted"}
PAGES = {
    "newest": (OperationFilter(), True, {"ix_operations_tenant_accepted"}),
    "oldest": (OperationFilter(), False, {"ix_operations_tenant_accepted"}),
    # Nearly all are completed: skipping the few others costs less than the larger index.
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
async def test_pages_are_read_from_an_index_without_a_sort(
    filled: AsyncEngine, what: str, after: PageKey | None, tenant: str
) -> None:
    """Whatever number of operations the tenant has."""
    criteria, newest_first, usable = PAGES[what]
    queries = PostgresQueries(filled)(tenant)
    plan = await plan_of(filled, lambda: queries.page(criteria, newest_first=newest_first, after=after, limit=50))
    assert len(indexes(plan) & usable) == len(indexes(plan)) == 1
    assert not {"Seq Scan", "Sort"} & kinds(plan)


@pytest.mark.parametrize("status", [OperationStatus.ACCEPTED, OperationStatus.RUNNING])
async def test_pages_of_unfinished_operations_use_a_selective_index(
    filled: AsyncEngine, status: OperationStatus
) -> None:
    """A sort of the few rows is fine."""
    queries = PostgresQueries(filled)("tenant3")
    criteria = OperationFilter(statuses=frozenset({status}))
    plan = await plan_of(filled, lambda: queries.page(criteria, newest_first=True, after=None, limit=50))
    assert indexes(plan) == {"ix_operations_tenant_status"}


@pytest.mark.parametrize("tenant", ["tenant0", "tenant3"])
@pytest.mark.parametrize("after", [None, PageKey(at(5000), UUID(int=5000))], ids=["first", "later"])
async def test_pages_of_several_statuses_read_a_few_pages_of_rows(
    filled: AsyncEngine, after: PageKey | None, tenant: str
) -> None:
    """Each status is read in the order of an index."""
    queries = PostgresQueries(filled)(tenant)
    criteria = OperationFilter(statuses=frozenset({OperationStatus.COMPLETED, OperationStatus.FAILED}))
    plan = await plan_of(filled, lambda: queries.page(criteria, newest_first=True, after=after, limit=50))
    assert indexes(plan) <= EITHER
    assert "Seq Scan" not in kinds(plan)
    assert all(node["Plan Rows"] <= 2 * 51 for node in plan if "Sort" in node["Node Type"])


@pytest.mark.parametrize("tenant", ["tenant0", "tenant3"])
@pytest.mark.parametrize("name", ["type3", "nobody's"])
async def test_pages_of_a_rare_type_do_not_read_all_rows(filled: AsyncEngine, name: str, tenant: str) -> None:
    """Nor of a type without operations."""
    queries = PostgresQueries(filled)(tenant)
    criteria = OperationFilter(type=name)
    plan = await plan_of(filled, lambda: queries.page(criteria, newest_first=True, after=None, limit=50))
    assert len(indexes(plan)) == 1
    assert indexes(plan) <= {"ix_operations_tenant_type"} | (
        {"ix_operations_tenant_accepted"} if name == "type3" else set()
    )
    assert not {"Seq Scan", "Sort"} & kinds(plan)


@pytest.mark.parametrize("kind", [AttentionKind.STALLED, AttentionKind.DIVERGED])
async def test_pages_by_attention_use_the_tenants_index(filled: AsyncEngine, kind: AttentionKind) -> None:
    """It holds only operations with an attention."""
    queries = PostgresQueries(filled)("tenant3")
    criteria = OperationFilter(attentions=frozenset({kind}))
    plan = await plan_of(filled, lambda: queries.page(criteria, newest_first=True, after=None, limit=50))
    assert indexes(plan) == {"ix_operations_tenant_attention"}


@pytest.mark.parametrize("tenant", ["tenant0", "tenant3"])
@pytest.mark.parametrize("after", [None, PageKey(at(15_000), UUID(int=15_000))], ids=["first", "later"])
async def test_pages_by_finish_time_use_the_tenants_index(
    filled: AsyncEngine, after: PageKey | None, tenant: str
) -> None:
    """In its order, and not the purge's, which has the rows of all tenants."""
    queries, criteria = PostgresQueries(filled)(tenant), OperationFilter(finished_after=at(4000))
    plan = await plan_of(
        filled, lambda: queries.page(criteria, newest_first=True, after=after, limit=50, by=SortTime.FINISHED)
    )
    assert indexes(plan) == {"ix_operations_tenant_finished"}
    assert not {"Seq Scan", "Sort"} & kinds(plan)


NAMED_PAGES = {
    "parent": (OperationFilter(parents=frozenset({UUID(int=3)})), {"ix_operations_parent", "ix_operations_children"}),
    "workflow id": (OperationFilter(workflow_ids=frozenset({"machine1"})), {"ix_operations_workflow_id"}),
    "own id": (
        OperationFilter(workflow_ids=frozenset({str(UUID(int=3))})),
        {"ix_operations_workflow_id", "pk_operations"},
    ),
    "id": (OperationFilter(id_prefix=f"{'0' * 29}7d"), {"pk_operations"}),
    "origin": (OperationFilter(origins=frozenset({Origin.ADOPTED})), {"ix_operations_tenant_origin"}),
}


@pytest.mark.parametrize("after", [None, PageKey(at(15_000), UUID(int=15_000))], ids=["first", "later"])
@pytest.mark.parametrize("what", NAMED_PAGES)
async def test_pages_by_parent_workflow_id_id_and_origin_use_their_index(
    filled: AsyncEngine, what: str, after: PageKey | None
) -> None:
    """A sort of the few rows is fine, and so is the tenant's bitmap where there are few."""
    criteria, expected = NAMED_PAGES[what]
    queries = PostgresQueries(filled)("tenant3")
    plan = await plan_of(filled, lambda: queries.page(criteria, newest_first=True, after=after, limit=3))
    used = indexes(plan) - {"ix_operations_tenant_accepted"}
    assert used
    assert used <= expected
    assert "Seq Scan" not in kinds(plan)


async def test_a_read_counts_children_in_their_index_in_the_same_statement(filled: AsyncEngine) -> None:
    """`plan_of` refuses a second statement."""
    plan = await plan_of(filled, lambda: PostgresQueries(filled)("tenant3").get(UUID(int=3)))
    assert indexes(plan) == {"pk_operations", "ix_operations_children"}
    assert "Index Only Scan" in kinds(plan)


async def test_drift_reads_two_partial_indexes(filled: AsyncEngine) -> None:
    """Whatever else is in the table."""
    queries = PostgresDriftQueries(filled)
    waiting, counted, *_ = await plans_of(filled, queries.drift)  # the others are of tables of a few rows
    assert indexes(waiting) == {"ix_operations_verified"}
    assert "Limit" in kinds(waiting)
    assert indexes(counted) == {"ix_operations_attention"}
    listed = await plan_of(filled, lambda: queries.diverged(50))
    assert indexes(listed) == {"ix_operations_attention"}
    for plan in (waiting, counted, listed):
        assert "Seq Scan" not in kinds(plan)
    for plan in (waiting, listed):
        assert "Sort" not in kinds(plan)


async def test_rare_labels_use_their_index(filled: AsyncEngine) -> None:
    """The GIN index."""
    queries = PostgresQueries(filled)("tenant3")
    criteria = OperationFilter(labels={"team": "team3"})
    plan = await plan_of(filled, lambda: queries.page(criteria, newest_first=True, after=None, limit=50))
    assert "ix_operations_labels" in indexes(plan)


async def test_counting_reads_no_operation(filled: AsyncEngine) -> None:
    """Its cost does not grow with them."""
    [plan] = await plans_of(filled, PostgresQueries(filled)("tenant3").counts)
    assert {node["Relation Name"] for node in plan if "Relation Name" in node} == {"operation_counts"}


async def test_durations_are_read_from_their_index_alone(filled: AsyncEngine) -> None:
    """Of each status the newest, in the index's order, without the operations."""
    queries = PostgresQueries(filled)("tenant3")
    plan = await plan_of(filled, lambda: queries.durations("type1", at(0), at(10**6), 100))
    assert indexes(plan) == {"ix_operations_durations"}
    assert "Index Only Scan" in kinds(plan)
    assert "Seq Scan" not in kinds(plan)


async def test_throughput_reads_no_operation(filled: AsyncEngine) -> None:
    """Only the buckets of the window, and the changes that are not merged."""
    queries = PostgresQueries(filled)("tenant3")
    plan = await plan_of(filled, lambda: queries.throughput(Window.WEEK, at(0), None))
    read = {node["Relation Name"] for node in plan if "Relation Name" in node}
    assert read == {"operation_throughput", "operation_throughput_changes"}


async def test_durations_over_time_are_read_from_their_index_alone(filled: AsyncEngine) -> None:
    """A range for each bucket."""
    queries = PostgresQueries(filled)("tenant3")
    times = [at(1000 * number) for number in range(85)]
    plan = await plan_of(filled, lambda: queries.durations_between("type1", times, 200))
    assert indexes(plan) == {"ix_operations_durations"}
    assert "Index Only Scan" in kinds(plan)
    assert "Seq Scan" not in kinds(plan)


async def test_a_history_is_read_by_its_operation(filled: AsyncEngine) -> None:
    """From the primary key."""
    queries = PostgresQueries(filled)("tenant3")
    plan = await plan_of(filled, lambda: queries.transitions(UUID(int=3)))
    assert "pk_operations" in indexes(plan)
    assert "Seq Scan" not in kinds(plan)


async def test_a_deletion_locks_keys_in_the_order_of_submissions(filled: AsyncEngine) -> None:
    """That of code points, in which Python sorts them, whatever the collation of the database is."""

    async def delete() -> None:
        async with PostgresUnitsOfWork(filled)() as unit:
            row = await unit.operations.get(UUID(int=100))
            assert row is not None
            await unit.operations.delete(row)

    _, plan = await plans_of(filled, delete)
    [sort] = [node["Sort Key"] for node in plan if node["Node Type"] == "Sort"]
    assert [(name in key, key.endswith('COLLATE "C"')) for name, key in zip(("tenant", "key"), sort, strict=True)] == [
        (True, True),
        (True, True),
    ]
    assert "ix_idempotency_keys_operation_id" in indexes(plan)


@pytest.mark.parametrize("from_the_start", [True, False])
async def test_change_feed_pages_are_read_from_two_indexes_in_order(filled: AsyncEngine, from_the_start: bool) -> None:
    """At the start and at the end of the feed."""
    feed = PostgresChangeFeed(filled, Listener(connector("postgresql://unused")))
    after = Position.behind(0) if from_the_start else await feed.head()
    _, plan = await plans_of(filled, lambda: feed.read(after, 50))
    assert {"ix_operations_changed", "ix_transitions_written"} <= indexes(plan)
    assert "Seq Scan" not in kinds(plan)
    [sort] = [node for node in plan if "Sort" in node["Node Type"]]
    assert sort["Plan Rows"] <= 100
