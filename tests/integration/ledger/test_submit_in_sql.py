"""Submission in the caller's transaction, with the real dispatcher and workflows."""

from typing import Any

import asyncpg
from temporalio.client import Client

from adapters.postgres.schema.grants import grant_submit_to
from domain.operation.operation_error import ErrorCode
from domain.operation.status import OperationStatus
from opledger import Submission
from opledger.sql import submit_with_asyncpg
from tests.support.ledger.real import TENANT, real_ledger


async def test_the_workflow_starts_after_the_commit(temporal_client: Client, database_url: str) -> None:
    """P1: exactly one, and none for a transaction that is rolled back. An invalid one fails with its reason."""
    connection: asyncpg.Connection[Any] = await asyncpg.connect(database_url.replace("+asyncpg", ""))
    try:
        role = str(await connection.fetchval("SELECT current_user"))
        await grant_submit_to(database_url, role, TENANT)
        async with real_ledger(temporal_client, database_url) as ledger, ledger.working():
            transaction = connection.transaction()
            await transaction.start()
            lost = await submit_with_asyncpg(connection, Submission("Echo-team", {"n": 0}))
            await transaction.rollback()
            async with connection.transaction():
                made = await submit_with_asyncpg(connection, Submission("Echo-team", {"n": 1}))
                unknown = await submit_with_asyncpg(connection, Submission("no-such-type"))
                assert await ledger.rows() == []
            row = await ledger.done(made)
            assert (row.status, row.unchecked) == (OperationStatus.COMPLETED, False)
            refused = await ledger.done(unknown)
            assert refused.error is not None
            assert refused.error.code is ErrorCode.START_REJECTED
            assert refused.error.details["errors"][0]["pointer"] == "/type"  # type: ignore[index,call-overload]
            assert {each.id for each in await ledger.rows()} == {made, unknown}
            assert lost not in {made, unknown}
    finally:
        await connection.close()
