"""Migrations: each goes up and down, together they make the declared schema, and none is applied by halves."""

import asyncio
import functools
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.schema import CreateSchema

from adapters.postgres.connection.engine import create_engine
from adapters.postgres.probes import MigrationProbe
from adapters.postgres.schema.migrations import LOCK, migrate, with_alembic
from adapters.postgres.schema.revision import CURRENT, SCHEMA, is_current
from adapters.postgres.schema.tables import metadata
from application.ports.storage.unit_of_work import DatabaseUnavailable
from domain.errors import StartupError
from entrypoints.local.embedded.postgres import USER, EmbeddedPostgres
from tests.support.postgres.server import own_database

ROOT = Path(__file__).resolve().parents[3]
# Every object of the schema by name, as the catalog describes it.
CATALOG = {
    "columns": """
        SELECT relname || '.' || attname, format_type(atttypid, atttypmod), attnotnull,
               row_number() OVER (PARTITION BY attrelid ORDER BY attnum),
               pg_get_expr(adbin, adrelid), col_description(attrelid, attnum)
        FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid LEFT JOIN pg_attrdef ON adrelid = attrelid
             AND adnum = attnum
        WHERE relnamespace = to_regnamespace('opledger') AND relkind = 'r' AND attnum > 0 AND NOT attisdropped
    """,
    "constraints": """
        SELECT conname, conrelid::regclass::text, pg_get_constraintdef(oid), condeferrable, condeferred
        FROM pg_constraint WHERE connamespace = to_regnamespace('opledger')
    """,
    "indexes": "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'opledger'",
    "others": """
        SELECT tgname::text FROM pg_trigger WHERE NOT tgisinternal
        UNION SELECT proname::text FROM pg_proc WHERE pronamespace = to_regnamespace('opledger')
        UNION SELECT typname::text FROM pg_type WHERE typnamespace = to_regnamespace('opledger') AND typtype = 'e'
        UNION SELECT relname::text FROM pg_class WHERE relnamespace = to_regnamespace('opledger') AND relkind <> 'i'
    """,
}


async def catalog(engine: AsyncEngine, what: str) -> list[tuple[Any, ...]]:
    """Returns the catalog's description of the schema, without Alembic's table."""
    async with engine.connect() as connection:
        rows = (await connection.execute(sa.text(CATALOG[what]))).all()
    return sorted(tuple(row) for row in rows if "alembic" not in str(row[0]) + str(row[1:2]))


def revisions(config: Config) -> list[str]:
    """Returns the revisions, oldest first."""
    return [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()][::-1]


@pytest.fixture
async def empty_engine(empty_database_url: str) -> Any:
    """A pool for an empty database."""
    engine = create_engine(empty_database_url)
    yield engine
    await engine.dispose()


async def test_each_revision_goes_up_down_and_up(empty_database_url: str, empty_engine: AsyncEngine) -> None:
    """Down restores the earlier schema."""
    for revision in await with_alembic(empty_database_url, revisions):
        before = [await catalog(empty_engine, what) for what in CATALOG]
        climb = functools.partial(command.upgrade, revision=revision)
        await with_alembic(empty_database_url, climb)
        above = [await catalog(empty_engine, what) for what in CATALOG]
        await with_alembic(empty_database_url, functools.partial(command.downgrade, revision="-1"))
        assert [await catalog(empty_engine, what) for what in CATALOG] == before
        await with_alembic(empty_database_url, climb)
        assert [await catalog(empty_engine, what) for what in CATALOG] == above


