"""The tables of API keys and stream tickets."""

from collections.abc import Iterable

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, BYTEA

from adapters.postgres.schema.tables.base import MAX_NAME, metadata
from adapters.postgres.schema.types import Instant
from domain.access.scope import Scope


def _some_of(column: str, values: Iterable[str]) -> str:
    listed = ", ".join(repr(str(value)) for value in values)
    return f"cardinality({column}) > 0 AND {column} <@ ARRAY[{listed}]::text[]"


api_keys = sa.Table(
    "api_keys",
    metadata,
    sa.Column("prefix", sa.Text, primary_key=True),
    sa.Column("secret_hash", BYTEA, nullable=False, comment="SHA-256 of the key's text, which is nowhere"),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("tenant", sa.Text, nullable=False),
    sa.Column("scopes", ARRAY(sa.Text), nullable=False),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("expires_at", Instant),
    sa.Column("revoked_at", Instant),
    sa.Column("last_used_at", Instant),
    sa.CheckConstraint("prefix ~ '^[a-z2-7]{8}$'", "prefix_form"),
    sa.CheckConstraint("octet_length(secret_hash) = 32", "secret_hash_length"),
    sa.CheckConstraint(f"char_length(name) BETWEEN 1 AND {MAX_NAME}", "name_length"),
    sa.CheckConstraint(f"char_length(tenant) BETWEEN 1 AND {MAX_NAME}", "tenant_length"),
    sa.CheckConstraint(_some_of("scopes", Scope), "scopes_known"),
    sa.CheckConstraint("expires_at > created_at", "expires_later"),
)

stream_tickets = sa.Table(
    "stream_tickets",
    metadata,
    sa.Column("secret_hash", BYTEA, primary_key=True, comment="SHA-256 of the ticket's text, which is stored nowhere"),
    sa.Column("tenant", sa.Text, nullable=False),
    sa.Column("credential", sa.Text),
    sa.Column("credential_expires_at", Instant),
    sa.Column("expires_at", Instant, nullable=False),
    sa.CheckConstraint("octet_length(secret_hash) = 32", "secret_hash_length"),
    sa.CheckConstraint(f"char_length(tenant) BETWEEN 1 AND {MAX_NAME}", "tenant_length"),
    sa.Index("ix_stream_tickets_expires_at", "expires_at"),
)
