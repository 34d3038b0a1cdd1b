"""Counts of operations, in PostgreSQL: sums of the changes that triggers store."""

from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.postgres.connection.errors import translated
from adapters.postgres.schema.tables import operation_counts
from application.ports.storage.operation_queries import Counts
from domain.operation.operation_error import ErrorCode
from domain.operation.status import OperationStatus

_GROUP: Final = tuple(operation_counts.c[name] for name in ("tenant", "type", "status", "error_code"))
_many: Final = sa.func.sum(operation_counts.c.change)
COUNT: Final[sa.Select[Any]] = (
    sa.select(*_GROUP[1:], sa.cast(_many, sa.BigInteger).label("many"))
    .where(operation_counts.c.tenant == sa.bindparam("only_tenant"))
    .group_by(*_GROUP)
    .having(_many != 0)
)
"""The number of operations of each group of the tenant `only_tenant`."""
LOCK: Final = 0x6F706C63
"""Key of the advisory lock of a fold: "oplc" in ASCII."""
TRY_LOCK: Final = sa.text("SELECT pg_try_advisory_xact_lock(:key)").bindparams(key=LOCK)
# One statement: readers see the rows before it or the row after it. It leaves rows of open transactions. The rows are
# taken group by group, so that each fold leaves fewer.
_FOLD: Final = sa.text(
    """
    WITH several AS (
        SELECT tenant, type, status, error_code FROM opledger.operation_counts GROUP BY 1, 2, 3, 4 HAVING count(*) > 1
    ), first AS (
        SELECT counts.ctid
        FROM opledger.operation_counts AS counts JOIN several USING (tenant, type, status, error_code)
        ORDER BY tenant, type, status, error_code LIMIT :limit
    ), taken AS (
        DELETE FROM opledger.operation_counts WHERE ctid = ANY (ARRAY(SELECT ctid FROM first))
        RETURNING operation_counts.*
    ), folded AS (
        INSERT INTO opledger.operation_counts (tenant, type, status, error_code, change)
        SELECT tenant, type, status, error_code, sum(change) FROM taken GROUP BY 1, 2, 3, 4 HAVING sum(change) <> 0
    )
    SELECT count(*) FROM taken
    """
)


async def fold_counts(connection: AsyncConnection, limit: int) -> int:
    """Replaces up to `limit` changes by the sums of their groups, unless another process does. Returns the number of
    changes."""
    with translated():
        if not await connection.scalar(TRY_LOCK):
            return 0
        folded: int = await connection.scalar(_FOLD, {"limit": max(limit, 2)})
    return folded


def counts_of(rows: list[sa.Row[Any]]) -> Counts:
    """Returns the counts in rows of COUNT."""
    return {
        (row.type, OperationStatus(row.status), ErrorCode(row.error_code) if row.error_code else None): row.many
        for row in rows
    }