FILL_0001 = """
INSERT INTO opledger.operations (id, tenant, type, status, input, labels, result, accepted_at, started_at, finished_at,
    updated_at, dispatch_due_at, dispatch_attempts, dispatched_at, follow_up_due_at, follow_up_attempts, version,
    history_length)
SELECT lpad(n::text, 32, '0')::uuid, 't', 'deploy', status, NULL, '{}',
    CASE WHEN status = 'COMPLETED' THEN 'null'::json END, day, CASE WHEN status <> 'ACCEPTED' THEN day END,
    CASE WHEN status = 'COMPLETED' THEN day END, day, CASE WHEN n = 1 THEN day END, 1, CASE WHEN n > 1 THEN day END,
    NULL, 0, 1, 1
FROM (VALUES (1, 'ACCEPTED'), (2, 'ACCEPTED'), (3, 'RUNNING'), (4, 'COMPLETED')) AS given (n, status),
    CAST('2026-01-01 12:00Z' AS timestamptz) AS day
"""
FILL_TODAY = FILL_0001.replace("CAST('2026-01-01 12:00Z' AS timestamptz)", "CAST(now() AS timestamptz)")
END_RUNNING = """
UPDATE opledger.operations SET status = 'FAILED', finished_at = started_at, verify_due_at = NULL,
    error_code = 'TERMINATED', error_message = 'why', error_details = '{}' WHERE status = 'RUNNING'
"""
FILL_0001_KEY = """
INSERT INTO opledger.idempotency_keys SELECT tenant, id::text, 'hash', id, accepted_at FROM opledger.operations
"""
FILL_0001_LINE = """
INSERT INTO opledger.transitions SELECT id, 1, NULL, 'ACCEPTED', 'CLIENT', 'filled', accepted_at, NULL, '{}'
FROM opledger.operations
"""
FILL_0002_ATTENTION = """
UPDATE opledger.operations SET attention_since = accepted_at, attention_message = 'why', attention_kind =
    CASE status WHEN 'ACCEPTED' THEN 'DISPATCH_RETRYING' WHEN 'RUNNING' THEN 'STALLED' ELSE 'DIVERGED' END
"""
FILL_0002_LINES = """
INSERT INTO opledger.transitions
SELECT id, sequence + 2, 'ACCEPTED', 'ACCEPTED', source, 'filled', accepted_at, NULL, '{}'
FROM opledger.operations,
    unnest(ARRAY['CALLBACK', 'VERIFICATION', 'CONFIRMATION']) WITH ORDINALITY AS given (source, sequence)
"""


async def test_0002_makes_open_operations_due_for_verification(
    empty_database_url: str, empty_engine: AsyncEngine
) -> None:
    """Down leaves nothing that 0001 would refuse."""

    async def rows(query: str) -> list[tuple[Any, ...]]:
        async with empty_engine.connect() as connection:
            return [tuple(row) for row in await connection.execute(sa.text(query))]

    async def fill(*statements: str) -> None:
        async with empty_engine.begin() as connection:
            for statement in statements:
                await connection.exec_driver_sql(statement)

    await with_alembic(empty_database_url, functools.partial(command.upgrade, revision="0001"))
    await fill(FILL_0001, FILL_0001_KEY, FILL_0001_LINE)
    for _ in range(2):
        await with_alembic(empty_database_url, functools.partial(command.upgrade, revision="0002"))
        verified = "SELECT verified_at = dispatched_at, verify_due_at BETWEEN now() - interval '1 minute' AND now()"
        assert await rows(f"{verified} FROM opledger.operations ORDER BY id") == [
            *((None, None), (True, True), (True, True), (None, None))
        ]
        await fill(FILL_0002_ATTENTION, "DELETE FROM opledger.transitions WHERE sequence > 1", FILL_0002_LINES)
        await with_alembic(empty_database_url, functools.partial(command.downgrade, revision="0001"))
        assert await rows("SELECT attention_kind, attention_message FROM opledger.operations ORDER BY id") == [
            *[("DISPATCH_RETRYING", "why")] * 2,
            *[(None, None)] * 2,
        ]
        lines = "SELECT sequence, source FROM opledger.transitions WHERE operation_id::text LIKE '%1' ORDER BY 1"
        assert await rows(lines) == [
            (1, "CLIENT"),
            *((3, "RECONCILIATION"), (4, "RECONCILIATION"), (5, "CONFIRMATION")),
        ]


