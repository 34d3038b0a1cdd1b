"""A narrow index to count a tenant's operations by."""

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

UP = (
    "CREATE INDEX ix_operations_counts ON operations (tenant, type, status)",
    # The type was in this one to count by it.
    "DROP INDEX ix_operations_tenant_status",
    "CREATE INDEX ix_operations_tenant_status ON operations (tenant, status, accepted_at, id)",
)
DOWN = (
    "DROP INDEX ix_operations_tenant_status",
    "CREATE INDEX ix_operations_tenant_status ON operations (tenant, status, accepted_at, id) INCLUDE (type)",
    "DROP INDEX ix_operations_counts",
)


def upgrade() -> None:
    """The rows stay as they are."""
    for statement in UP:
        op.execute(statement)


def downgrade() -> None:
    """The rows stay as they are."""
    for statement in DOWN:
        op.execute(statement)
