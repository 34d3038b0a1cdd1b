"""An index of finished operations, for retention."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Creates a partial index. Each operation writes it once, when it finishes."""
    op.execute("CREATE INDEX ix_operations_finished ON operations (finished_at, id) WHERE finished_at IS NOT NULL")


def downgrade() -> None:
    """Drops the index."""
    op.execute("DROP INDEX ix_operations_finished")
