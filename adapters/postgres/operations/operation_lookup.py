"""Operations by id, each asked for by its tenant: what is asked most, and by many at the same time."""

from collections.abc import Collection, Mapping
from typing import Final
from uuid import UUID

import asyncpg
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.connection.raw_statement import RawStatement
from adapters.postgres.operations.text import storable
from adapters.postgres.operations.views import view_columns, views
from adapters.postgres.schema.tables import operations
from application.batching.gathered import Gathered
from application.ports.operation_view import OperationView

_Key = tuple[str, UUID]
MAX_BATCH: Final = 100
"""Operations in a statement."""
LOOKUP_TIMEOUT: Final = 0.01
"""Seconds after which a statement that is not answered yet, as on a connection that hangs, holds up the next one no
longer."""
_asked = (
    sa.func.unnest(sa.bindparam("tenants", type_=ARRAY(sa.Text)), sa.bindparam("ids", type_=ARRAY(sa.Uuid)))
    .table_valued(sa.column("tenant", sa.Text), sa.column("id", sa.Uuid), name="asked")
    .render_derived()
)
_GET: Final = RawStatement(
    sa.select(*view_columns(operations)).join(
        _asked, sa.and_(operations.c.id == _asked.c.id, operations.c.tenant == _asked.c.tenant)
    )
)


class OperationLookup:
    """Of one process: a statement for each would cost several times as much as all else that a GET does."""

    def __init__(self, engine: AsyncEngine) -> None:
        """`engine`: for single statements."""
        self._engine = engine
        self._gathered = Gathered(self._read, most=MAX_BATCH, patience=LOOKUP_TIMEOUT)

    async def get(self, tenant: str, operation_id: UUID) -> OperationView | None:
        """The operation, or None: there is none, or it is another tenant's."""
        record = await self._gathered.get((tenant, operation_id)) if storable(tenant) else None
        # By each who asked: a row that this version cannot read is an error of those who want it, and of nobody else.
        return None if record is None else views([record])[0]

    async def _read(self, asked: Collection[_Key]) -> Mapping[_Key, asyncpg.Record]:
        tenants, ids = zip(*asked, strict=True)
        records = await _GET.fetch(self._engine, {"tenants": tenants, "ids": ids})
        return {(record["tenant"], UUID(record["id"])): record for record in records}
