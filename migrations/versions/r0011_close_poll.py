"""Failure of what no worker ever took."""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

RULE = "ck_operations_failed_before_start_for_a_reason"
CODES = "'CANCELED', 'START_REJECTED', 'TERMINATED', 'TIMED_OUT'"
UP = (
    f"""
    ALTER TABLE operations
    DROP CONSTRAINT {RULE},
    ADD CONSTRAINT {RULE} CHECK (status <> 'FAILED' OR started_at IS NOT NULL OR error_code IN ({CODES}))
    """,
)
DOWN = (
    """
    UPDATE operations SET started_at = accepted_at
    WHERE started_at IS NULL AND error_code IN ('TERMINATED', 'TIMED_OUT')
    """,
    f"""
    ALTER TABLE operations
    DROP CONSTRAINT {RULE},
    ADD CONSTRAINT {RULE} CHECK (
        status <> 'FAILED' OR started_at IS NOT NULL OR error_code IN ('CANCELED', 'START_REJECTED')
    )
    """,
)


def upgrade() -> None:
    """The rows stay as they are."""
    for statement in UP:
        op.execute(statement)


def downgrade() -> None:
    """Operations that failed without having run get the time of their acceptance as `started_at`."""
    for statement in DOWN:
        op.execute(statement)
