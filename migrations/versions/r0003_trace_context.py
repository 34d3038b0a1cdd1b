"""The trace that an operation's submission belongs to."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Without a value for those that are there: nobody knows it any more."""
    op.execute("ALTER TABLE operations ADD COLUMN trace_context json")
    op.execute("COMMENT ON COLUMN operations.trace_context IS 'W3C, as the submission had it'")


def downgrade() -> None:
    """Back to revision 0002."""
    op.execute("ALTER TABLE operations DROP COLUMN trace_context")
