"""The types of open operations that others have started."""

from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds the index."""
    op.execute(
        """
        CREATE INDEX ix_operations_started_elsewhere ON operations (type)
        WHERE origin <> 'LEDGER' AND status IN ('ACCEPTED', 'RUNNING')
        """
    )


def downgrade() -> None:
    """Drops the index."""
    op.execute("DROP INDEX ix_operations_started_elsewhere")
