"""Reads operations by id, with one statement for concurrent requests of all tenants."""

from collections.abc import Collection, Mapping
from typing import Final
from uuid import UUID

import asyncpg
import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.connection.raw_statement import RawStatement
from adapters.postgres.operations.text import storable
from adapters.postgres.operations.views import view_columns, views
from adapters.postgres.schema.tables import operations
from application.batching.batcher import Batcher, Limits, lookup
from application.ports.storage.operation_view import OperationDetails, with_children
from domain.operation.status import OperationStatus

_Key = tuple[str, UUID]
LIMITS: Final = Limits(max_batch=100, concurrency=1, slow_after=0.01)
_asked = (
    sa.func.unnest(sa.bindparam("tenants", type_=ARRAY(sa.Text)), sa.bindparam("ids", type_=ARRAY(sa.Uuid)))
    .table_valued(sa.column("tenant", sa.Text), sa.column("id", sa.Uuid), name="asked")
    .render_derived()
)
_child = operations.alias("child")
_counted = (
    sa.select(_child.c.status, sa.func.count().label("many"))
    .where(_child.c.parent_id == operations.c.id, _child.c.tenant == operations.c.tenant)
    .group_by(_child.c.status)
    .correlate(operations)
    .subquery("counted")
)
_children = sa.select(sa.cast(sa.func.json_object_agg(_counted.c.status, _counted.c.many), sa.Text)).scalar_subquery()
"""SQL NULL: the operation has no children. Costs a look into an index that is empty where there are no parents."""
_GET: Final = RawStatement(
    sa.select(*view_columns(operations), _children.label("children")).join(
        _asked, sa.and_(operations.c.id == _asked.c.id, operations.c.tenant == _asked.c.tenant)
    )
)


def _read_children(counts: str | None) -> Mapping[OperationStatus, int]:
    return {} if counts is None else msgspec.json.decode(counts, type=dict[OperationStatus, int])


class OperationLookup:
    """Batches the look-ups of one process: a statement for each would cost several times the rest of a GET."""

    def __init__(self, engine: AsyncEngine) -> None:
        """`engine` is in autocommit mode."""
        self._engine = engine
        self._batcher = Batcher(lookup(self._read), LIMITS)

    async def get(self, tenant: str, operation_id: UUID) -> OperationDetails | None:
        """Returns the operation; None if it does not exist or is another tenant's."""
        record = await self._batcher.submit((tenant, operation_id)) if storable(tenant) else None
        # Each caller reads its own record: a row that this version cannot read fails its own caller alone.
        return None if record is None else with_children(views([record])[0], _read_children(record["children"]))

    async def _read(self, asked: Collection[_Key]) -> Mapping[_Key, asyncpg.Record]:
        tenants, ids = zip(*asked, strict=True)
        records = await _GET.fetch(self._engine, {"tenants": tenants, "ids": ids})
        return {(record["tenant"], UUID(record["id"])): record for record in records}
