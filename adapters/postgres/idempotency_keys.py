"""Idempotency keys in PostgreSQL."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.postgres.connection.errors import translated
from adapters.postgres.connection.raw_statement import RawStatement
from adapters.postgres.operations.rows import standard_uuid
from adapters.postgres.operations.text import identifier
from adapters.postgres.schema.tables import idempotency_keys as keys
from application.ports.storage.idempotency_keys import IdempotencyRecord

_KeyId = tuple[str, str]


def _given(columns: Iterable[sa.Column[Any]]) -> sa.TableValuedAlias:
    """Returns a table of parameters. Each column is one array, so that any number of rows has the same statement."""
    columns = list(columns)
    arrays = [sa.bindparam(f"given_{column.name}", type_=ARRAY(column.type)) for column in columns]
    table = sa.func.unnest(*arrays).table_valued(*(sa.column(column.name, column.type) for column in columns))
    return table.render_derived(name="given")


def _arrays(columns: Iterable[sa.Column[Any]], rows: Sequence[tuple[Any, ...]]) -> dict[str, list[Any]]:
    """Returns the parameters of that table."""
    return {f"given_{column.name}": [row[place] for row in rows] for place, column in enumerate(columns)}


def _claim(lock_timeout: str | None = None) -> sa.Insert:
    """Returns the statement. It sets `lock_timeout` for the transaction before it takes its first lock."""
    given = _given(keys.columns)
    rows = sa.select(*given.c)
    if lock_timeout is not None:
        setting = sa.select(sa.func.set_config("lock_timeout", lock_timeout, True).label("set")).subquery("setting")
        rows = rows.join_from(given, setting, setting.c.set.is_not(None))
    statement = insert(keys).from_select(list(keys.columns), rows)
    return statement.on_conflict_do_update(
        index_elements=_ID,
        set_={field: statement.excluded[field] for field in ("request_hash", "operation_id", "expires_at")},
        where=keys.c.expires_at <= sa.bindparam("now"),
    ).returning(*_ID)


def _holders() -> "sa.Select[Any]":
    wanted = _given(_ID)
    return sa.select(keys).where(keys.c.tenant == wanted.c.tenant, keys.c.key == wanted.c.key)


def _release() -> sa.Delete:
    given = _given(_ID)
    return sa.delete(keys).where(keys.c.tenant == given.c.tenant, keys.c.key == given.c.key)


_ID = (keys.c.tenant, keys.c.key)
_CLAIM = RawStatement(_claim())
_CLAIM_NOWAIT = RawStatement(_claim(lock_timeout="50ms"))
_HOLDERS = RawStatement(_holders())
_RELEASE = RawStatement(_release())


class PostgresIdempotencyKeys:
    """Works within its connection's transaction, at READ COMMITTED."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def claim(self, record: IdempotencyRecord, now: datetime) -> IdempotencyRecord:
        [holder] = await self.claim_all([record], now)
        return holder

    async def claim_all(
        self, records: Sequence[IdempotencyRecord], now: datetime, *, nowait: bool = False
    ) -> list[IdempotencyRecord]:
        if not records:
            return []
        # Sorted, so that all callers lock keys in the same order and none deadlocks.
        given = [(identifier(record.tenant), identifier(record.key), *_fields(record)) for record in records]
        with translated():
            claim = _CLAIM_NOWAIT if nowait else _CLAIM
            won = await claim.execute(self._connection, {**_arrays(keys.columns, sorted(given)), "now": now})
            taken = {(row.tenant, row.key) for row in won}
            holders = await self._holders([record for record in records if _id(record) not in taken])
        return [holders.get(_id(record), record) for record in records]

    async def release_all(self, records: Sequence[IdempotencyRecord]) -> None:
        with translated():
            await _RELEASE.execute(self._connection, _arrays(_ID, [_id(record) for record in records]))

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

    async def _holders(self, records: Sequence[IdempotencyRecord]) -> dict[_KeyId, IdempotencyRecord]:
        """Returns the records that hold the keys. Their rows exist: the refused updates have locked them."""
        if not records:
            return {}
        wanted = _arrays(_ID, [_id(record) for record in records])
        found = await _HOLDERS.execute(self._connection, wanted)
        held = [
            IdempotencyRecord(row.tenant, row.key, row.request_hash, standard_uuid(row.operation_id), row.expires_at)
            for row in found
        ]
        return {_id(record): record for record in held}


def _id(record: IdempotencyRecord) -> _KeyId:
    return record.tenant, record.key


def _fields(record: IdempotencyRecord) -> tuple[bytes, UUID, datetime]:
    return record.request_hash, record.operation_id, record.expires_at
