"""API keys in PostgreSQL."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.connection.connections import connected
from adapters.postgres.connection.engine import autocommit
from adapters.postgres.connection.errors import translated
from adapters.postgres.schema.tables import api_keys as keys
from application.ports.storage.api_keys import ApiKeyNotFound
from domain.access.api_key import ApiKey
from domain.access.scope import Scope

_Rows = list[sa.Row[Any]]  # within the class, `list` is a method


class PostgresApiKeys:
    """Each call is one statement in a transaction of its own."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = autocommit(engine)

    async def add(self, key: ApiKey) -> bool:
        statement = insert(keys).values(_to_row(key)).on_conflict_do_nothing(index_elements=[keys.c.prefix])
        return bool(await self._rows(statement.returning(keys.c.prefix)))

    async def find(self, prefixes: Collection[str]) -> dict[str, ApiKey]:
        wanted = sa.any_(sa.literal(list(prefixes), ARRAY(sa.Text)))
        return {row.prefix: _from_row(row) for row in await self._rows(sa.select(keys).where(keys.c.prefix == wanted))}

    async def list(self, tenant: str | None = None) -> list[ApiKey]:
        statement = sa.select(keys).order_by(keys.c.created_at, keys.c.prefix)
        if tenant is not None:
            statement = statement.where(keys.c.tenant == tenant)
        return [_from_row(row) for row in await self._rows(statement)]

    async def revoke(self, prefix: str, now: datetime) -> ApiKey:
        statement = sa.update(keys).where(keys.c.prefix == prefix)
        statement = statement.values(revoked_at=sa.func.coalesce(keys.c.revoked_at, now))
        rows = await self._rows(statement.returning(*keys.c))
        if not rows:
            raise ApiKeyNotFound(f"there is no API key {prefix}")
        return _from_row(rows[0])

    async def note_used(self, last_used: Mapping[str, datetime]) -> None:
        # In one order, so that two processes never deadlock.
        for prefix, at in sorted(last_used.items()):
            statement = sa.update(keys).where(keys.c.prefix == prefix)
            await self._rows(statement.values(last_used_at=sa.func.greatest(keys.c.last_used_at, at)))

    async def _rows(self, statement: sa.Executable) -> _Rows:
        async with connected(self._engine) as connection:
            with translated():
                result = await connection.execute(statement)
                return list(result) if result.returns_rows else []


def _to_row(key: ApiKey) -> dict[str, Any]:
    return {
        "prefix": key.prefix,
        "secret_hash": key.secret_hash,
        "name": key.name,
        "tenant": key.tenant,
        "scopes": sorted(scope.value for scope in key.scopes),
        "created_at": key.created_at,
        "expires_at": key.expires_at,
        "revoked_at": key.revoked_at,
        "last_used_at": key.last_used_at,
    }


def _from_row(row: sa.Row[Any]) -> ApiKey:
    return ApiKey(
        prefix=row.prefix,
        secret_hash=row.secret_hash,
        name=row.name,
        tenant=row.tenant,
        scopes=frozenset(map(Scope, row.scopes)),
        created_at=row.created_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
        last_used_at=row.last_used_at,
    )
