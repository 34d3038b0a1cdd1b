"""An index to find what has been done for long."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Of what is done alone: it is written once for each operation, when that ends."""
    op.execute("CREATE INDEX ix_operations_finished ON operations (finished_at, id) WHERE finished_at IS NOT NULL")


def downgrade() -> None:
    """Nothing but the index goes."""
    op.execute("DROP INDEX ix_operations_finished")
