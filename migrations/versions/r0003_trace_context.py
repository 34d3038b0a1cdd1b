"""The trace context of the submission."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds the column. Existing operations get no value: theirs is unknown."""
    op.execute("ALTER TABLE operations ADD COLUMN trace_context json")
    op.execute("COMMENT ON COLUMN operations.trace_context IS 'W3C, as the submission had it'")


def downgrade() -> None:
    """Drops the column."""
    op.execute("ALTER TABLE operations DROP COLUMN trace_context")
