"""Indexes of lists by finish time and by error code."""

from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

UP = (
    # Operations that are not done are in none of these, operations without an error not in the second.
    """
    CREATE INDEX ix_operations_tenant_finished ON operations (tenant, finished_at, id)
    WHERE finished_at IS NOT NULL
    """,
    """
    CREATE INDEX ix_operations_tenant_error ON operations (tenant, error_code, accepted_at, id)
    WHERE error_code IS NOT NULL
    """,
    # With a condition that only the purge repeats: lists of one tenant do not take this index.
    "DROP INDEX ix_operations_finished",
    "CREATE INDEX ix_operations_purge ON operations (finished_at, id) WHERE finished_at IS NOT NULL AND version >= 1",
)
DOWN = (
    "DROP INDEX ix_operations_purge",
    "CREATE INDEX ix_operations_finished ON operations (finished_at, id) WHERE finished_at IS NOT NULL",
    "DROP INDEX ix_operations_tenant_error",
    "DROP INDEX ix_operations_tenant_finished",
)


def upgrade() -> None:
    """The rows stay as they are."""
    for statement in UP:
        op.execute(statement)


def downgrade() -> None:
    """The rows stay as they are."""
    for statement in DOWN:
        op.execute(statement)
