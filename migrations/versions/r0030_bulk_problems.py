"""Bulk acknowledgements know the problems that their dry run has found."""

from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None

UP = (
    "ALTER TABLE opledger.bulk_actions ADD COLUMN problems uuid[]",
    """
    COMMENT ON COLUMN opledger.bulk_actions.problems
    IS 'the problem of each target that an acknowledgement is for; SQL NULL: another verb'
    """,
    """
    ALTER TABLE opledger.bulk_actions ADD CONSTRAINT ck_bulk_actions_problem_of_each_target
    CHECK (problems IS NULL OR verb = 'acknowledge' AND cardinality(problems) = cardinality(targets))
    """,
)


def upgrade() -> None:
    """Adds the column. Acknowledgements of earlier versions that are under way skip the targets that are left."""
    for statement in UP:
        op.execute(statement)


def downgrade() -> None:
    """Drops the column."""
    op.execute("ALTER TABLE opledger.bulk_actions DROP COLUMN problems")
