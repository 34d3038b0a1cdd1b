"""Operations that retention spares, and retention by type and outcome."""

from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None

UP = (
    "ALTER TABLE opledger.operations ADD COLUMN keep boolean NOT NULL DEFAULT false",
    "COMMENT ON COLUMN opledger.operations.keep IS 'whether retention spares it'",
    "DROP INDEX opledger.ix_operations_purge",
    """
    CREATE INDEX ix_operations_purge ON opledger.operations (type, status, finished_at, id)
    WHERE finished_at IS NOT NULL AND NOT keep
    """,
)
DOWN = (
    "DROP INDEX opledger.ix_operations_purge",
    """
    CREATE INDEX ix_operations_purge ON opledger.operations (finished_at, id)
    WHERE finished_at IS NOT NULL AND version >= 1
    """,
    "ALTER TABLE opledger.operations DROP COLUMN keep",
)


def upgrade() -> None:
    """Adds the column, which is false everywhere. Builds the index of retention again."""
    for statement in UP:
        op.execute(statement)


def downgrade() -> None:
    """Drops the column: which operations are kept is lost."""
    for statement in DOWN:
        op.execute(statement)
