"""The first run of each operation's workflow chain, and protection of all columns of a finished operation."""

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

OUTCOME = ("status", "result", "error_code", "error_message", "error_details", "finished_at")
REST = (
    *("id", "tenant", "type", "input", "labels", "accepted_at", "trace_context", "first_run_id", "started_at"),
    *("progress", "cancel_requested_at", "cancel_requested_by", "cancel_reason", "cancel_forced"),
    *("cancel_delivered_at", "reported", "dispatch_due_at", "dispatch_attempts", "dispatched_at", "calls_back"),
    *("follow_up_due_at", "follow_up_attempts", "verified_at", "verify_due_at"),
)
AS_TEXT = ("result", "error_details", "input", "progress", "reported", "trace_context")
"""Columns of type `json`, which has no equality."""


def final(columns: tuple[str, ...]) -> str:
    """Returns the trigger that refuses changes of these columns in a finished operation."""
    changes = [
        f"NEW.{column}::text IS DISTINCT FROM OLD.{column}::text"
        if column in AS_TEXT
        else f"NEW.{column} IS DISTINCT FROM OLD.{column}"
        for column in columns
    ]
    return f"""
    CREATE TRIGGER operations_outcome_is_final BEFORE UPDATE ON operations FOR EACH ROW
    WHEN (OLD.status IN ('COMPLETED', 'FAILED') AND ({" OR ".join(changes)}))
    EXECUTE FUNCTION operations_refuse()
    """


UP = (
    "ALTER TABLE operations ADD COLUMN first_run_id text",
    "COMMENT ON COLUMN operations.first_run_id IS 'of the workflow chain; SQL NULL: not started, or not known yet'",
    "DROP TRIGGER operations_outcome_is_final ON operations",
    final(OUTCOME + REST),
)
DOWN = (
    "DROP TRIGGER operations_outcome_is_final ON operations",
    final(OUTCOME),
    "ALTER TABLE operations DROP COLUMN first_run_id",
)


def upgrade() -> None:
    """Adds the column. The ledger gets the first runs of open operations from the engine."""
    for statement in UP:
        op.execute(statement)


def downgrade() -> None:
    """Restores the former trigger and drops the column."""
    for statement in DOWN:
        op.execute(statement)
