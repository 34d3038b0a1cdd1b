"""Batched look-ups on a real connection: they share a statement and nothing else."""

import asyncio
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.operations.operation_queries import PostgresQueries
from adapters.postgres.unit_of_work import PostgresUnitsOfWork
from domain.operation.start.creation import accept
from tests.support.operations import cause


async def test_an_unreadable_row_fails_its_own_caller_alone(postgres_engine: AsyncEngine) -> None:
    """A later version may write one during an upgrade."""
    async with PostgresUnitsOfWork(postgres_engine)() as unit:
        for number, tenant in enumerate(["one", "two", "three"], start=1):
            made = accept(UUID(int=number), tenant=tenant, type_name="deploy", value=None, labels={}, cause=cause())
            await unit.operations.add(made)
        await unit.commit()
    async with postgres_engine.begin() as connection:
        change = """UPDATE opledger.operations SET progress = '{"steps": 3}' WHERE tenant = 'two'"""
        await connection.execute(text(change))
    queries = PostgresQueries(postgres_engine)
    one, two, three = await asyncio.gather(
        *(queries(tenant).get(UUID(int=number)) for number, tenant in enumerate(["one", "two", "three"], start=1)),
        return_exceptions=True,
    )
    assert isinstance(two, KeyError)
    assert [getattr(other, "tenant", other) for other in (one, three)] == ["one", "three"]
