"""At most one operation for each workflow chain."""

from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds the index, which holds no operation whose workflow id is its own id. Fails if two operations have one
    chain."""
    op.execute(
        """
        CREATE UNIQUE INDEX ux_operations_chain ON operations (workflow_id, first_run_id)
        WHERE workflow_id IS NOT NULL AND first_run_id IS NOT NULL
        """
    )


def downgrade() -> None:
    """Drops the index."""
    op.execute("DROP INDEX ux_operations_chain")
