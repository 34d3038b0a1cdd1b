"""Transaction ids of changes, for the change feed."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

# Existing rows get 0, which is before every later change. With a constant default no row is rewritten.
UP = (
    "ALTER TABLE operations ADD COLUMN changed_in xid8 NOT NULL DEFAULT '0'",
    "ALTER TABLE operations ALTER COLUMN changed_in SET DEFAULT pg_current_xact_id()",
    "ALTER TABLE transitions ADD COLUMN written_in xid8 NOT NULL DEFAULT '0'",
    "ALTER TABLE transitions ALTER COLUMN written_in SET DEFAULT pg_current_xact_id()",
    "CREATE INDEX ix_operations_changed ON operations (changed_in, id)",
    "CREATE INDEX ix_transitions_written ON transitions (written_in, operation_id, sequence)",
)
DOWN = (
    "DROP INDEX ix_transitions_written, ix_operations_changed",
    "ALTER TABLE transitions DROP COLUMN written_in",
    "ALTER TABLE operations DROP COLUMN changed_in",
)


def upgrade() -> None:
    """Adds the columns and the indexes of the feed."""
    for statement in UP:
        op.execute(statement)


def downgrade() -> None:
    """Drops the columns and the indexes."""
    for statement in DOWN:
        op.execute(statement)
