"""The service's own role: it can do everything that the service does, owns nothing, and can do nothing else.

The contracts of the store ports run as that role, so that a query that needs more privileges fails."""

import itertools
import os
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.access.api_keys import PostgresApiKeys
from adapters.postgres.access.stream_tickets import PostgresStreamTickets
from adapters.postgres.connection.driver import connector
from adapters.postgres.connection.engine import create_engine
from adapters.postgres.connection.errors import translated
from adapters.postgres.probes import DatabaseProbe, MigrationProbe
from adapters.postgres.schema.grants import PRIVILEGES, grant_to
from adapters.postgres.schema.revision import SCHEMA
from adapters.postgres.schema.tables import IDENTITY, metadata, operations
from application.ports.storage.unit_of_work import DatabaseRefused
from domain.errors import InvalidTransition, OperationNotDone, StartupError
from domain.operation.status import OperationStatus
from entrypoints.local.embedded.postgres import USER
from tests.contract.storage.operations.test_operation_queries import OperationQueriesContract, change_to
from tests.contract.storage.operations.test_operation_repository import OperationRepositoryContract, accepted_change
from tests.contract.storage.operations.test_verification import VerificationContract
from tests.contract.storage.stores import PostgresBackend, Store, add
from tests.contract.storage.test_api_keys import key
from tests.contract.storage.test_change_feed import ChangeFeedContract
from tests.contract.storage.test_drift_queries import DriftQueriesContract
from tests.contract.storage.test_idempotency_keys import IdempotencyKeysContract
from tests.contract.storage.test_stream_tickets import ticket
from tests.contract.storage.test_unit_of_work import UnitOfWorkContract
from tests.support.operations import ID, at

TABLES = [f"{SCHEMA}.{table}" for table in PRIVILEGES]
_numbers = itertools.count(1)


@pytest.fixture
async def role(postgres_engine: AsyncEngine) -> AsyncIterator[str]:
    """A role that can only log in. Its name needs quotes."""
    name = f"the service {os.getpid()} {next(_numbers)}"
    await sql(postgres_engine, f'CREATE ROLE "{name}" LOGIN')
    yield name
    await sql(postgres_engine, f'DROP OWNED BY "{name}"', f'DROP ROLE "{name}"')


@pytest.fixture
async def service(database_url: str, role: str) -> AsyncIterator[AsyncEngine]:
    """Connections of that role, after the grants."""
    await grant_to(database_url, role)
    engine = create_engine(as_role(database_url, role))
    yield engine
    await engine.dispose()


def as_role(url: str, role: str) -> str:
    """Returns the URL for another user."""
    assert f"//{USER}@" in url
    return url.replace(f"//{USER}@", f"//{quote(role)}@")


async def sql(engine: AsyncEngine, *statements: str) -> None:
    """Runs the statements in one commit."""
    async with engine.begin() as connection:
        for statement in statements:
            with translated():
                await connection.execute(text(statement))


class AsTheService:
    """Runs a contract as the service's role."""

    @pytest.fixture
    async def store(self, service: AsyncEngine, database_url: str, role: str) -> AsyncIterator[Store]:
        backend = PostgresBackend(service, connector(as_role(database_url, role)))
        yield backend
        await backend.close()


class TestRepository(AsTheService, OperationRepositoryContract):
    pass


class TestVerification(AsTheService, VerificationContract):
    pass


class TestQueries(AsTheService, OperationQueriesContract):
    pass


class TestIdempotencyKeys(AsTheService, IdempotencyKeysContract):
    pass


class TestUnitOfWork(AsTheService, UnitOfWorkContract):
    pass


class TestChangeFeed(AsTheService, ChangeFeedContract):
    pass


class TestDriftQueries(AsTheService, DriftQueriesContract):
    pass


async def test_the_probes_pass(service: AsyncEngine) -> None:
    """The API can become ready."""
    await DatabaseProbe(service).check()
    await MigrationProbe(service).check()


async def test_api_keys_can_be_used_but_not_created_or_restored(
    service: AsyncEngine, postgres_engine: AsyncEngine
) -> None:
    """By an attacker who takes over the API."""
    await PostgresApiKeys(postgres_engine).add(key(1))
    keys = PostgresApiKeys(service)
    await keys.note_used({key(1).prefix: at(5)})
    [found] = (await keys.find([key(1).prefix])).values()
    assert found.last_used_at == at(5)
    for call in (keys.add(key(2)), keys.revoke(key(1).prefix, at(9))):
        with pytest.raises(DatabaseRefused, match="api_keys"):
            await call


