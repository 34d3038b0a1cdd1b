"""Leases of periodic work, in PostgreSQL."""

from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.postgres.connection.errors import translated
from adapters.postgres.schema.types import Instant
from application.ports.turns import Turn

_MARK = "CASE WHEN turns.mark > clock_timestamp() THEN clock_timestamp() ELSE turns.mark END"
"""A mark in the future counts as the present. `least` would ignore the NULL of a turn without a mark."""
_TAKE = sa.text(
    f"""
    INSERT INTO turns (name, until) VALUES (:name, clock_timestamp() + :lasts)
    ON CONFLICT (name) DO UPDATE SET until = excluded.until
    WHERE turns.until <= clock_timestamp() OR turns.until > excluded.until
    RETURNING clock_timestamp() AS now, {_MARK} AS mark
    """  # noqa: S608 -- constants
).bindparams(sa.bindparam("lasts", type_=sa.Interval()))
_KEEP = sa.text("UPDATE turns SET until = clock_timestamp() + :lasts WHERE name = :name").bindparams(
    sa.bindparam("lasts", type_=sa.Interval())
)
_ADVANCE = sa.text(
    f"UPDATE turns SET mark = greatest({_MARK}, least(:to, clock_timestamp())) WHERE name = :name"  # noqa: S608
).bindparams(sa.bindparam("to", type_=Instant))


class PostgresTurns:
    """Works within the transaction of its connection, at READ COMMITTED."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def take(self, name: str, lasts: timedelta) -> Turn | None:
        with translated():
            row = (await self._connection.execute(_TAKE, {"name": name, "lasts": lasts})).one_or_none()
        return None if row is None else Turn(row.now, row.mark)

    async def keep(self, name: str, lasts: timedelta) -> None:
        with translated():
            await self._connection.execute(_KEEP, {"name": name, "lasts": lasts})

    async def advance(self, name: str, to: datetime) -> None:
        with translated():
            await self._connection.execute(_ADVANCE, {"name": name, "to": to})
