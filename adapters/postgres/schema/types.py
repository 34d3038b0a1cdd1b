"""Column types for JSON text, transaction ids and times with a zone."""

from datetime import datetime
from typing import Any

from sqlalchemy import TIMESTAMP, Dialect
from sqlalchemy.dialects.postgresql.base import ischema_names
from sqlalchemy.types import TypeDecorator, UserDefinedType


class JsonText(UserDefinedType[str]):
    """A `json` or `jsonb` column whose Python value is the JSON text. SQL NULL and JSON null stay distinct."""

    cache_ok = True
    render_bind_cast = True

    def __init__(self, name: str = "JSON") -> None:
        self.name = name

    def get_col_spec(self, **_: Any) -> str:
        return self.name


class TransactionId(UserDefinedType[int]):
    """`xid8`: the id of a transaction, never reused in the life of a cluster."""

    cache_ok = True
    render_bind_cast = True

    def get_col_spec(self, **_: Any) -> str:
        return "XID8"


ischema_names["xid8"] = TransactionId  # for reflection, by which Alembic compares the schema


class Instant(TypeDecorator[datetime]):
    """`timestamptz`. Raises ValueError for a time without a zone, which asyncpg would take for local time."""

    impl = TIMESTAMP(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        if value is not None and value.tzinfo is None:
            raise ValueError(f"{value} has no time zone")
        return value
