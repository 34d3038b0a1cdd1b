"""Statements that find and delete the operations past their retention."""

from collections.abc import Mapping
from typing import Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.postgres.connection.errors import translated
from adapters.postgres.schema.tables import FINISHED, PURGEABLE
from adapters.postgres.schema.types import Instant
from domain.retention import Cutoffs

# One step down the index for each type and status, and one range of it for each that has a time. The general time also
# counts for types that are not declared: they are looked up in the index, one by one.
_EXPIRED: Final = sa.text(
    f"""
    WITH RECURSIVE found (type, status) AS (
        (SELECT type, status FROM opledger.operations
         WHERE {PURGEABLE} AND :general IS NOT NULL ORDER BY type, status LIMIT 1)
        UNION ALL
        SELECT next.type, next.status FROM found CROSS JOIN LATERAL (
            SELECT type, status FROM opledger.operations
            WHERE {PURGEABLE} AND (type, status) > (found.type, found.status) ORDER BY type, status LIMIT 1
        ) AS next
    ),
    own AS (SELECT * FROM unnest(:types, :statuses, :times) AS own (type, status, before)),
    times AS (
        SELECT type, status, before FROM own WHERE before IS NOT NULL
        UNION ALL
        SELECT type, status, :general FROM found
        WHERE NOT EXISTS (SELECT FROM own WHERE own.type = found.type AND own.status = found.status)
    )
    SELECT old.id, old.revision FROM times CROSS JOIN LATERAL (
        SELECT id, revision FROM opledger.operations
        WHERE {PURGEABLE} AND type = times.type AND status = times.status AND finished_at < times.before
        ORDER BY finished_at, id LIMIT :at_most
    ) AS old LIMIT :at_most
    """  # noqa: S608 -- constants
).bindparams(
    sa.bindparam("general", type_=Instant),
    sa.bindparam("types", type_=ARRAY(sa.Text)),
    sa.bindparam("statuses", type_=ARRAY(sa.Text)),
    sa.bindparam("times", type_=ARRAY(Instant)),
    sa.bindparam("at_most", type_=sa.Integer),
)
# A deletion cascades to the idempotency keys, which submissions lock before operations. So it locks them first, too, in
# the same order, which is that of code points.
_DELETE: Final = sa.text(
    f"""
    WITH held AS MATERIALIZED (
        SELECT FROM opledger.idempotency_keys WHERE operation_id = :id
        ORDER BY tenant COLLATE "C", key COLLATE "C" FOR UPDATE
    )
    DELETE FROM opledger.operations
    WHERE (SELECT count(*) FROM held) >= 0 AND id = :id AND revision = :revision AND {FINISHED}
    """  # noqa: S608 -- constants
).bindparams(sa.bindparam("id", type_=sa.Uuid), sa.bindparam("revision", type_=sa.Integer))
_DELETE_ALL: Final = sa.text(
    f"""
    WITH held AS MATERIALIZED (
        SELECT tenant, key FROM opledger.idempotency_keys WHERE operation_id = ANY(:ids) FOR UPDATE SKIP LOCKED
    ),
    gone AS MATERIALIZED (
        SELECT operations.id FROM opledger.operations
        JOIN unnest(:ids, :revisions) AS given (id, revision)
            ON operations.id = given.id AND operations.revision = given.revision
        WHERE {FINISHED} AND (:kept OR NOT keep) AND NOT EXISTS (
            SELECT FROM opledger.idempotency_keys AS own
            WHERE own.operation_id = operations.id AND (own.tenant, own.key) NOT IN (SELECT tenant, key FROM held)
        )
        FOR UPDATE OF operations SKIP LOCKED
    )
    DELETE FROM opledger.operations WHERE id IN (SELECT id FROM gone) RETURNING id
    """  # noqa: S608 -- constants
).bindparams(
    sa.bindparam("ids", type_=ARRAY(sa.Uuid)),
    sa.bindparam("revisions", type_=ARRAY(sa.Integer)),
    sa.bindparam("kept", type_=sa.Boolean),
)


async def expired(connection: AsyncConnection, cutoffs: Cutoffs, limit: int) -> dict[UUID, int]:
    """Returns the revisions of up to `limit` operations that may be deleted by age."""
    parameters = {
        "general": cutoffs.general,
        "types": [type_name for type_name, _ in cutoffs.own],
        "statuses": [status.value for _, status in cutoffs.own],
        "times": list(cutoffs.own.values()),
        "at_most": limit,
    }
    with translated():
        rows = await connection.execute(_EXPIRED, parameters)
    return {UUID(int=row.id.int): row.revision for row in rows}


async def delete(connection: AsyncConnection, operation_id: UUID, revision: int) -> bool:
    """Deletes the operation if it is done and still has the revision. Returns whether it did."""
    with translated():
        return bool((await connection.execute(_DELETE, {"id": operation_id, "revision": revision})).rowcount)


async def delete_all(connection: AsyncConnection, revisions: Mapping[UUID, int], *, kept: bool) -> set[UUID]:
    """Deletes those that still have the revision, except those that are locked or have a locked key. Returns the ids of
    the deleted ones."""
    if not revisions:
        return set()
    with translated():
        parameters = {"ids": list(revisions), "revisions": list(revisions.values()), "kept": kept}
        return {UUID(int=deleted.int) for deleted in await connection.scalars(_DELETE_ALL, parameters)}
