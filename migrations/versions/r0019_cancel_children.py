"""When a cancellation request is to be passed on to the children."""

from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

UP = (
    """
    ALTER TABLE operations
    ADD COLUMN cancel_children_due_at timestamptz,
    ADD CONSTRAINT ck_operations_children_of_a_request
    CHECK (cancel_requested_at IS NOT NULL OR cancel_children_due_at IS NULL)
    """,
    "COMMENT ON COLUMN operations.cancel_children_due_at IS 'when the cancellation request is passed on to children'",
    """
    CREATE INDEX ix_operations_due_cancel_children ON operations (cancel_children_due_at, id)
    WHERE cancel_children_due_at IS NOT NULL
    """,
)


def upgrade() -> None:
    """Adds the column, which is empty, and its index."""
    for statement in UP:
        op.execute(statement)


def downgrade() -> None:
    """Drops the column, its constraint and its index. Requests that are due are not passed on."""
    op.execute("ALTER TABLE operations DROP COLUMN cancel_children_due_at")