async def test_stream_tickets_are_stored_and_taken(service: AsyncEngine) -> None:
    """And expired ones deleted."""
    tickets = PostgresStreamTickets(service)
    await tickets.add(ticket(1, until=10), at(0))
    await tickets.add(ticket(2), at(20))
    assert await tickets.take(ticket(1).secret_hash) is None
    assert await tickets.take(ticket(2).secret_hash) == ticket(2)


async def test_a_finished_operation_is_deleted_with_its_history(
    service: AsyncEngine, postgres_engine: AsyncEngine, database_url: str
) -> None:
    """Although the role cannot delete history lines by themselves, or unfinished operations."""
    store = PostgresBackend(postgres_engine, connector(database_url))
    await add(store, accepted_change(1))
    await store.close()
    with pytest.raises(OperationNotDone):
        await sql(service, "DELETE FROM opledger.operations")
    end = "status = 'FAILED', error_code = 'CANCELED', error_message = '', error_details = '{}'"
    await sql(service, f"UPDATE opledger.operations SET {end}, finished_at = accepted_at, dispatch_due_at = NULL")
    await sql(service, "DELETE FROM opledger.operations")
    async with service.connect() as connection:
        assert await connection.scalar(text("SELECT count(*) FROM opledger.transitions")) == 0


async def test_a_finished_operation_keeps_all_columns_but_the_attention(
    service: AsyncEngine, postgres_engine: AsyncEngine, database_url: str
) -> None:
    """Of the columns that the role may change."""
    store = PostgresBackend(postgres_engine, connector(database_url))
    await add(store, change_to(OperationStatus.COMPLETED, 1))
    await store.close()
    free = {"attention_kind", "attention_since", "attention_message", "updated_at", "version", "history_length"}
    free |= {"revision", "retried_by", "acknowledged", "keep"}
    kept = {column.name for column in operations.c} - {*IDENTITY} - free - {"changed_in"}
    values = {
        "dispatch_attempts": "7",
        "follow_up_attempts": "7",
        "cancel_forced": "true",
        "calls_back": "true",
        "status": "'FAILED'",
        "superseded_by": "gen_random_uuid()",
        "unchecked": "true",
    }
    for column in kept:
        kind = str(operations.c[column].type)
        value = values.get(column, "'{}'" if kind.startswith("JSON") else "now()" if "TIME" in kind else "'another'")
        with pytest.raises(InvalidTransition):
            await sql(service, f"UPDATE opledger.operations SET {column} = {value}")
    await sql(service, "UPDATE opledger.operations SET version = version + 1, updated_at = now()")


@pytest.mark.parametrize(
    "statement",
    [
        *(f"TRUNCATE {table} CASCADE" for table in TABLES),
        *(f"DROP TABLE {table} CASCADE" for table in TABLES),
        *(f"ALTER TABLE {table} ADD COLUMN more int" for table in TABLES),
        *(f"CREATE INDEX ON {table} ((1))" for table in TABLES),
        "ALTER TABLE opledger.operations DISABLE TRIGGER operations_outcome_is_final",
        "CREATE TABLE opledger.more (n int)",
        "CREATE FUNCTION opledger.more() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE SCHEMA more",
        "SELECT opledger.submit('deploy')",
        "INSERT INTO opledger.submitters VALUES (current_user, 't')",
        "SELECT * FROM opledger.submitters",
        "CREATE ROLE more",
        *(f"UPDATE opledger.operations SET {column} = {column}" for column in IDENTITY),
        "UPDATE opledger.operations SET tenant = 'another'",
        "UPDATE opledger.operations SET input = '{}' WHERE status = 'COMPLETED'",
        "INSERT INTO opledger.operations TABLE opledger.operations ON CONFLICT (id) DO UPDATE SET tenant = 'another'",
        "UPDATE opledger.idempotency_keys SET tenant = 'another'",
        "UPDATE opledger.idempotency_keys SET key = 'another'",
        "UPDATE opledger.watermarks SET name = 'another'",
        "DELETE FROM opledger.watermarks",
        "UPDATE opledger.transitions SET reason = 'another'",
        "DELETE FROM opledger.transitions",
        "UPDATE opledger.api_keys SET scopes = ARRAY['admin']",
        "UPDATE opledger.api_keys SET revoked_at = NULL",
        "DELETE FROM opledger.api_keys",
        "UPDATE opledger.alembic_version SET version_num = '0000'",
        "SET session_replication_role = replica",
        f"SET ROLE {USER}",
        "COPY opledger.operations TO PROGRAM 'true'",
    ],
)
async def test_other_statements_are_refused(service: AsyncEngine, statement: str) -> None:
    """On schema, tables, history, keys and revision, and known ways around."""
    with pytest.raises(DatabaseRefused):
        await sql(service, statement)


