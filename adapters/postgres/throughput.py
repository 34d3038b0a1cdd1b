"""Throughput of operations, in PostgreSQL: changes that triggers store, merged into buckets of three lengths."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.postgres.connection.errors import translated
from adapters.postgres.operation_counts import TRY_LOCK
from adapters.postgres.schema.tables import DURABLE
from adapters.postgres.schema.types import Instant
from application.ports.storage.operation_queries import ThroughputCounts
from domain.durations import Durations
from domain.operation.operation_error import ErrorCode
from domain.operation.status import OperationStatus
from domain.throughput import Window

_BUCKET: Final = "to_timestamp(floor(extract(epoch FROM at) / (60 * {minutes})) * 60 * {minutes})"
# One statement, so that it sees each change either in its bucket or among the changes.
THROUGHPUT: Final = sa.text(
    f"""
    SELECT bucket, status, type, error_code, sum(number)::bigint AS many FROM (
        SELECT at AS bucket, status, type, error_code, number FROM opledger.operation_throughput
        WHERE tenant = :only_tenant AND minutes = :minutes AND at >= :since
        UNION ALL
        SELECT {_BUCKET.format(minutes="CAST(:minutes AS integer)")}, status, type, error_code, change
        FROM opledger.operation_throughput_changes WHERE tenant = :only_tenant AND at >= :since
    ) AS every
    WHERE CAST(:type AS text) IS NULL OR type = :type
    GROUP BY GROUPING SETS ((bucket, status), (type, status, error_code)) HAVING sum(number) <> 0
    """  # noqa: S608 -- constants
).bindparams(
    sa.bindparam("only_tenant", type_=sa.Text),
    sa.bindparam("minutes", type_=sa.SmallInteger),
    sa.bindparam("since", type_=Instant),
    sa.bindparam("type", type_=sa.Text),
)
# Each bucket is one range of the index of durations, read backwards.
DURATIONS_BETWEEN: Final = sa.text(
    f"""
    SELECT found.* FROM unnest(:starts, :ends) WITH ORDINALITY AS bucket (since, until, place) CROSS JOIN LATERAL (
        SELECT count(*) AS several, count(*) = :sample AS sampled,
            percentile_disc(ARRAY[0.5, 0.9, 0.95, 0.99, 1.0]) WITHIN GROUP (ORDER BY duration) AS percentiles
        FROM (
            SELECT finished_at - started_at AS duration FROM opledger.operations
            WHERE {DURABLE} AND tenant = :only_tenant AND type = :type AND status = 'COMPLETED'
                AND finished_at >= bucket.since AND finished_at < bucket.until
            ORDER BY finished_at DESC LIMIT :sample
        ) AS newest
    ) AS found ORDER BY place
    """  # noqa: S608 -- constants
).bindparams(
    sa.bindparam("starts", type_=ARRAY(Instant)),
    sa.bindparam("ends", type_=ARRAY(Instant)),
    sa.bindparam("sample", type_=sa.Integer),
    sa.bindparam("only_tenant", type_=sa.Text),
    sa.bindparam("type", type_=sa.Text),
)
# One statement, as the fold of counts. A bucket of a length is either merged into or deleted: it is kept since `since`.
_FOLD: Final = sa.text(
    f"""
    WITH kept AS (SELECT * FROM unnest(:minutes, :since) AS kept (minutes, since)),
    taken AS (
        DELETE FROM opledger.operation_throughput_changes
        WHERE ctid = ANY (ARRAY(SELECT ctid FROM opledger.operation_throughput_changes LIMIT :limit))
        RETURNING operation_throughput_changes.*
    ),
    bucketed AS (
        SELECT tenant, minutes, since, {_BUCKET.format(minutes="minutes")} AS bucket, type, status, error_code, change
        FROM taken CROSS JOIN kept
    ),
    folded AS (
        INSERT INTO opledger.operation_throughput AS stored (tenant, minutes, at, type, status, error_code, number)
        SELECT tenant, minutes, bucket, type, status, error_code, sum(change) FROM bucketed
        WHERE bucket >= since GROUP BY 1, 2, 3, 4, 5, 6 HAVING sum(change) <> 0
        ON CONFLICT (tenant, minutes, at, type, status, error_code) DO UPDATE
        SET number = stored.number + excluded.number
    ),
    old AS (
        DELETE FROM opledger.operation_throughput AS stored USING kept
        WHERE stored.minutes = kept.minutes AND stored.at < kept.since
    )
    SELECT count(*) FROM taken
    """  # noqa: S608 -- constants
).bindparams(
    sa.bindparam("minutes", type_=ARRAY(sa.SmallInteger)),
    sa.bindparam("since", type_=ARRAY(Instant)),
    sa.bindparam("limit", type_=sa.Integer),
)


def minutes_of(window: Window) -> int:
    """Returns the length of the window's buckets."""
    return round(window.bucket.total_seconds() / 60)


async def fold_throughput(connection: AsyncConnection, now: datetime, limit: int) -> int:
    """Merges up to `limit` changes into their buckets, and deletes old buckets, unless another process does. Returns
    the number of changes."""
    parameters = {
        "minutes": [minutes_of(window) for window in Window],
        "since": [now - window.kept for window in Window],
        "limit": limit,
    }
    with translated():
        if not await connection.scalar(TRY_LOCK):
            return 0
        folded: int = await connection.scalar(_FOLD, parameters)
    return folded


def throughput_of(rows: Iterable[sa.Row[Any]]) -> ThroughputCounts:
    """Returns the numbers in rows of THROUGHPUT."""
    found = ThroughputCounts({}, {})
    for row in rows:
        status = OperationStatus(row.status)
        if row.bucket is not None:
            found.by_bucket[row.bucket, status] = row.many
        else:
            found.totals[row.type, status, ErrorCode(row.error_code) if row.error_code else None] = row.many
    return found


def durations_between_of(rows: Iterable[sa.Row[Any]]) -> list[Durations]:
    """Returns the durations in rows of DURATIONS_BETWEEN."""
    return [
        Durations(row.several, row.sampled, *(duration.total_seconds() for duration in row.percentiles or ()))
        if row.several
        else Durations()
        for row in rows
    ]