async def test_0021_counts_the_operations_that_exist(empty_database_url: str, empty_engine: AsyncEngine) -> None:
    """And their changes afterwards, again after a downgrade."""
    counts = "SELECT status, sum(change)::int FROM opledger.operation_counts"
    counts += " GROUP BY 1 HAVING sum(change) <> 0 ORDER BY 1"
    await with_alembic(empty_database_url, functools.partial(command.upgrade, revision="0001"))
    async with empty_engine.begin() as connection:
        await connection.exec_driver_sql(FILL_0001)
    for _ in range(2):
        await with_alembic(empty_database_url, functools.partial(command.upgrade, revision="0021"))
        async with empty_engine.connect() as connection:
            found = [tuple(row) for row in await connection.execute(sa.text(counts))]
            assert found == [("ACCEPTED", 2), ("COMPLETED", 1), ("RUNNING", 1)]
            await connection.exec_driver_sql("DELETE FROM opledger.operations WHERE status = 'COMPLETED'")
            found = [tuple(row) for row in await connection.execute(sa.text(counts))]
            assert found == [("ACCEPTED", 2), ("RUNNING", 1)]
        await with_alembic(empty_database_url, functools.partial(command.downgrade, revision="0020"))


async def test_0029_counts_what_started_and_ended(empty_database_url: str, empty_engine: AsyncEngine) -> None:
    """In the last two weeks, and what ends afterwards, again after a downgrade."""
    kept = "SELECT status, sum(change)::int FROM opledger.operation_throughput_changes"
    kept += " GROUP BY 1 HAVING sum(change) <> 0 ORDER BY 1"
    await with_alembic(empty_database_url, functools.partial(command.upgrade, revision="0001"))
    async with empty_engine.begin() as connection:
        await connection.exec_driver_sql(FILL_TODAY)
    expected = {"COMPLETED": 1, "RUNNING": 2}
    for ended in ({}, {"FAILED": 1}):
        await with_alembic(empty_database_url, functools.partial(command.upgrade, revision="0029"))
        async with empty_engine.begin() as connection:
            found = {row[0]: row[1] for row in await connection.execute(sa.text(kept))}
            assert found == expected | ended
            await connection.exec_driver_sql(END_RUNNING)
            found = {row[0]: row[1] for row in await connection.execute(sa.text(kept))}
            assert found == expected | {"FAILED": 1}
        await with_alembic(empty_database_url, functools.partial(command.downgrade, revision="0028"))


@pytest.mark.parametrize("what", ["columns", "constraints", "indexes"])
async def test_migrations_make_the_declared_schema(
    postgres_engine: AsyncEngine, empty_engine: AsyncEngine, what: str
) -> None:
    """Exactly the one for which the repository is written."""
    async with empty_engine.begin() as connection:
        await connection.execute(CreateSchema(SCHEMA))
        await connection.run_sync(metadata.create_all)
    assert await catalog(postgres_engine, what) == await catalog(empty_engine, what)


async def test_alembic_sees_no_difference(postgres_engine: AsyncEngine) -> None:
    """A generated revision would be empty."""

    def compare(connection: sa.Connection) -> Any:
        opts = {"compare_type": True, "include_schemas": True, "version_table_schema": SCHEMA}
        return compare_metadata(MigrationContext.configure(connection, opts=opts), metadata)

    async with postgres_engine.connect() as connection:
        assert await connection.run_sync(compare) == []


async def test_only_triggers_and_their_functions_are_undeclared(postgres_engine: AsyncEngine) -> None:
    """They enforce finality, and count."""
    assert {name for (name,) in await catalog(postgres_engine, "others")} == {
        *(table.name for table in metadata.tables.values()),
        "operations_refuse",
        "operations_outcome_is_final",
        "operations_running_is_not_taken_back",
        "operations_unfinished_is_not_deleted",
        "operations_workflow_id_is_kept",
        "submit",
        "submission_errors",
        "operations_count",
        "operations_insert_counted",
        "operations_update_counted",
        "operations_delete_counted",
    }


async def test_0008_down_clears_the_new_attention_alone(empty_database_url: str, empty_engine: AsyncEngine) -> None:
    """Other kinds stay."""
    await with_alembic(empty_database_url, functools.partial(command.upgrade, revision="0001"))
    async with empty_engine.begin() as connection:
        await connection.exec_driver_sql(FILL_0001)
    await with_alembic(empty_database_url, functools.partial(command.upgrade, revision="0008"))
    async with empty_engine.begin() as connection:
        await connection.exec_driver_sql(FILL_0002_ATTENTION.replace("'DIVERGED'", "'RESULT_UNREADABLE'"))
    await with_alembic(empty_database_url, functools.partial(command.downgrade, revision="-1"))
    async with empty_engine.connect() as connection:
        found = await connection.execute(
            sa.text("SELECT attention_kind, attention_message FROM opledger.operations ORDER BY id")
        )
        kinds = [tuple(row) for row in found]
    assert kinds == [*[("DISPATCH_RETRYING", "why")] * 2, ("STALLED", "why"), (None, None)]


