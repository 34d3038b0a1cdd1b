"""`opledger.sql` with every driver, on the real PostgreSQL: each submits in the transaction of its connection."""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

import asyncpg
import psycopg
import pytest
from psycopg.rows import dict_row
from sqlalchemy import create_engine
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.orm import Session

from adapters.postgres.unit_of_work import PostgresUnitsOfWork
from opledger import Submission
from opledger.sql import (
    submit_statement,
    submit_with_async_psycopg,
    submit_with_asyncpg,
    submit_with_psycopg,
)
from tests.integration.postgres.transactional.conftest import Team

Submit = Callable[[Submission], Awaitable[UUID]]
OpenTransaction = Callable[[str, bool], contextlib.AbstractAsyncContextManager[Submit]]
"""Opens a transaction on the URL, which is committed or rolled back at the end."""


@contextlib.asynccontextmanager
async def with_asyncpg(url: str, commit: bool) -> AsyncIterator[Submit]:
    connection = await asyncpg.connect(url)
    transaction = connection.transaction()
    await transaction.start()
    yield lambda submission: submit_with_asyncpg(connection, submission, tenant="acme")
    await (transaction.commit() if commit else transaction.rollback())
    await connection.close()


@contextlib.asynccontextmanager
async def with_psycopg(url: str, commit: bool) -> AsyncIterator[Submit]:
    with psycopg.connect(url, row_factory=dict_row) as connection:

        async def submit(submission: Submission) -> UUID:
            return submit_with_psycopg(connection, submission, tenant="acme")

        yield submit
        (connection.commit if commit else connection.rollback)()


@contextlib.asynccontextmanager
async def with_async_psycopg(url: str, commit: bool) -> AsyncIterator[Submit]:
    async with await psycopg.AsyncConnection.connect(url) as connection:
        yield lambda submission: submit_with_async_psycopg(connection, submission, tenant="acme")
        await (connection.commit() if commit else connection.rollback())


@contextlib.asynccontextmanager
async def with_sqlalchemy(url: str, commit: bool) -> AsyncIterator[Submit]:
    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    with Session(engine) as session:

        async def submit(submission: Submission) -> UUID:
            return UUID(str(session.scalar(submit_statement(submission, tenant="acme"))))

        yield submit
        (session.commit if commit else session.rollback)()
    engine.dispose()


@contextlib.asynccontextmanager
async def with_async_sqlalchemy(url: str, commit: bool) -> AsyncIterator[Submit]:
    engine = create_async_engine(url.replace("postgresql:", "postgresql+asyncpg:"))
    async with AsyncSession(engine) as session:

        async def submit(submission: Submission) -> UUID:
            return UUID(str(await session.scalar(submit_statement(submission, tenant="acme"))))

        yield submit
        await (session.commit() if commit else session.rollback())
    await engine.dispose()


DRIVERS = [with_asyncpg, with_psycopg, with_async_psycopg, with_sqlalchemy, with_async_sqlalchemy]


@pytest.mark.parametrize("open_transaction", DRIVERS)
async def test_every_driver_submits_in_its_transaction(
    open_transaction: OpenTransaction, team: Team, postgres_engine: AsyncEngine
) -> None:
    """All options and the tenant arrive; a repeat returns the same id; a rollback leaves nothing."""
    url = (await team("acme")).replace("+asyncpg", "")
    start_at = datetime(2030, 1, 1, tzinfo=UTC)
    start_at = min(start_at, datetime.now(UTC) + timedelta(days=300))
    async with open_transaction(url, True) as submit:
        parent = await submit(Submission("deploy"))
        value = {"machine": "Köln: %s :x $1 'quoted' \\", "n": [1, 2.5, None, True]}
        labels = {"team": "ä:%s"}
        whole = Submission("deploy", value, labels, idempotency_key="order-1", start_at=start_at, parent_id=parent)
        made = await submit(whole)
        assert await submit(whole) == made
        null = await submit(Submission("deploy", None, delay=timedelta(seconds=90.5)))
    async with open_transaction(url, False) as submit:
        gone = await submit(Submission("deploy"))
    async with PostgresUnitsOfWork(postgres_engine)() as unit:
        rows = await unit.operations.get_all([parent, made, null, gone])
    assert rows.keys() == {parent, made, null}
    row = rows[made]
    assert (row.type, row.input, row.labels, row.tenant) == ("deploy", value, {"team": "ä:%s"}, "acme")
    assert (row.start_at, row.parent_id) == (start_at, parent)
    later = rows[null].start_at
    assert later is not None
    assert later - rows[null].accepted_at == timedelta(seconds=90.5)
    assert rows[null].input is None
    assert rows[parent].input is not None


def test_a_time_needs_a_zone() -> None:
    """PostgreSQL would take that of the session."""
    with pytest.raises(ValueError, match="start_at has no time zone"):
        Submission("deploy", start_at=datetime(2030, 1, 1))  # noqa: DTZ001
