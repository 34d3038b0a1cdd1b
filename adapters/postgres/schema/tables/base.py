"""Metadata, limits and conditions that the tables share."""

from collections.abc import Iterable

import sqlalchemy as sa

from adapters.postgres.schema.revision import SCHEMA

MAX_NAME = 255
"""Longest tenant, type and key, in characters: an index entry is limited to 2,704 bytes."""
THIS_TRANSACTION = sa.text("pg_current_xact_id()")
metadata = sa.MetaData(
    schema=SCHEMA,
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    },
)


def any_of(column: str, values: Iterable[str]) -> str:
    """Returns the condition that the column has one of the values."""
    return f"{column} IN ({', '.join(repr(str(value)) for value in values)})"
