"""The attention kinds NO_WORKER and ACTIVITY_RETRYING."""

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

OLD = "'DISPATCH_RETRYING', 'STALLED', 'RESULT_UNREADABLE', 'DIVERGED'"
NEW = "'DISPATCH_RETRYING', 'STALLED', 'NO_WORKER', 'ACTIVITY_RETRYING', 'RESULT_UNREADABLE', 'DIVERGED'"
KNOWN = """
ALTER TABLE operations
DROP CONSTRAINT ck_operations_attention_kind_known,
ADD CONSTRAINT ck_operations_attention_kind_known CHECK (attention_kind IN ({kinds}))
"""


def upgrade() -> None:
    """Allows the kinds. No row changes."""
    op.execute(KNOWN.format(kinds=NEW))


def downgrade() -> None:
    """Clears the attention of these kinds."""
    op.execute(
        """
        UPDATE operations SET attention_kind = NULL, attention_since = NULL, attention_message = NULL
        WHERE attention_kind IN ('NO_WORKER', 'ACTIVITY_RETRYING')
        """
    )
    op.execute(KNOWN.format(kinds=OLD))
