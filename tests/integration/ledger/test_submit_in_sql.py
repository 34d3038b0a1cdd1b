"""Submission in the caller's transaction, with the real dispatcher and workflows."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any
from uuid import UUID

import asyncpg
from temporalio.client import Client

from adapters.postgres.schema.grants import grant_submit_to
from domain.bulk.bulk_action import BulkVerb
from domain.json_value import JsonValue
from domain.operation.operation_error import ErrorCode
from domain.operation.operation_type import OperationCatalogue
from domain.operation.status import OperationStatus
from opledger import Submission
from opledger.sql import submit_with_asyncpg
from tests.support.ledger.real import CATALOGUE, TENANT, RealLedger, real_ledger


@contextlib.asynccontextmanager
async def team(url: str) -> AsyncIterator["asyncpg.Connection[Any]"]:
    """A connection that may submit for the tenant."""
    connection: asyncpg.Connection[Any] = await asyncpg.connect(url.replace("+asyncpg", ""))
    try:
        await grant_submit_to(url, str(await connection.fetchval("SELECT current_user")), TENANT)
        yield connection
    finally:
        await connection.close()


async def test_the_workflow_starts_after_the_commit(temporal_client: Client, database_url: str) -> None:
    """P1: exactly one, and none for a transaction that is rolled back. An invalid one fails with its reason."""
    async with (
        team(database_url) as connection,
        real_ledger(temporal_client, database_url) as ledger,
        ledger.working(),
    ):
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
        assert await refused_at(ledger, unknown) == ["/type"]
        assert {each.id for each in await ledger.rows()} == {made, unknown}
        assert lost not in {made, unknown}


async def refused_at(ledger: RealLedger, operation_id: UUID) -> list[str]:
    """The places that the dispatcher has refused. It has not started the workflow."""
    row = await ledger.done(operation_id)
    assert row.error is not None
    assert (row.status, row.error.code) == (OperationStatus.FAILED, ErrorCode.START_REJECTED)
    assert operation_id not in ledger.engine.calls["start"]
    errors = row.error.details["errors"]
    assert isinstance(errors, list)
    return [str(error["pointer"]) for error in errors if isinstance(error, dict)]


async def test_a_bulk_action_cannot_be_submitted(temporal_client: Client, database_url: str) -> None:
    """Its type is the ledger's own: an operation of it has no targets and was not confirmed."""
    async with (
        team(database_url) as connection,
        real_ledger(temporal_client, database_url) as ledger,
        ledger.working(),
    ):
        for verb in BulkVerb:
            made = await submit_with_asyncpg(connection, Submission(f"opledger.{verb}", {"filter": {"all": True}}))
            assert await refused_at(ledger, made) == ["/type"]


async def test_an_input_is_checked_against_its_schema(temporal_client: Client, database_url: str) -> None:
    """Before the start, with every violation and its pointer."""
    schema: dict[str, JsonValue] = {
        "type": "object",
        "properties": {"machine": {"type": "string"}, "disks": {"type": "array", "items": {"type": "integer"}}},
        "required": ["machine"],
    }
    strict = replace(CATALOGUE.get("Echo-team"), name="strict", input_schema=schema)
    catalogue = OperationCatalogue({**CATALOGUE.types, "strict": strict})
    async with (
        team(database_url) as connection,
        real_ledger(temporal_client, database_url, catalogue=catalogue) as ledger,
        ledger.working(),
    ):
        broken = await submit_with_asyncpg(connection, Submission("strict", {"machine": 7, "disks": [1, "two"]}))
        valid = await submit_with_asyncpg(connection, Submission("strict", {"machine": "m1"}))
        assert sorted(await refused_at(ledger, broken)) == ["/input/disks/1", "/input/machine"]
        assert (await ledger.done(valid)).status is OperationStatus.COMPLETED
