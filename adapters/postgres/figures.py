"""Queries in PostgreSQL: how many operations need attention, and since when the oldest waits for its start.

Each reads the start of an index, so that its cost does not grow with the operations.
"""

from typing import Any, Final

import sqlalchemy as sa

from adapters.postgres.schema.tables import ATTENTIVE
from adapters.postgres.schema.types import Instant
from application.ports.storage.operation_queries import AtLeast

SCANNED: Final = 5_000
"""Maximum number of rows that are read: no index that the query could use has the type or the later start."""
_WAITING: Final = 100
"""Number of waiting operations among which the oldest is searched: one with a later start may be behind others."""
# In the order of the index: with old statistics PostgreSQL might read the table instead.
ATTENTIVE_COUNT: Final = sa.text(
    f"""
    SELECT count(*) FILTER (WHERE CAST(:type AS text) IS NULL OR type = :type) AS many, count(*) AS scanned FROM (
        SELECT type FROM opledger.operations WHERE tenant = :only_tenant AND {ATTENTIVE}
        ORDER BY attention_kind, accepted_at, id LIMIT :scan
    ) AS attentive
    """  # noqa: S608 -- constants
).bindparams(
    sa.bindparam("only_tenant", type_=sa.Text),
    sa.bindparam("type", type_=sa.Text),
    sa.bindparam("scan", type_=sa.Integer),
)
WAITING_SINCE: Final = sa.text(
    f"""
    SELECT min(since) AS since FROM (
        SELECT since FROM (
            SELECT coalesce(start_at, accepted_at) AS since FROM opledger.operations
            WHERE tenant = :only_tenant AND status = 'ACCEPTED' ORDER BY accepted_at, id LIMIT {SCANNED}
        ) AS accepted WHERE since <= :now LIMIT {_WAITING}
    ) AS waiting
    """  # noqa: S608 -- constants
).bindparams(sa.bindparam("only_tenant", type_=sa.Text), sa.bindparam("now", type_=Instant))


def scan_for(type_name: str | None, limit: int) -> int:
    """Returns how many rows ATTENTIVE_COUNT reads: without a type, each of them counts."""
    return limit + 1 if type_name is None else SCANNED


def attentive_of(row: "sa.Row[Any]", scan: int, limit: int) -> AtLeast:
    """Returns the number in the row of ATTENTIVE_COUNT."""
    return AtLeast(min(row.many, limit), row.many > limit or row.scanned == scan)
