"""The tables of counts and throughput, which triggers maintain."""

import sqlalchemy as sa

from adapters.postgres.schema.tables.base import metadata
from adapters.postgres.schema.types import Instant

operation_counts = sa.Table(
    "operation_counts",
    metadata,
    # Triggers add a row for each group of operations whose number a statement changes. No key: a group has many rows.
    sa.Column("tenant", sa.Text, nullable=False),
    sa.Column("type", sa.Text, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("error_code", sa.Text, nullable=False, comment="empty: no error"),
    sa.Column(
        "change",
        sa.BigInteger,
        nullable=False,
        comment="the sum of all changes of a group is the number of its operations",
    ),
    sa.Index("ix_operation_counts_tenant", "tenant"),
)

_STARTED = "RUNNING: operations that started"
_NO_ERROR = "empty: no error"

operation_throughput_changes = sa.Table(
    "operation_throughput_changes",
    metadata,
    # The same triggers add a row for each group of operations that a statement starts or ends in a minute.
    sa.Column("tenant", sa.Text, nullable=False),
    sa.Column("at", Instant, nullable=False, comment="start of the minute"),
    sa.Column("type", sa.Text, nullable=False),
    sa.Column("status", sa.Text, nullable=False, comment=_STARTED),
    sa.Column("error_code", sa.Text, nullable=False, comment=_NO_ERROR),
    sa.Column("change", sa.BigInteger, nullable=False),
    sa.Index("ix_operation_throughput_changes_tenant", "tenant"),
)

operation_throughput = sa.Table(
    "operation_throughput",
    metadata,
    # A worker merges the changes into buckets of each length.
    sa.Column("tenant", sa.Text, primary_key=True),
    sa.Column("minutes", sa.SmallInteger, primary_key=True, autoincrement=False, comment="length of the bucket"),
    sa.Column("at", Instant, primary_key=True, comment="start of the bucket"),
    sa.Column("type", sa.Text, primary_key=True),
    sa.Column("status", sa.Text, primary_key=True, comment=_STARTED),
    sa.Column("error_code", sa.Text, primary_key=True, comment=_NO_ERROR),
    sa.Column("number", sa.BigInteger, nullable=False),
    sa.Index("ix_operation_throughput_old", "minutes", "at"),
)
