"""Idempotency keys in PostgreSQL."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.postgres.errors import translated
from adapters.postgres.rows import name, standard_uuid
from adapters.postgres.tables import idempotency_keys as keys
from application.ports.idempotency_keys import IdempotencyRecord


class PostgresIdempotencyKeys:
    """Works within the transaction of its connection, at READ COMMITTED."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def claim(self, record: IdempotencyRecord, now: datetime) -> IdempotencyRecord:
        fields = {
            "request_hash": record.request_hash,
            "operation_id": record.operation_id,
            "expires_at": record.expires_at,
        }
        statement = insert(keys).values(tenant=name(record.tenant), key=name(record.key), **fields)
        statement = statement.on_conflict_do_update(
            index_elements=[keys.c.tenant, keys.c.key], set_=fields, where=keys.c.expires_at <= now
        )
        with translated():
            won = (await self._connection.execute(statement.returning(keys.c.key))).one_or_none()
            return record if won is not None else await self._holder(record)

    async def purge(self, now: datetime, limit: int) -> int:
        expired = (
            sa.select(keys.c.tenant, keys.c.key)
            .where(keys.c.expires_at <= now)
            .order_by(keys.c.expires_at)
            .limit(limit)
            .with_for_update(skip_locked=True)
            .cte("expired")
            .prefix_with("MATERIALIZED")
        )
        statement = sa.delete(keys).where(keys.c.tenant == expired.c.tenant, keys.c.key == expired.c.key)
        with translated():
            return (await self._connection.execute(statement)).rowcount

    async def _holder(self, record: IdempotencyRecord) -> IdempotencyRecord:
        """Who has the key. The refused update has locked the row, so it is there."""
        found = await self._connection.execute(
            sa.select(keys).where(keys.c.tenant == record.tenant, keys.c.key == record.key)
        )
        row = found.one()
        return IdempotencyRecord(row.tenant, row.key, row.request_hash, standard_uuid(row.operation_id), row.expires_at)
