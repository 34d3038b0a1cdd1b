"""The index of the durations of operations."""

from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Operations that never started, or are not done, are not in it."""
    op.execute(
        """
        CREATE INDEX ix_operations_durations
        ON opledger.operations (tenant, type, status, finished_at) INCLUDE (started_at)
        WHERE finished_at IS NOT NULL AND started_at IS NOT NULL
        """
    )


def downgrade() -> None:
    """Drops the index."""
    op.execute("DROP INDEX opledger.ix_operations_durations")
