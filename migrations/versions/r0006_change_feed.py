"""The order in which operations and their histories change."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

# What is there already stands before all that comes: with a constant default no row is rewritten.
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
    """The columns, and the indexes that the feed is read from."""
    for statement in UP:
        op.execute(statement)


def downgrade() -> None:
    """As before."""
    for statement in DOWN:
        op.execute(statement)
