"""Leases of periodic work, in PostgreSQL."""

from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.postgres.connection.errors import translated
from adapters.postgres.schema.types import Instant
from application.ports.storage.leases import Lease

_MARK = "CASE WHEN leases.mark > clock_timestamp() THEN clock_timestamp() ELSE leases.mark END"
"""A mark in the future counts as the present. `least` would ignore the NULL of a lease without a mark."""
# `excluded.until` was computed before the wait for the row's lock, and can be earlier than the end of a lease that was
# acquired meanwhile.
_ACQUIRE = sa.text(
    f"""
    INSERT INTO opledger.leases (name, until) VALUES (:name, clock_timestamp() + :lasts)
    ON CONFLICT (name) DO UPDATE SET until = clock_timestamp() + :lasts
    WHERE leases.until <= clock_timestamp() OR leases.until > clock_timestamp() + :lasts
    RETURNING clock_timestamp() AS now, {_MARK} AS mark
    """  # noqa: S608 -- constants
).bindparams(sa.bindparam("lasts", type_=sa.Interval()))
_EXTEND = sa.text("UPDATE opledger.leases SET until = clock_timestamp() + :lasts WHERE name = :name").bindparams(
    sa.bindparam("lasts", type_=sa.Interval())
)
_ADVANCE = sa.text(
    f"UPDATE opledger.leases SET mark = greatest({_MARK}, least(:to, clock_timestamp()))"  # noqa: S608
    " WHERE name = :name"
).bindparams(sa.bindparam("to", type_=Instant))


class PostgresLeases:
    """Works within the transaction of its connection, at READ COMMITTED."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def acquire(self, name: str, lasts: timedelta) -> Lease | None:
        with translated():
            row = (await self._connection.execute(_ACQUIRE, {"name": name, "lasts": lasts})).one_or_none()
        return None if row is None else Lease(row.now, row.mark)

    async def extend(self, name: str, lasts: timedelta) -> None:
        with translated():
            await self._connection.execute(_EXTEND, {"name": name, "lasts": lasts})

    async def advance(self, name: str, to: datetime) -> None:
        with translated():
            await self._connection.execute(_ADVANCE, {"name": name, "to": to})
