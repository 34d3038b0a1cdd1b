"""Failures before any worker took the execution, and the columns and indexes of close poll and start watch."""

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
    # Unknown for existing executions: false, so that the close poll covers them.
    "ALTER TABLE operations ADD COLUMN calls_back boolean NOT NULL DEFAULT false",
    "COMMENT ON COLUMN operations.calls_back IS 'whether the engine calls when the execution closes'",
    """
    CREATE INDEX ix_operations_uncalled ON operations (accepted_at)
    WHERE dispatched_at IS NOT NULL AND status IN ('ACCEPTED', 'RUNNING') AND NOT calls_back
    """,
    """
    CREATE INDEX ix_operations_waiting ON operations (type, dispatched_at, id)
    WHERE status = 'ACCEPTED' AND dispatched_at IS NOT NULL
    """,
    """
    CREATE TABLE turns (
        name text NOT NULL,
        until timestamptz NOT NULL,
        mark timestamptz,

        CONSTRAINT pk_turns PRIMARY KEY (name)
    )
    """,
)
DOWN = (
    "DROP TABLE turns",
    "DROP INDEX ix_operations_waiting, ix_operations_uncalled",
    "ALTER TABLE operations DROP COLUMN calls_back",
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
    """Adds column, indexes and table, and relaxes the rule for failures. No row changes."""
    for statement in UP:
        op.execute(statement)


def downgrade() -> None:
    """Sets `started_at` of operations that failed before they ran to the time of their acceptance."""
    for statement in DOWN:
        op.execute(statement)
