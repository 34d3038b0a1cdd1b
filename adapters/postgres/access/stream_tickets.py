"""Stream tickets in PostgreSQL."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.connection.connections import connected
from adapters.postgres.connection.errors import translated
from adapters.postgres.schema.tables import stream_tickets as tickets
from domain.access.stream_ticket import StreamTicket

_EXPIRED_AT_ONCE = 1000
"""At most this many expired tickets are deleted with each new one."""


class PostgresStreamTickets:
    """Each call is a transaction of its own. Taking a ticket deletes its row, so only one caller gets it."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def add(self, ticket: StreamTicket, now: datetime) -> None:
        expired = (
            sa.select(tickets.c.secret_hash)
            .where(tickets.c.expires_at <= now)
            .order_by(tickets.c.expires_at)
            .limit(_EXPIRED_AT_ONCE)
            .with_for_update(skip_locked=True)
            .cte("expired")
            .prefix_with("MATERIALIZED")
        )
        await self._run(sa.delete(tickets).where(tickets.c.secret_hash == expired.c.secret_hash), _insert(ticket))

    async def take(self, secret_hash: bytes) -> StreamTicket | None:
        statement = sa.delete(tickets).where(tickets.c.secret_hash == secret_hash).returning(*tickets.c)
        [result] = await self._run(statement)
        row = result[0] if result else None
        return None if row is None else StreamTicket(**row._mapping)

    async def _run(self, *statements: sa.Executable) -> list[list[sa.Row[Any]]]:
        """Returns the rows of each statement, after the commit."""
        async with connected(self._engine) as connection:
            with translated():
                results = []
                for statement in statements:
                    result = await connection.execute(statement)
                    results.append(list(result) if result.returns_rows else [])
                await connection.commit()
        return results


def _insert(ticket: StreamTicket) -> sa.Executable:
    return sa.insert(tickets).values({column.name: getattr(ticket, column.name) for column in tickets.c})
