"""The time before which an operation's workflow is not started."""

from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

FINAL_SINCE_0016 = (
    *("id", "tenant", "type", "status", "input", "labels", "accepted_at", "trace_context", "first_run_id"),
    *("workflow_id", "origin", "parent_id", "superseded_by", "started_at", "finished_at", "result"),
    *("error_code", "error_message", "error_details", "progress", "reported"),
    *("cancel_requested_at", "cancel_requested_by", "cancel_reason", "cancel_forced", "cancel_delivered_at"),
    *("dispatch_due_at", "dispatch_attempts", "dispatched_at", "calls_back"),
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
    """
    ALTER TABLE operations
    ADD COLUMN start_at timestamptz,
    ADD CONSTRAINT ck_operations_start_after_acceptance CHECK (start_at > accepted_at)
    """,
    "COMMENT ON COLUMN operations.start_at IS 'the workflow is not started before; SQL NULL: at once'",
    "DROP TRIGGER operations_outcome_is_final ON operations",
    final((*FINAL_SINCE_0016, "start_at")),
)
DOWN = (
    "DROP TRIGGER operations_outcome_is_final ON operations",
    final(FINAL_SINCE_0016),
    "ALTER TABLE operations DROP COLUMN start_at",
)


def upgrade() -> None:
    """Adds the column, which is empty."""
    for statement in UP:
        op.execute(statement)


def downgrade() -> None:
    """Drops the column and its constraint. Operations with a later start keep the time of their dispatch."""
    for statement in DOWN:
        op.execute(statement)
