"""API keys."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

UP = (
    """
    CREATE TABLE api_keys (
        prefix text NOT NULL,
        secret_hash bytea NOT NULL,
        name text NOT NULL,
        tenant text NOT NULL,
        scopes text[] NOT NULL,
        created_at timestamptz NOT NULL,
        expires_at timestamptz,
        revoked_at timestamptz,
        last_used_at timestamptz,

        CONSTRAINT pk_api_keys PRIMARY KEY (prefix),
        CONSTRAINT ck_api_keys_prefix_form CHECK (prefix ~ '^[a-z2-7]{8}$'),
        CONSTRAINT ck_api_keys_secret_hash_length CHECK (octet_length(secret_hash) = 32),
        CONSTRAINT ck_api_keys_name_length CHECK (char_length(name) BETWEEN 1 AND 255),
        CONSTRAINT ck_api_keys_tenant_length CHECK (char_length(tenant) BETWEEN 1 AND 255),
        CONSTRAINT ck_api_keys_scopes_known CHECK (
            cardinality(scopes) > 0 AND scopes <@ ARRAY['read', 'submit', 'cancel', 'admin']::text[]
        ),
        CONSTRAINT ck_api_keys_expires_later CHECK (expires_at > created_at)
    )
    """,
    "COMMENT ON COLUMN api_keys.secret_hash IS 'SHA-256 of the key''s text, which is nowhere'",
)


def upgrade() -> None:
    """Creates the table, empty."""
    for statement in UP:
        op.execute(statement)


def downgrade() -> None:
    """Drops the table. After the next upgrade, new keys have to be created."""
    op.execute("DROP TABLE api_keys")