async def test_every_table_is_granted_or_excluded() -> None:
    """A new table needs a decision."""
    assert set(TABLES) - {"opledger.alembic_version"} == metadata.tables.keys() - {"opledger.submitters"}


async def test_the_role_owns_nothing(service: AsyncEngine, role: str) -> None:
    """Nothing in the database."""
    query = "SELECT count(*) FROM pg_shdepend JOIN pg_roles ON refobjid = pg_roles.oid"
    async with service.connect() as connection:
        owned = await connection.scalar(text(f"{query} WHERE deptype = 'o' AND rolname = :role"), {"role": role})
    assert owned == 0


async def test_grants_replace_earlier_privileges(database_url: str, role: str, service: AsyncEngine) -> None:
    """A repeat changes nothing."""
    owner = create_engine(database_url)
    await sql(
        owner,
        f'GRANT ALL ON opledger.transitions, opledger.api_keys TO "{role}"',
        f'GRANT ALL ON SCHEMA opledger TO "{role}"',
    )
    for _ in range(2):
        await grant_to(database_url, role)
        for statement in (
            "TRUNCATE opledger.transitions",
            "DELETE FROM opledger.api_keys",
            "CREATE TABLE opledger.more (n int)",
        ):
            with pytest.raises(DatabaseRefused):
                await sql(service, statement)
        await sql(service, f"SELECT * FROM opledger.operations WHERE id = '{ID}'")
    await owner.dispose()


async def test_roles_that_grants_do_not_limit_are_refused(
    database_url: str, role: str, postgres_engine: AsyncEngine
) -> None:
    """A missing role, a superuser, the owner, a member of the owner; and a schema in which every role may create
    tables."""
    with pytest.raises(StartupError, match="the database role nobody does not exist: create it with CREATE ROLE"):
        await grant_to(database_url, "nobody")
    async with postgres_engine.connect() as connection:
        owner = str(await connection.scalar(text("SELECT current_user")))
    with pytest.raises(StartupError, match="is a superuser"):
        await grant_to(database_url, owner)
    await sql(postgres_engine, "GRANT CREATE ON SCHEMA opledger TO PUBLIC")
    with pytest.raises(StartupError, match="may create tables, as every role may"):
        await grant_to(database_url, role)
    await sql(postgres_engine, "REVOKE CREATE ON SCHEMA opledger FROM PUBLIC")
    await sql(postgres_engine, f'ALTER TABLE opledger.operations OWNER TO "{role}"')
    with pytest.raises(StartupError, match="owns the tables"):
        await grant_to(database_url, role)
    await sql(postgres_engine, f'ALTER TABLE opledger.operations OWNER TO "{owner}"')


async def test_only_the_owner_can_grant(database_url: str, role: str, service: AsyncEngine) -> None:
    """The service gets an error, and nothing changes."""
    with pytest.raises(StartupError, match="only the tables' owner can grant"):
        await grant_to(as_role(database_url, role), role)
    await DatabaseProbe(service).check()


async def test_the_service_sets_its_own_time_limits(service: AsyncEngine) -> None:
    """On its connections, so that no role needs them."""
    async with service.connect() as connection:
        for name in ("statement_timeout", "idle_in_transaction_session_timeout"):
            assert await connection.scalar(text(f"SHOW {name}")) == "15s"


async def test_migrate_grant_to_grants(tmp_path: Path, database_url: str, role: str) -> None:
    """`opledger migrate --grant-to` grants and says so."""
    from tests.support.stack.commands import run

    ended = await run("migrate", "--grant-to", role, cwd=tmp_path, DATABASE_URL=database_url)
    assert (ended.code, ended.output.splitlines()[1:]) == (
        0,
        [f"the role {role} may do what the API and the workers need, and no more"],
    )
    engine = create_engine(as_role(database_url, role))
    await MigrationProbe(engine).check()
    await engine.dispose()
