"""Grants the service's database role the privileges that it needs, and no others; lets other roles submit.

API and workers do not need the role that migrates. With a role of its own, an attacker who takes over an API process
cannot change the schema, truncate a table, change what an operation was accepted with (tenant, type, input, labels),
change or remove a single history line, delete an unfinished operation, or create an API key. A trigger protects
finished operations. The attacker can still do what the service does: end operations, and delete finished ones with
their history.
"""

from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.postgres.connection.connections import connected
from adapters.postgres.connection.driver import DatabaseSettings
from adapters.postgres.connection.engine import create_engine
from adapters.postgres.connection.errors import translated
from adapters.postgres.schema.revision import SCHEMA
from adapters.postgres.schema.tables import IDENTITY, operations
from domain.errors import StartupError

_CHANGING = ", ".join(column.name for column in operations.c if column.name not in IDENTITY)
PRIVILEGES: Final = {
    "operations": f"SELECT, INSERT, UPDATE ({_CHANGING}), DELETE",
    "transitions": "SELECT, INSERT",  # a deleted operation's lines go with it, by the owner's foreign key
    "operation_counts": "SELECT, INSERT, DELETE",  # triggers write with the service's privileges
    "operation_throughput_changes": "SELECT, INSERT, DELETE",
    "operation_throughput": "SELECT, INSERT, UPDATE (number), DELETE",
    "idempotency_keys": "SELECT, INSERT, UPDATE (request_hash, operation_id, expires_at), DELETE",
    "watermarks": "SELECT, INSERT, UPDATE (at)",
    "leases": "SELECT, INSERT, UPDATE (until, mark)",
    "api_keys": "SELECT, UPDATE (last_used_at)",  # `opledger keys` is for the owner
    "stream_tickets": "SELECT, INSERT, UPDATE (expires_at), DELETE",  # the update is for row locks
    "bulk_actions": "SELECT, INSERT, UPDATE (operation_id, reason, force, actor), DELETE",
    "bulk_outcomes": "SELECT, INSERT",  # a deleted bulk action's outcomes go with it
    "alembic_version": "SELECT",
}
"""By table. The service has no access to other tables."""
_SETTINGS = DatabaseSettings(application_name="opledger-migrate", pool_size=1, max_overflow=0)
_IS_OWNER = sa.text("SELECT pg_has_role(relowner, 'USAGE') FROM pg_class WHERE oid = 'opledger.operations'::regclass")
_ROLE = sa.text(
    "SELECT rolsuper, pg_has_role(pg_roles.oid, relowner, 'MEMBER') AS owns FROM pg_roles, pg_class"
    " WHERE rolname = :role AND pg_class.oid = 'opledger.operations'::regclass"
)
_BIND = sa.text(
    "INSERT INTO opledger.submitters (role, tenant) VALUES (:role, :tenant)"
    " ON CONFLICT (role) DO UPDATE SET tenant = excluded.tenant"
)
_MAY_CREATE = sa.text("SELECT has_schema_privilege(:role, :schema, 'CREATE')")


async def grant_to(url: str, role: str) -> None:
    """Grants the role exactly PRIVILEGES and revokes its other privileges on these tables. `url` is the owner's.

    Raises DatabaseUnavailable, DatabaseRefused, and StartupError for a role that does not exist or that grants do not
    limit: a superuser, the tables' owner, a role that may create tables in the schema.
    """
    engine = create_engine(url, _SETTINGS)
    try:
        async with connected(engine) as connection:
            with translated():
                await _check_role(connection, role)
                for statement in await _statements(connection, role):
                    await connection.exec_driver_sql(statement)
                if await connection.scalar(_MAY_CREATE, {"role": role, "schema": SCHEMA}):
                    raise StartupError(
                        f"the role {role} may create tables, as every role may: REVOKE CREATE ON SCHEMA {SCHEMA} FROM "
                        "PUBLIC, and grant again"
                    )
                await connection.commit()
    finally:
        await engine.dispose()


async def _check_owner(connection: AsyncConnection) -> None:
    if not await connection.scalar(_IS_OWNER):  # to other roles PostgreSQL gives only a warning
        raise StartupError("only the tables' owner can grant: set DATABASE_URL to the owner's")


async def _found(connection: AsyncConnection, role: str) -> "sa.Row[Any]":
    found = (await connection.execute(_ROLE, {"role": role})).one_or_none()
    if found is None:
        raise StartupError(f"the database role {role} does not exist: create it with CREATE ROLE, LOGIN and a password")
    return found


async def _check_role(connection: AsyncConnection, role: str) -> None:
    await _check_owner(connection)
    found = await _found(connection, role)
    if found.rolsuper or found.owns:
        what = "is a superuser" if found.rolsuper else "owns the tables, or is a member of their owner"
        raise StartupError(f"the role {role} {what}: grants do not limit it; give the service a role of its own")


async def _statements(connection: AsyncConnection, role: str) -> list[str]:
    quoted = connection.dialect.identifier_preparer.quote_identifier
    database = quoted(str(await connection.scalar(sa.text("SELECT current_database()"))))
    who = quoted(role)
    return [
        f"GRANT CONNECT ON DATABASE {database} TO {who}",
        f"REVOKE ALL ON SCHEMA {SCHEMA} FROM {who}",
        f"GRANT USAGE ON SCHEMA {SCHEMA} TO {who}",
        f"REVOKE ALL ON {', '.join(f'{SCHEMA}.{table}' for table in PRIVILEGES)} FROM {who}",
        *(f"GRANT {privileges} ON {SCHEMA}.{table} TO {who}" for table, privileges in PRIVILEGES.items()),
    ]


async def grant_submit_to(url: str, role: str, tenant: str) -> None:
    """Lets the role call `opledger.submit`, for this tenant alone, instead of an earlier one. `url` is the owner's.

    Raises DatabaseUnavailable, DatabaseRefused, InvalidInput for a tenant, and StartupError for a role that does not
    exist.
    """
    engine = create_engine(url, _SETTINGS)
    try:
        async with connected(engine) as connection:
            with translated():
                await _check_owner(connection)
                await _found(connection, role)
                who = connection.dialect.identifier_preparer.quote_identifier(role)
                await connection.exec_driver_sql(f"GRANT USAGE ON SCHEMA {SCHEMA} TO {who}")
                await connection.exec_driver_sql(f"GRANT EXECUTE ON FUNCTION {SCHEMA}.submit TO {who}")
                await connection.execute(_BIND, {"role": role, "tenant": tenant})
                await connection.commit()
    finally:
        await engine.dispose()
