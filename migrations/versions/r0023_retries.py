"""Operations that retry others."""

from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

FINAL_SINCE_0022 = (
    *("id", "tenant", "type", "status", "input", "labels", "accepted_at", "trace_context", "first_run_id"),
    *("workflow_id", "origin", "parent_id", "superseded_by", "started_at", "finished_at", "result"),
    *("error_code", "error_message", "error_details", "progress", "reported", "start_at"),
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
    ADD COLUMN retry_of uuid,
    ADD COLUMN retried_by uuid,
    ADD CONSTRAINT ck_operations_retried_when_done CHECK (retried_by IS NULL OR (status IN ('COMPLETED', 'FAILED')))
    """,
    "COMMENT ON COLUMN operations.retry_of IS 'the operation that this one retries; may be deleted'",
    "COMMENT ON COLUMN operations.retried_by IS 'the operation that retries this one; may be deleted'",
    "DROP TRIGGER operations_outcome_is_final ON operations",
    final((*FINAL_SINCE_0022, "retry_of")),
)
DOWN = (
    "DROP TRIGGER operations_outcome_is_final ON operations",
    final(FINAL_SINCE_0022),
    "ALTER TABLE operations DROP COLUMN retry_of, DROP COLUMN retried_by",
)


def upgrade() -> None:
    """Adds the columns, which are empty."""
    for statement in UP:
        op.execute(statement)


def downgrade() -> None:
    """Drops the columns: which operation retries which is lost."""
    for statement in DOWN:
        op.execute(statement)
