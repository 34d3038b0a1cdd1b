"""The types of finished operations that others have started."""

from alembic import op

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds the index."""
    op.execute(
        """
        CREATE INDEX ix_operations_finished_elsewhere ON opledger.operations (type, finished_at)
        WHERE origin <> 'LEDGER' AND finished_at IS NOT NULL
        """
    )


def downgrade() -> None:
    """Drops the index."""
    op.execute("DROP INDEX opledger.ix_operations_finished_elsewhere")
