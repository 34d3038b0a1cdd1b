"""Index of lists by origin: of all operations."""

from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

DROP = "DROP INDEX opledger.ix_operations_tenant_origin"
UP = "CREATE INDEX ix_operations_tenant_origin ON opledger.operations (tenant, origin, accepted_at, id)"
DOWN = f"{UP} WHERE origin <> 'LEDGER'"


def upgrade() -> None:
    """The rows stay as they are."""
    op.execute(DROP)
    op.execute(UP)


def downgrade() -> None:
    """The rows stay as they are."""
    op.execute(DROP)
    op.execute(DOWN)
