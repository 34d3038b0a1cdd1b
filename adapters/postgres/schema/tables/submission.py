"""Tables of submissions, besides that of operations."""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import BYTEA

from adapters.postgres.schema.tables.base import MAX_NAME, metadata
from adapters.postgres.schema.types import Instant

idempotency_keys = sa.Table(
    "idempotency_keys",
    metadata,
    sa.Column("tenant", sa.Text, primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("request_hash", BYTEA, nullable=False),
    sa.Column(
        "operation_id",
        sa.Uuid,
        # Deferred: within a transaction, the key is claimed before its operation is stored.
        sa.ForeignKey("operations.id", ondelete="CASCADE", deferrable=True, initially="DEFERRED"),
        nullable=False,
    ),
    sa.Column("expires_at", Instant, nullable=False),
    sa.CheckConstraint(f"char_length(tenant) BETWEEN 1 AND {MAX_NAME}", "tenant_length"),
    sa.CheckConstraint(f"char_length(key) BETWEEN 1 AND {MAX_NAME}", "key_length"),
    sa.Index("ix_idempotency_keys_expires_at", "expires_at"),
    sa.Index("ix_idempotency_keys_operation_id", "operation_id"),
)

submitters = sa.Table(
    "submitters",
    metadata,
    # The roles that may call the function `submit`.
    sa.Column("role", sa.Text, primary_key=True),
    sa.Column("tenant", sa.Text, nullable=False, comment="the tenant for which the role may call submit"),
    sa.CheckConstraint(f"char_length(tenant) BETWEEN 1 AND {MAX_NAME}", "tenant_length"),
)
