"""Stream tickets."""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

UP = (
    """
    CREATE TABLE stream_tickets (
        secret_hash bytea NOT NULL,
        tenant text NOT NULL,
        credential text,
        credential_expires_at timestamptz,
        expires_at timestamptz NOT NULL,

        CONSTRAINT pk_stream_tickets PRIMARY KEY (secret_hash),
        CONSTRAINT ck_stream_tickets_secret_hash_length CHECK (octet_length(secret_hash) = 32),
        CONSTRAINT ck_stream_tickets_tenant_length CHECK (char_length(tenant) BETWEEN 1 AND 255)
    )
    """,
    "COMMENT ON COLUMN stream_tickets.secret_hash IS 'SHA-256 of the ticket''s text, which is stored nowhere'",
    "CREATE INDEX ix_stream_tickets_expires_at ON stream_tickets (expires_at)",
)


def upgrade() -> None:
    """Creates the table, empty."""
    for statement in UP:
        op.execute(statement)


def downgrade() -> None:
    """Drops the table. Tickets of the last minute are refused."""
    op.execute("DROP TABLE stream_tickets")
