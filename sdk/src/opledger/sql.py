"""Submits operations in the caller's transaction, where the ledger's schema is in the same PostgreSQL database.

The operation exists as soon as the transaction commits, and never if it does not. Each function runs
`SELECT opledger.submit(...)` on one driver. The driver is the caller's own, and imported only when it is used.

`tenant`: the tenant that the caller expects; the database refuses another one than that of the role.

Errors are those of the driver, with the SQLSTATE 22023 for a field that breaks a rule, 23505 for an idempotency key
that was used with another request, and 42501 for a role that may not submit. A submission with `keep` is a ValueError:
the function of the database has no such argument.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from msgspec import UNSET

from opledger._submission import Submission, json_text

if TYPE_CHECKING:
    import asyncpg
    import psycopg
    import sqlalchemy


def submit_statement(submission: Submission, *, tenant: str | None = None) -> "sqlalchemy.TextClause":
    """Returns the statement for SQLAlchemy, with any driver, sync or async: `session.scalar(...)` returns the id."""
    from sqlalchemy import text

    given = _given(submission, tenant)
    return text(_call(given, ":{}".format)).bindparams(**given)


async def submit_with_asyncpg(
    connection: "asyncpg.Connection[Any]", submission: Submission, *, tenant: str | None = None
) -> UUID:
    """Submits on an asyncpg connection, in its transaction. Returns the operation's id."""
    given = _given(submission, tenant)
    places = {name: f"${number}" for number, name in enumerate(given, 1)}
    return UUID(str(await connection.fetchval(_call(given, places.__getitem__), *given.values())))


def submit_with_psycopg(
    connection: "psycopg.Connection[Any]", submission: Submission, *, tenant: str | None = None
) -> UUID:
    """Submits on a psycopg connection, in its transaction. Returns the operation's id."""
    from psycopg.rows import tuple_row

    given = _given(submission, tenant)
    with connection.cursor(row_factory=tuple_row) as cursor:
        row = cursor.execute(_call(given, "%({})s".format).encode(), given).fetchone()
    return UUID(str(row and row[0]))


async def submit_with_async_psycopg(
    connection: "psycopg.AsyncConnection[Any]", submission: Submission, *, tenant: str | None = None
) -> UUID:
    """Submits on an async psycopg connection, in its transaction. Returns the operation's id."""
    from psycopg.rows import tuple_row

    given = _given(submission, tenant)
    async with connection.cursor(row_factory=tuple_row) as cursor:
        row = await (await cursor.execute(_call(given, "%({})s".format).encode(), given)).fetchone()
    return UUID(str(row and row[0]))


def _given(submission: Submission, tenant: str | None) -> dict[str, str]:
    """Returns the arguments as text, which drivers do not encode in ways of their own. Raises ValueError."""
    if submission.keep:
        raise ValueError("keep: not supported in a transaction; call Client.keep when it is committed")
    given = {"type": submission.type}
    if submission.input is not UNSET:
        given["input"] = json_text(submission.input)
    if submission.labels:
        given["labels"] = json_text(dict(submission.labels))
    if submission.start_at is not None:
        given["start_at"] = submission.start_at.isoformat()
    if submission.delay is not None:
        given["delay"] = f"{submission.delay.total_seconds():.6f} seconds"
    if submission.parent_id is not None:
        given["parent_id"] = str(submission.parent_id)
    named = {"idempotency_key": submission.idempotency_key, "tenant": tenant}
    return given | {name: value for name, value in named.items() if value is not None}


_TYPES: Final = {
    "input": "jsonb",
    "labels": "jsonb",
    "start_at": "timestamptz",
    "delay": "interval",
    "parent_id": "uuid",
}


def _call(given: Mapping[str, str], place: Callable[[str], str]) -> str:
    arguments = (f"{name} => CAST(CAST({place(name)} AS text) AS {_TYPES.get(name, 'text')})" for name in given)
    return f"SELECT opledger.submit({', '.join(arguments)})"
