"""Verification times, further kinds of attention, and the watermark of the engine's index."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# One ALTER TABLE for all CHECKs of a table reads the rows once.
UP = (
    "ALTER TABLE operations ADD COLUMN verified_at timestamptz, ADD COLUMN verify_due_at timestamptz",
    # The engine confirmed these operations at the latest when it accepted the start. Later times are unknown.
    """
    UPDATE operations SET verified_at = dispatched_at, verify_due_at = now()
    WHERE dispatched_at IS NOT NULL AND status IN ('ACCEPTED', 'RUNNING')
    """,
    """
    ALTER TABLE operations
    DROP CONSTRAINT ck_operations_attention_kind_known,
    ADD CONSTRAINT ck_operations_attention_kind_known
        CHECK (attention_kind IN ('DISPATCH_RETRYING', 'STALLED', 'DIVERGED')),
    DROP CONSTRAINT ck_operations_nothing_due_when_done,
    ADD CONSTRAINT ck_operations_nothing_due_when_done CHECK (
        (status IN ('ACCEPTED', 'RUNNING')) OR num_nonnulls(dispatch_due_at, follow_up_due_at, verify_due_at) = 0
    ),
    ADD CONSTRAINT ck_operations_unfinished_is_verified CHECK (
        (verify_due_at IS NOT NULL) = (dispatched_at IS NOT NULL AND status IN ('ACCEPTED', 'RUNNING'))
    )
    """,
    """
    ALTER TABLE transitions
    DROP CONSTRAINT ck_transitions_source_known,
    ADD CONSTRAINT ck_transitions_source_known CHECK (
        source IN (
            'CLIENT', 'DISPATCHER', 'WORKFLOW', 'CALLBACK', 'CONFIRMATION', 'RECONCILIATION', 'VERIFICATION'
        )
    )
    """,
    "DROP INDEX ix_operations_unfinished",
    "CREATE INDEX ix_operations_due_verification ON operations (verify_due_at, id) WHERE verify_due_at IS NOT NULL",
    "CREATE INDEX ix_operations_verified ON operations (verified_at) WHERE verify_due_at IS NOT NULL",
    """
    CREATE INDEX ix_operations_attention ON operations (attention_kind, attention_since, id)
    WHERE attention_kind IS NOT NULL
    """,
    """
    CREATE INDEX ix_operations_tenant_attention ON operations (tenant, attention_kind, accepted_at, id)
    WHERE attention_kind IS NOT NULL
    """,
    "CREATE TABLE watermarks (name text CONSTRAINT pk_watermarks PRIMARY KEY, at timestamptz NOT NULL)",
)
DOWN = (
    "DROP TABLE watermarks",
    """
    UPDATE operations SET attention_kind = NULL, attention_since = NULL, attention_message = NULL
    WHERE attention_kind IN ('STALLED', 'DIVERGED')
    """,
    "UPDATE transitions SET source = 'RECONCILIATION' WHERE source IN ('CALLBACK', 'VERIFICATION')",
    "DROP INDEX ix_operations_due_verification, ix_operations_verified",
    "DROP INDEX ix_operations_attention, ix_operations_tenant_attention",
    """
    CREATE INDEX ix_operations_unfinished ON operations (id)
    WHERE dispatched_at IS NOT NULL AND status IN ('ACCEPTED', 'RUNNING')
    """,
    """
    ALTER TABLE transitions
    DROP CONSTRAINT ck_transitions_source_known,
    ADD CONSTRAINT ck_transitions_source_known CHECK (
        source IN ('CLIENT', 'DISPATCHER', 'WORKFLOW', 'CONFIRMATION', 'RECONCILIATION')
    )
    """,
    """
    ALTER TABLE operations
    DROP CONSTRAINT ck_operations_unfinished_is_verified,
    DROP CONSTRAINT ck_operations_nothing_due_when_done,
    ADD CONSTRAINT ck_operations_nothing_due_when_done CHECK (
        (status IN ('ACCEPTED', 'RUNNING')) OR (dispatch_due_at IS NULL AND follow_up_due_at IS NULL)
    ),
    DROP CONSTRAINT ck_operations_attention_kind_known,
    ADD CONSTRAINT ck_operations_attention_kind_known CHECK (attention_kind IN ('DISPATCH_RETRYING')),
    DROP COLUMN verified_at,
    DROP COLUMN verify_due_at
    """,
)


def upgrade() -> None:
    """Makes every open operation due for verification."""
    for statement in UP:
        op.execute(statement)


def downgrade() -> None:
    """Clears kinds of attention that 0001 does not know, and replaces newer sources by RECONCILIATION."""
    for statement in DOWN:
        op.execute(statement)
