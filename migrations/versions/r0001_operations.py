"""Operations, their history, and idempotency keys."""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

OPERATIONS = """
CREATE TABLE operations (
    id uuid CONSTRAINT pk_operations PRIMARY KEY,
    tenant text NOT NULL,
    type text NOT NULL,
    status text NOT NULL,
    input json,
    labels jsonb NOT NULL,
    result json,
    error_code text,
    error_message text,
    error_details json,
    progress json,
    accepted_at timestamptz NOT NULL,
    started_at timestamptz,
    finished_at timestamptz,
    updated_at timestamptz NOT NULL,
    cancel_requested_at timestamptz,
    cancel_requested_by text,
    cancel_reason text,
    cancel_forced boolean,
    cancel_delivered_at timestamptz,
    attention_kind text,
    attention_since timestamptz,
    attention_message text,
    reported json,
    dispatch_due_at timestamptz,
    dispatch_attempts integer NOT NULL,
    dispatched_at timestamptz,
    follow_up_due_at timestamptz,
    follow_up_attempts integer NOT NULL,
    version integer NOT NULL,
    history_length integer NOT NULL,

    CONSTRAINT ck_operations_tenant_length CHECK (char_length(tenant) BETWEEN 1 AND 255),
    CONSTRAINT ck_operations_type_length CHECK (char_length(type) BETWEEN 1 AND 255),
    CONSTRAINT ck_operations_status_known CHECK (status IN ('ACCEPTED', 'RUNNING', 'COMPLETED', 'FAILED')),
    CONSTRAINT ck_operations_error_code_known CHECK (
        error_code IN ('WORKFLOW_FAILED', 'CANCELED', 'TERMINATED', 'TIMED_OUT', 'START_REJECTED', 'EXECUTION_LOST')
    ),
    CONSTRAINT ck_operations_attention_kind_known CHECK (attention_kind IN ('DISPATCH_RETRYING')),

    CONSTRAINT ck_operations_result_iff_completed CHECK ((result IS NOT NULL) = (status = 'COMPLETED')),
    CONSTRAINT ck_operations_error_iff_failed CHECK ((error_code IS NOT NULL) = (status = 'FAILED')),
    CONSTRAINT ck_operations_error_whole CHECK (num_nonnulls(error_code, error_message, error_details) IN (0, 3)),
    CONSTRAINT ck_operations_attention_whole
        CHECK (num_nonnulls(attention_kind, attention_since, attention_message) IN (0, 3)),
    CONSTRAINT ck_operations_cancel_whole CHECK (num_nonnulls(cancel_requested_at, cancel_forced) IN (0, 2)),
    CONSTRAINT ck_operations_cancel_parts_of_a_request CHECK (
        cancel_requested_at IS NOT NULL OR num_nonnulls(cancel_requested_by, cancel_reason, cancel_delivered_at) = 0
    ),

    CONSTRAINT ck_operations_finished_iff_done
        CHECK ((finished_at IS NOT NULL) = (status IN ('COMPLETED', 'FAILED'))),
    CONSTRAINT ck_operations_accepted_has_not_started CHECK (status <> 'ACCEPTED' OR started_at IS NULL),
    CONSTRAINT ck_operations_running_has_started CHECK (status <> 'RUNNING' OR started_at IS NOT NULL),
    CONSTRAINT ck_operations_completed_has_started CHECK (status <> 'COMPLETED' OR started_at IS NOT NULL),
    CONSTRAINT ck_operations_failed_before_start_for_a_reason CHECK (
        status <> 'FAILED' OR started_at IS NOT NULL OR error_code IN ('CANCELED', 'START_REJECTED')
    ),
    CONSTRAINT ck_operations_times_in_order CHECK (
        started_at >= accepted_at AND finished_at >= coalesce(started_at, accepted_at) AND updated_at >= accepted_at
    ),
    CONSTRAINT ck_operations_progress_fraction_0_to_1
        CHECK ((progress ->> 'fraction')::double precision BETWEEN 0 AND 1),

    CONSTRAINT ck_operations_nothing_due_when_done CHECK (
        (status IN ('ACCEPTED', 'RUNNING')) OR (dispatch_due_at IS NULL AND follow_up_due_at IS NULL)
    ),
    CONSTRAINT ck_operations_dispatch_due_only_when_accepted CHECK (dispatch_due_at IS NULL OR status = 'ACCEPTED'),
    CONSTRAINT ck_operations_accepted_is_due_or_dispatched
        CHECK (status <> 'ACCEPTED' OR num_nonnulls(dispatch_due_at, dispatched_at) = 1),
    CONSTRAINT ck_operations_attempts_not_negative CHECK (dispatch_attempts >= 0 AND follow_up_attempts >= 0),
    CONSTRAINT ck_operations_version_positive CHECK (version >= 1),
    CONSTRAINT ck_operations_history_begins_with_acceptance CHECK (history_length >= 1)
)
"""
COMMENTS = (
    "COMMENT ON COLUMN operations.input IS 'SQL NULL: none was given'",
    "COMMENT ON COLUMN operations.result IS 'SQL NULL: not completed; JSON null: completed with nothing'",
    "COMMENT ON COLUMN operations.cancel_delivered_at IS 'when the engine accepted it; until then it is pending'",
    "COMMENT ON COLUMN operations.reported IS 'the outcome that the workflow reported, until the engine confirms it'",
)
INDEXES = (
    """
    CREATE INDEX ix_operations_due_dispatch ON operations (dispatch_due_at, id)
    WHERE status = 'ACCEPTED' AND dispatch_due_at IS NOT NULL
    """,
    "CREATE INDEX ix_operations_due_follow_up ON operations (follow_up_due_at, id) WHERE follow_up_due_at IS NOT NULL",
    """
    CREATE INDEX ix_operations_unfinished ON operations (id)
    WHERE dispatched_at IS NOT NULL AND status IN ('ACCEPTED', 'RUNNING')
    """,
    "CREATE INDEX ix_operations_tenant_accepted ON operations (tenant, accepted_at, id)",
    "CREATE INDEX ix_operations_tenant_status ON operations (tenant, status, accepted_at, id) INCLUDE (type)",
    "CREATE INDEX ix_operations_labels ON operations USING gin (labels jsonb_path_ops)",
    "CREATE INDEX ix_idempotency_keys_expires_at ON idempotency_keys (expires_at)",
    "CREATE INDEX ix_idempotency_keys_operation_id ON idempotency_keys (operation_id)",
)
TRANSITIONS = """
CREATE TABLE transitions (
    operation_id uuid NOT NULL,
    sequence integer NOT NULL,
    from_status text,
    to_status text NOT NULL,
    source text NOT NULL,
    reason text NOT NULL,
    at timestamptz NOT NULL,
    actor text,
    details json NOT NULL,

    CONSTRAINT pk_transitions PRIMARY KEY (operation_id, sequence),
    CONSTRAINT fk_transitions_operation_id_operations
        FOREIGN KEY (operation_id) REFERENCES operations (id) ON DELETE CASCADE,
    CONSTRAINT ck_transitions_sequence_positive CHECK (sequence >= 1),
    CONSTRAINT ck_transitions_from_status_unless_first CHECK ((from_status IS NULL) = (sequence = 1)),
    CONSTRAINT ck_transitions_first_is_acceptance CHECK (sequence <> 1 OR to_status = 'ACCEPTED'),
    CONSTRAINT ck_transitions_from_status_known
        CHECK (from_status IN ('ACCEPTED', 'RUNNING', 'COMPLETED', 'FAILED')),
    CONSTRAINT ck_transitions_to_status_known CHECK (to_status IN ('ACCEPTED', 'RUNNING', 'COMPLETED', 'FAILED')),
    CONSTRAINT ck_transitions_move_allowed CHECK (
        (from_status = to_status)
        OR (from_status = 'ACCEPTED' AND to_status IN ('RUNNING', 'FAILED'))
        OR (from_status = 'RUNNING' AND to_status IN ('COMPLETED', 'FAILED'))
    ),
    CONSTRAINT ck_transitions_source_known CHECK (
        source IN ('CLIENT', 'DISPATCHER', 'WORKFLOW', 'CONFIRMATION', 'RECONCILIATION')
    )
)
"""
IDEMPOTENCY_KEYS = """
CREATE TABLE idempotency_keys (
    tenant text NOT NULL,
    key text NOT NULL,
    request_hash bytea NOT NULL,
    operation_id uuid NOT NULL,
    expires_at timestamptz NOT NULL,

    CONSTRAINT pk_idempotency_keys PRIMARY KEY (tenant, key),
    CONSTRAINT fk_idempotency_keys_operation_id_operations
        FOREIGN KEY (operation_id) REFERENCES operations (id) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
    CONSTRAINT ck_idempotency_keys_tenant_length CHECK (char_length(tenant) BETWEEN 1 AND 255),
    CONSTRAINT ck_idempotency_keys_key_length CHECK (char_length(key) BETWEEN 1 AND 255)
)
"""
# Rules about the row before the change, which a CHECK cannot express. A completed operation passes through RUNNING
# in the same statement, so ACCEPTED to COMPLETED is not refused here.
FINALITY = (
    """
    CREATE FUNCTION operations_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'operation % is %: %', OLD.id, OLD.status, TG_NAME
            USING ERRCODE = 'check_violation', CONSTRAINT = TG_NAME, TABLE = TG_TABLE_NAME, SCHEMA = TG_TABLE_SCHEMA;
    END
    $$
    """,
    """
    CREATE TRIGGER operations_outcome_is_final BEFORE UPDATE ON operations FOR EACH ROW
    WHEN (OLD.status IN ('COMPLETED', 'FAILED') AND (
        NEW.status <> OLD.status
        OR NEW.result::text IS DISTINCT FROM OLD.result::text
        OR NEW.error_code IS DISTINCT FROM OLD.error_code
        OR NEW.error_message IS DISTINCT FROM OLD.error_message
        OR NEW.error_details::text IS DISTINCT FROM OLD.error_details::text
        OR NEW.finished_at IS DISTINCT FROM OLD.finished_at
    ))
    EXECUTE FUNCTION operations_refuse()
    """,
    """
    CREATE TRIGGER operations_running_is_not_taken_back BEFORE UPDATE ON operations FOR EACH ROW
    WHEN (OLD.status = 'RUNNING' AND NEW.status = 'ACCEPTED')
    EXECUTE FUNCTION operations_refuse()
    """,
)


def upgrade() -> None:
    """Creates the tables. One statement at a time, because asyncpg prepares each."""
    for statement in (OPERATIONS, TRANSITIONS, IDEMPOTENCY_KEYS, *COMMENTS, *INDEXES, *FINALITY):
        op.execute(statement)


def downgrade() -> None:
    """Drops the tables."""
    op.execute("DROP TABLE idempotency_keys, transitions, operations")
    op.execute("DROP FUNCTION operations_refuse()")
