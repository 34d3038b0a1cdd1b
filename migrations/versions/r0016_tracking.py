"""Operations with a workflow id of their own, an origin, a parent and a successor."""

from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

FINAL_SINCE_0001 = ("status", "result", "error_code", "error_message", "error_details", "finished_at")
FINAL_SINCE_0013 = (
    *("id", "tenant", "type", "input", "labels", "accepted_at", "trace_context", "first_run_id", "started_at"),
    *("progress", "cancel_requested_at", "cancel_requested_by", "cancel_reason", "cancel_forced"),
    *("cancel_delivered_at", "reported", "dispatch_due_at", "dispatch_attempts", "dispatched_at", "calls_back"),
    *("follow_up_due_at", "follow_up_attempts", "verified_at", "verify_due_at"),
)
NEW = ("workflow_id", "origin", "parent_id", "superseded_by")
AS_TEXT = ("result", "error_details", "input", "progress", "reported", "trace_context")
"""Columns of type `json`, which has no equality."""
SOURCES = "'CLIENT', 'DISPATCHER', 'WORKFLOW', 'CALLBACK', 'CONFIRMATION', 'RECONCILIATION', 'VERIFICATION'"
KNOWN_SOURCES = """
ALTER TABLE transitions
DROP CONSTRAINT ck_transitions_source_known,
ADD CONSTRAINT ck_transitions_source_known CHECK (source IN ({sources}))
"""
KNOWN_SCOPES = """
ALTER TABLE api_keys
DROP CONSTRAINT ck_api_keys_scopes_known,
ADD CONSTRAINT ck_api_keys_scopes_known CHECK (cardinality(scopes) > 0 AND scopes <@ ARRAY[{scopes}]::text[])
"""


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
    ADD COLUMN workflow_id text,
    ADD COLUMN origin text NOT NULL DEFAULT 'LEDGER',
    ADD COLUMN parent_id uuid,
    ADD COLUMN superseded_by uuid,
    ADD CONSTRAINT ck_operations_workflow_id_length CHECK (octet_length(workflow_id) BETWEEN 1 AND 1000),
    ADD CONSTRAINT ck_operations_origin_known CHECK (origin IN ('LEDGER', 'CLIENT', 'ADOPTED'))
    """,
    "COMMENT ON COLUMN operations.workflow_id IS 'SQL NULL: the id of the operation'",
    "COMMENT ON COLUMN operations.parent_id IS 'the operation whose workflow started this one; may be deleted'",
    "COMMENT ON COLUMN operations.superseded_by IS 'the operation that takes the workflow id'",
    # Operations without these values, which are most, are in none of the indexes.
    """
    CREATE UNIQUE INDEX ux_operations_open_workflow_id ON operations (workflow_id)
    WHERE workflow_id IS NOT NULL AND origin = 'LEDGER' AND superseded_by IS NULL AND status IN ('ACCEPTED', 'RUNNING')
    """,
    """
    CREATE INDEX ix_operations_open_workflow_id ON operations (workflow_id)
    WHERE workflow_id IS NOT NULL AND status IN ('ACCEPTED', 'RUNNING')
    """,
    """
    CREATE INDEX ix_operations_workflow_id ON operations (workflow_id, accepted_at, id)
    WHERE workflow_id IS NOT NULL
    """,
    "CREATE INDEX ix_operations_parent ON operations (parent_id, accepted_at, id) WHERE parent_id IS NOT NULL",
    """
    CREATE INDEX ix_operations_open_children ON operations (parent_id, id)
    WHERE parent_id IS NOT NULL AND status IN ('ACCEPTED', 'RUNNING')
    """,
    "CREATE INDEX ix_operations_children ON operations (parent_id, status, tenant) WHERE parent_id IS NOT NULL",
    """
    CREATE INDEX ix_operations_tenant_origin ON operations (tenant, origin, accepted_at, id)
    WHERE origin <> 'LEDGER'
    """,
    "DROP TRIGGER operations_outcome_is_final ON operations",
    final(FINAL_SINCE_0001 + FINAL_SINCE_0013 + NEW),
    KNOWN_SOURCES.format(sources=f"{SOURCES}, 'ADOPTION'"),
    KNOWN_SCOPES.format(scopes="'read', 'submit', 'cancel', 'report', 'admin'"),
)
DOWN = (
    "DELETE FROM api_keys WHERE scopes = ARRAY['report']",
    "UPDATE api_keys SET scopes = array_remove(scopes, 'report')",
    KNOWN_SCOPES.format(scopes="'read', 'submit', 'cancel', 'admin'"),
    "UPDATE transitions SET source = 'RECONCILIATION' WHERE source = 'ADOPTION'",
    KNOWN_SOURCES.format(sources=SOURCES),
    "DROP TRIGGER operations_outcome_is_final ON operations",
    final(FINAL_SINCE_0001 + FINAL_SINCE_0013),
    # Drops the indexes and constraints on them too.
    """
    ALTER TABLE operations
    DROP COLUMN workflow_id, DROP COLUMN origin, DROP COLUMN parent_id, DROP COLUMN superseded_by
    """,
)


def upgrade() -> None:
    """Adds columns and indexes, and allows source and scope. No row changes."""
    for statement in UP:
        op.execute(statement)


def downgrade() -> None:
    """Drops the columns: an open operation with a workflow id of its own loses its execution. Deletes keys that can
    only report, and replaces the source ADOPTION by RECONCILIATION."""
    for statement in DOWN:
        op.execute(statement)
