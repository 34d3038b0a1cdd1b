"""The tables of watermarks and leases: how far the loops of workers are, and which of them may run."""

import sqlalchemy as sa

from adapters.postgres.schema.tables.base import metadata
from adapters.postgres.schema.types import Instant

watermarks = sa.Table(
    "watermarks",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("at", Instant, nullable=False),
)

leases = sa.Table(
    "leases",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("until", Instant, nullable=False),
    sa.Column("mark", Instant),
)
