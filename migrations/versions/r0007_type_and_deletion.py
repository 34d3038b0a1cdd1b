"""An index by tenant and type, and a trigger against the deletion of unfinished operations."""

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
    """Creates the index and the trigger."""
    for statement in UP:
        op.execute(statement)


def downgrade() -> None:
    """Drops the index and the trigger."""
    for statement in DOWN:
        op.execute(statement)
