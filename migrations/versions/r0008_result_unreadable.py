"""The attention kind RESULT_UNREADABLE."""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

UP = (
    """
    ALTER TABLE operations
    DROP CONSTRAINT ck_operations_attention_kind_known,
    ADD CONSTRAINT ck_operations_attention_kind_known
        CHECK (attention_kind IN ('DISPATCH_RETRYING', 'STALLED', 'RESULT_UNREADABLE', 'DIVERGED'))
    """,
)
DOWN = (
    """
    UPDATE operations SET attention_kind = NULL, attention_since = NULL, attention_message = NULL
    WHERE attention_kind = 'RESULT_UNREADABLE'
    """,
    """
    ALTER TABLE operations
    DROP CONSTRAINT ck_operations_attention_kind_known,
    ADD CONSTRAINT ck_operations_attention_kind_known
        CHECK (attention_kind IN ('DISPATCH_RETRYING', 'STALLED', 'DIVERGED'))
    """,
)


def upgrade() -> None:
    """Allows the kind. No row changes."""
    for statement in UP:
        op.execute(statement)


def downgrade() -> None:
    """Clears the attention. The history keeps the line with its reason."""
    for statement in DOWN:
        op.execute(statement)
