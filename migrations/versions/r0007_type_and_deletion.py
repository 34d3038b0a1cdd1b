"""An index that leads to a tenant's type, and no deletion of what is not done."""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

UP = (
    "CREATE INDEX ix_operations_tenant_type ON operations (tenant, type, accepted_at, id)",
    """
    CREATE TRIGGER operations_unfinished_is_not_deleted BEFORE DELETE ON operations FOR EACH ROW
    WHEN (OLD.status NOT IN ('COMPLETED', 'FAILED'))
    EXECUTE FUNCTION operations_refuse()
    """,
)
DOWN = (
    "DROP TRIGGER operations_unfinished_is_not_deleted ON operations",
    "DROP INDEX ix_operations_tenant_type",
)


def upgrade() -> None:
    """The rows stay as they are."""
    for statement in UP:
        op.execute(statement)


def downgrade() -> None:
    """As before."""
    for statement in DOWN:
        op.execute(statement)