async def test_migrate_returns_the_revisions_before_and_after(empty_database_url: str) -> None:
    """The second run changes nothing."""
    first, second = await migrate(empty_database_url), await migrate(empty_database_url)
    assert (first.before, first.after) == (None, CURRENT)
    assert (second.before, second.after) == (CURRENT, CURRENT)


async def test_a_migration_waits_for_another_process(empty_database_url: str, empty_engine: AsyncEngine) -> None:
    """And then finds the work done."""
    async with empty_engine.connect() as other_process:
        await other_process.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK})
        waiting = asyncio.create_task(migrate(empty_database_url))
        done, _ = await asyncio.wait({waiting}, timeout=0.3)
        assert not done
        assert await catalog(empty_engine, "others") == []
    assert (await waiting).before is None


async def test_concurrent_migrations_in_one_process_do_not_interfere(
    empty_database_url: str, postgres_server: EmbeddedPostgres
) -> None:
    """On one database or on two."""
    async with own_database(postgres_server, template=None) as another:
        done = await asyncio.gather(*(migrate(url) for url in [empty_database_url, another] * 3))
    assert sorted(str(migrated.before) for migrated in done) == [CURRENT] * 4 + ["None"] * 2


async def test_a_failed_migration_changes_nothing(empty_database_url: str, empty_engine: AsyncEngine) -> None:
    """Neither the conflicting object nor anything else."""
    async with empty_engine.begin() as connection:
        await connection.execute(CreateSchema(SCHEMA))
        await connection.execute(sa.text("CREATE TABLE opledger.transitions (of_somebody_else int)"))
    before = [await catalog(empty_engine, what) for what in CATALOG]
    with pytest.raises(sa.exc.ProgrammingError):
        await migrate(empty_database_url)
    assert [await catalog(empty_engine, what) for what in CATALOG] == before


async def test_an_unknown_revision_is_refused_by_name(database_url: str, postgres_engine: AsyncEngine) -> None:
    """Nothing changes."""
    async with postgres_engine.begin() as connection:
        await connection.execute(sa.text("UPDATE opledger.alembic_version SET version_num = '9999'"))
    for refused in (migrate(database_url), MigrationProbe(postgres_engine).check()):
        with pytest.raises(StartupError, match="at revision 9999, which this version does not know"):
            await refused
    async with postgres_engine.connect() as connection:
        assert await connection.scalar(sa.text("SELECT version_num FROM opledger.alembic_version")) == "9999"


async def test_the_probe_says_what_to_do_before_a_migration(empty_database_url: str, empty_engine: AsyncEngine) -> None:
    """Afterwards it passes."""
    probe = MigrationProbe(empty_engine)
    with pytest.raises(StartupError, match=r"revision none, .* run `opledger migrate`"):
        await probe.check()
    await migrate(empty_database_url)
    await probe.check()


async def test_only_the_newest_revision_is_current(empty_database_url: str) -> None:
    """A database without a revision is not."""
    assert not await is_current(empty_database_url)
    await with_alembic(empty_database_url, functools.partial(command.upgrade, revision="0013"))
    assert not await is_current(empty_database_url)
    await migrate(empty_database_url)
    assert await is_current(empty_database_url)


async def test_unreachable_database_is_not_current() -> None:
    """The migration that follows says why."""
    assert not await is_current("postgresql://127.0.0.1:1/none")


async def test_unreachable_database_raises_database_unavailable() -> None:
    """From migration and probe."""
    with pytest.raises(DatabaseUnavailable):
        await migrate("postgresql://nobody@127.0.0.1:1/none")


