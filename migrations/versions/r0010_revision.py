"""A revision that counts every change, so that `version` counts visible changes only."""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

# With a constant default no row is rewritten.
UP = (
    "ALTER TABLE operations ADD COLUMN revision integer NOT NULL DEFAULT 1",
    "ALTER TABLE operations ADD CONSTRAINT ck_operations_revision_positive CHECK (revision >= 1)",
    "COMMENT ON COLUMN operations.revision IS 'counts every change; `version` the visible ones'",
)
DOWN = ("ALTER TABLE operations DROP COLUMN revision",)


def upgrade() -> None:
    """Adds the column. Clients' entity tags stay valid."""
    for statement in UP:
        op.execute(statement)


def downgrade() -> None:
    """Drops the column. Versions count every change again."""
    for statement in DOWN:
        op.execute(statement)
