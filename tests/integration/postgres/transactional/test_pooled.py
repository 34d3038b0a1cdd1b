"""`opledger.submit` through pgbouncer in transaction mode, where roles and sessions are shared."""

import asyncio
from urllib.parse import unquote, urlsplit

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from opledger import Submission
from opledger.sql import submit_with_asyncpg
from tests.integration.postgres.transactional.conftest import Team

pytestmark = pytest.mark.tools


async def test_each_transaction_submits_for_its_own_role(
    team: Team, pooled_url: str, postgres_engine: AsyncEngine
) -> None:
    """Ten clients of two teams share four server connections. Every second transaction is rolled back."""
    roles = {tenant: unquote(urlsplit(await team(tenant)).username or "") for tenant in ("one", "two")}

    async def submit(number: int) -> None:
        tenant = ("one", "two")[number % 2]
        connection = await asyncpg.connect(pooled_url, statement_cache_size=0)
        for turn in range(4):
            transaction = connection.transaction()
            await transaction.start()
            await connection.execute(f"SET LOCAL ROLE {roles[tenant]}")
            key = f"{number}-{turn}"
            submission = Submission("deploy", number, idempotency_key=key)
            await submit_with_asyncpg(connection, submission, tenant=tenant)
            await (transaction.rollback() if turn % 2 else transaction.commit())
        await connection.close()

    await asyncio.gather(*(submit(number) for number in range(10)))
    async with postgres_engine.connect() as connection:
        counted = await connection.execute(
            text("SELECT tenant, count(*) FROM opledger.operations GROUP BY 1 ORDER BY 1")
        )
        assert [tuple(row) for row in counted] == [("one", 10), ("two", 10)]