async def test_migrations_are_found_in_the_installed_package(empty_database_url: str, tmp_path: Path) -> None:
    """Wherever it is and the process runs. Alembic does not interpret a percent sign in the path."""
    place = tmp_path / "site %(here)s packages"
    for package in ("domain", "application", "adapters", "migrations"):
        shutil.copytree(ROOT / package, place / package, ignore=shutil.ignore_patterns("__pycache__"))
    code = "import sys; sys.path.insert(0, sys.argv[2]); import asyncio, migrations;"
    code += " from adapters.postgres.schema.migrations import migrate as run;"
    code += " print(migrations.__file__, asyncio.run(run(sys.argv[1])))"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", code, empty_database_url, str(place)), cwd=tmp_path, stdout=subprocess.PIPE
    )
    output, _ = await process.communicate()
    assert output.startswith(str(place).encode())
    assert b"before=None" in output


async def test_0016_down_removes_what_0015_would_refuse(empty_database_url: str, empty_engine: AsyncEngine) -> None:
    """Sources and scopes; a key that could only report has no scope left."""

    async def run(*statements: str) -> None:
        async with empty_engine.begin() as connection:
            for statement in statements:
                await connection.exec_driver_sql(statement)

    await with_alembic(empty_database_url, functools.partial(command.upgrade, revision="0001"))
    await run(FILL_0001, FILL_0001_LINE)
    await with_alembic(empty_database_url, functools.partial(command.upgrade, revision="0016"))
    async with empty_engine.connect() as connection:
        query = "SELECT DISTINCT workflow_id, origin, parent_id FROM opledger.operations"
        before = await connection.execute(sa.text(query))
        assert before.all() == [(None, "LEDGER", None)]
    key = "INSERT INTO opledger.api_keys"
    key += " VALUES ('{}aaaaaaa', decode(repeat('00', 32), 'hex'), 'n', 't', '{{{}}}', now())"
    await run(
        "UPDATE opledger.transitions SET source = 'ADOPTION' WHERE operation_id::text LIKE '%1'",
        "UPDATE opledger.operations SET workflow_id = 'order-1', origin = 'ADOPTED' WHERE status = 'RUNNING'",
        *(key.format(*given) for given in (("a", "report"), ("b", "read,report"), ("c", "admin"))),
    )
    await with_alembic(empty_database_url, functools.partial(command.downgrade, revision="-1"))
    async with empty_engine.connect() as connection:
        query = "SELECT left(prefix, 1), scopes FROM opledger.api_keys ORDER BY prefix"
        keys = await connection.execute(sa.text(query))
        assert keys.all() == [("b", ["read"]), ("c", ["admin"])]
        sources = await connection.scalars(sa.text("SELECT DISTINCT source FROM opledger.transitions ORDER BY source"))
        assert list(sources) == ["CLIENT", "RECONCILIATION"]


async def test_everything_is_in_the_schema_of_the_ledger(postgres_engine: AsyncEngine) -> None:
    """Nothing is in the schema `public`, which belongs to others, and functions do not depend on a search path."""
    outside = """
        SELECT relname::text FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
        WHERE nspname NOT IN ('opledger', 'pg_catalog', 'information_schema', 'pg_toast')
        UNION SELECT proname::text FROM pg_proc WHERE pronamespace = 'public'::regnamespace
        UNION SELECT typname::text FROM pg_type WHERE typnamespace = 'public'::regnamespace
    """
    paths = """
        SELECT proname, proconfig FROM pg_proc
        WHERE pronamespace = 'opledger'::regnamespace AND proname <> 'operations_refuse'
    """
    async with postgres_engine.connect() as connection:
        assert (await connection.scalars(sa.text(outside))).all() == []
        for name, configured in await connection.execute(sa.text(paths)):
            assert any(setting.startswith("search_path=") for setting in configured or ()), name


async def test_migration_needs_no_privilege_outside_the_schema(
    empty_database_url: str, empty_engine: AsyncEngine
) -> None:
    """A role that owns the schema alone migrates: it creates nothing in `public`, and no schema."""
    role = f"owner_{uuid4().hex}"
    async with empty_engine.begin() as connection:
        await connection.execute(sa.text(f"CREATE ROLE {role} LOGIN"))
        await connection.execute(sa.text(f"CREATE SCHEMA opledger AUTHORIZATION {role}"))
    try:
        migrated = await migrate(empty_database_url.replace(f"//{USER}@", f"//{role}@"))
        assert migrated.after == CURRENT
    finally:
        async with empty_engine.begin() as connection:
            await connection.execute(sa.text(f"DROP OWNED BY {role}"))
            await connection.execute(sa.text(f"DROP ROLE {role}"))
