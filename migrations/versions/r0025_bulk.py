"""Bulk actions, their targets, what became of these, and acknowledged problems."""

from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

UP = (
    "ALTER TABLE opledger.operations ADD COLUMN acknowledged json",
    """
    COMMENT ON COLUMN opledger.operations.acknowledged
    IS 'the problem that a client has acknowledged, while it lasts'
    """,
    """
    CREATE TABLE opledger.bulk_actions (
        id uuid NOT NULL,
        tenant text NOT NULL,
        verb text NOT NULL,
        created_at timestamptz NOT NULL,
        targets uuid[] NOT NULL,
        operation_id uuid,
        reason text,
        force boolean,
        actor text,
        CONSTRAINT pk_bulk_actions PRIMARY KEY (id),
        CONSTRAINT fk_bulk_actions_operation_id_operations
            FOREIGN KEY (operation_id) REFERENCES opledger.operations (id) ON DELETE CASCADE,
        CONSTRAINT ck_bulk_actions_tenant_length CHECK (char_length(tenant) BETWEEN 1 AND 255),
        CONSTRAINT ck_bulk_actions_verb_known CHECK (verb IN ('cancel', 'retry', 'delete', 'acknowledge')),
        CONSTRAINT ck_bulk_actions_operation_has_its_id CHECK (operation_id = id),
        CONSTRAINT ck_bulk_actions_terms_when_confirmed CHECK ((force IS NULL) = (operation_id IS NULL)),
        CONSTRAINT ck_bulk_actions_no_terms_before
            CHECK (operation_id IS NOT NULL OR num_nonnulls(reason, actor) = 0)
    )
    """,
    "COMMENT ON COLUMN opledger.bulk_actions.targets IS 'ids of operations, in the order in which it acts'",
    """
    COMMENT ON COLUMN opledger.bulk_actions.operation_id
    IS 'the operation that performs it, which has the same id; SQL NULL: not confirmed'
    """,
    "CREATE INDEX ix_bulk_actions_operation_id ON opledger.bulk_actions (operation_id)",
    "CREATE INDEX ix_bulk_actions_unconfirmed ON opledger.bulk_actions (created_at, id) WHERE operation_id IS NULL",
    """
    CREATE TABLE opledger.bulk_outcomes (
        action_id uuid NOT NULL,
        place integer NOT NULL,
        outcome text NOT NULL,
        code text,
        message text,
        new_operation_id uuid,
        CONSTRAINT pk_bulk_outcomes PRIMARY KEY (action_id, place),
        CONSTRAINT fk_bulk_outcomes_action_id_bulk_actions
            FOREIGN KEY (action_id) REFERENCES opledger.bulk_actions (id) ON DELETE CASCADE,
        CONSTRAINT ck_bulk_outcomes_place_positive CHECK (place >= 1),
        CONSTRAINT ck_bulk_outcomes_outcome_known CHECK (outcome IN ('DONE', 'SKIPPED', 'FAILED')),
        CONSTRAINT ck_bulk_outcomes_code_known
            CHECK (code IN ('NOT_FOUND', 'ALREADY_DONE', 'NOT_DONE', 'ALREADY_RETRIED', 'NO_ATTENTION', 'REFUSED')),
        CONSTRAINT ck_bulk_outcomes_code_unless_done CHECK ((outcome = 'DONE') = (code IS NULL))
    )
    """,
    "COMMENT ON COLUMN opledger.bulk_outcomes.place IS 'of the target, from 1'",
    """
    COMMENT ON COLUMN opledger.bulk_outcomes.new_operation_id
    IS 'the operation that retries the target; may be deleted'
    """,
)


def upgrade() -> None:
    """Adds the tables and the column, which are empty."""
    for statement in UP:
        op.execute(statement)


def downgrade() -> None:
    """Drops the tables and the column. The operations of bulk actions stay, without their targets; problems that were
    acknowledged and last get their attention again."""
    op.execute("DROP TABLE opledger.bulk_outcomes")
    op.execute("DROP TABLE opledger.bulk_actions")
    op.execute("ALTER TABLE opledger.operations DROP COLUMN acknowledged")
