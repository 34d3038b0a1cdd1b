"""The tables and the rules that the database enforces. The name of each constraint states its rule.

Statuses and codes are text with a CHECK. Enum types cannot be changed inside a transaction.
"""

from collections.abc import Collection, Iterable
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, BYTEA

from adapters.postgres.schema.types import Instant, JsonText, TransactionId
from domain.access.scope import Scope
from domain.operation.attention import AttentionKind
from domain.operation.operation_error import BEFORE_START, ErrorCode
from domain.operation.status import OperationStatus
from domain.operation.transition import Source

MAX_NAME = 255
"""Longest tenant, type and key, in characters: an index entry is limited to 2,704 bytes."""

metadata = sa.MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)


def _any_of(column: str, values: Iterable[str]) -> str:
    return f"{column} IN ({', '.join(repr(str(value)) for value in values)})"


def _some_of(column: str, values: Iterable[str]) -> str:
    listed = ", ".join(repr(str(value)) for value in values)
    return f"cardinality({column}) > 0 AND {column} <@ ARRAY[{listed}]::text[]"


def _moves(before: str, after: str) -> str:
    """Returns the state machine as a condition on two columns."""
    moves = [f"{before} = {after}"]
    for status in OperationStatus:
        targets = [other for other in OperationStatus if status.may_become(other)]
        if targets:
            moves.append(f"{before} = '{status}' AND {_any_of(after, targets)}")
    return " OR ".join(f"({move})" for move in moves)


DONE = _any_of("status", [status for status in OperationStatus if status.done])
NOT_DONE = _any_of("status", [status for status in OperationStatus if not status.done])
# PostgreSQL uses a partial index for a query that repeats its condition literally: both use these.
DISPATCHABLE = "status = 'ACCEPTED' AND dispatch_due_at IS NOT NULL"
TO_FOLLOW_UP = "follow_up_due_at IS NOT NULL"
TO_VERIFY = "verify_due_at IS NOT NULL"
ATTENTIVE = "attention_kind IS NOT NULL"
FINISHED = "finished_at IS NOT NULL"
UNFINISHED = f"dispatched_at IS NOT NULL AND {NOT_DONE}"
COUNTS_ALL = "counts every change; `version` the visible ones"
UNCALLED = f"{UNFINISHED} AND NOT calls_back"
WAITING = "status = 'ACCEPTED' AND dispatched_at IS NOT NULL"
THIS_TRANSACTION = sa.text("pg_current_xact_id()")

operations = sa.Table(
    "operations",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("tenant", sa.Text, nullable=False),
    sa.Column("type", sa.Text, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("input", JsonText(), comment="SQL NULL: none was given"),
    sa.Column("labels", JsonText("JSONB"), nullable=False),
    sa.Column("result", JsonText(), comment="SQL NULL: not completed; JSON null: completed with nothing"),
    sa.Column("error_code", sa.Text),
    sa.Column("error_message", sa.Text),
    sa.Column("error_details", JsonText()),
    sa.Column("progress", JsonText()),
    sa.Column("accepted_at", Instant, nullable=False),
    sa.Column("started_at", Instant),
    sa.Column("finished_at", Instant),
    sa.Column("updated_at", Instant, nullable=False),
    sa.Column("cancel_requested_at", Instant),
    sa.Column("cancel_requested_by", sa.Text),
    sa.Column("cancel_reason", sa.Text),
    sa.Column("cancel_forced", sa.Boolean),
    sa.Column("cancel_delivered_at", Instant, comment="when the engine was told; until then it is pending"),
    sa.Column("attention_kind", sa.Text),
    sa.Column("attention_since", Instant),
    sa.Column("attention_message", sa.Text),
    sa.Column("reported", JsonText(), comment="the outcome that the workflow reported, until the engine confirms it"),
    sa.Column("dispatch_due_at", Instant),
    sa.Column("dispatch_attempts", sa.Integer, nullable=False),
    sa.Column("dispatched_at", Instant),
    sa.Column("follow_up_due_at", Instant),
    sa.Column("follow_up_attempts", sa.Integer, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("history_length", sa.Integer, nullable=False),
    sa.Column("verified_at", Instant),
    sa.Column("verify_due_at", Instant),
    sa.Column("trace_context", JsonText(), comment="W3C, as the submission had it"),
    sa.Column("changed_in", TransactionId, nullable=False, server_default=THIS_TRANSACTION),
    sa.Column("revision", sa.Integer, nullable=False, server_default="1", comment=COUNTS_ALL),
    sa.Column(
        "calls_back",
        sa.Boolean,
        nullable=False,
        server_default=sa.text("false"),
        comment="whether the engine calls when the execution closes",
    ),
    sa.Column("first_run_id", sa.Text, comment="of the workflow chain; SQL NULL: not started, or not known yet"),
    sa.CheckConstraint(f"char_length(tenant) BETWEEN 1 AND {MAX_NAME}", "tenant_length"),
    sa.CheckConstraint(f"char_length(type) BETWEEN 1 AND {MAX_NAME}", "type_length"),
    sa.CheckConstraint(_any_of("status", OperationStatus), "status_known"),
    sa.CheckConstraint(_any_of("error_code", ErrorCode), "error_code_known"),
    sa.CheckConstraint(_any_of("attention_kind", AttentionKind), "attention_kind_known"),
    sa.CheckConstraint("(result IS NOT NULL) = (status = 'COMPLETED')", "result_iff_completed"),
    sa.CheckConstraint("(error_code IS NOT NULL) = (status = 'FAILED')", "error_iff_failed"),
    sa.CheckConstraint("num_nonnulls(error_code, error_message, error_details) IN (0, 3)", "error_whole"),
    sa.CheckConstraint("num_nonnulls(attention_kind, attention_since, attention_message) IN (0, 3)", "attention_whole"),
    sa.CheckConstraint("num_nonnulls(cancel_requested_at, cancel_forced) IN (0, 2)", "cancel_whole"),
    sa.CheckConstraint(
        "cancel_requested_at IS NOT NULL OR num_nonnulls(cancel_requested_by, cancel_reason, cancel_delivered_at) = 0",
        "cancel_parts_of_a_request",
    ),
    sa.CheckConstraint(f"(finished_at IS NOT NULL) = ({DONE})", "finished_iff_done"),
    sa.CheckConstraint("status <> 'ACCEPTED' OR started_at IS NULL", "accepted_has_not_started"),
    sa.CheckConstraint("status <> 'RUNNING' OR started_at IS NOT NULL", "running_has_started"),
    sa.CheckConstraint("status <> 'COMPLETED' OR started_at IS NOT NULL", "completed_has_started"),
    sa.CheckConstraint(
        f"status <> 'FAILED' OR started_at IS NOT NULL OR {_any_of('error_code', sorted(BEFORE_START))}",
        "failed_before_start_for_a_reason",
    ),
    sa.CheckConstraint(
        "started_at >= accepted_at AND finished_at >= coalesce(started_at, accepted_at) AND updated_at >= accepted_at",
        "times_in_order",
    ),
    sa.CheckConstraint("(progress ->> 'fraction')::double precision BETWEEN 0 AND 1", "progress_fraction_0_to_1"),
    sa.CheckConstraint(
        f"({NOT_DONE}) OR num_nonnulls(dispatch_due_at, follow_up_due_at, verify_due_at) = 0", "nothing_due_when_done"
    ),
    sa.CheckConstraint(f"(verify_due_at IS NOT NULL) = ({UNFINISHED})", "unfinished_is_verified"),
    sa.CheckConstraint("dispatch_due_at IS NULL OR status = 'ACCEPTED'", "dispatch_due_only_when_accepted"),
    sa.CheckConstraint(
        "status <> 'ACCEPTED' OR num_nonnulls(dispatch_due_at, dispatched_at) = 1", "accepted_is_due_or_dispatched"
    ),
    sa.CheckConstraint("dispatch_attempts >= 0 AND follow_up_attempts >= 0", "attempts_not_negative"),
    sa.CheckConstraint("version >= 1", "version_positive"),
    sa.CheckConstraint("revision >= 1", "revision_positive"),
    sa.CheckConstraint("history_length >= 1", "history_begins_with_acceptance"),
    sa.Index("ix_operations_due_dispatch", "dispatch_due_at", "id", postgresql_where=sa.text(DISPATCHABLE)),
    sa.Index("ix_operations_due_follow_up", "follow_up_due_at", "id", postgresql_where=sa.text(TO_FOLLOW_UP)),
    sa.Index("ix_operations_due_verification", "verify_due_at", "id", postgresql_where=sa.text(TO_VERIFY)),
    sa.Index("ix_operations_verified", "verified_at", postgresql_where=sa.text(TO_VERIFY)),
    sa.Index("ix_operations_uncalled", "accepted_at", postgresql_where=sa.text(UNCALLED)),
    sa.Index("ix_operations_waiting", "type", "dispatched_at", "id", postgresql_where=sa.text(WAITING)),
    sa.Index("ix_operations_finished", "finished_at", "id", postgresql_where=sa.text(FINISHED)),
    # Two, because an outage affects many operations: by age over all tenants, and in the order of each tenant's list.
    sa.Index("ix_operations_attention", "attention_kind", "attention_since", "id", postgresql_where=sa.text(ATTENTIVE)),
    sa.Index(
        "ix_operations_tenant_attention",
        *("tenant", "attention_kind", "accepted_at", "id"),
        postgresql_where=sa.text(ATTENTIVE),
    ),
    # For both list orders: PostgreSQL reads an index backwards too.
    sa.Index("ix_operations_tenant_accepted", "tenant", "accepted_at", "id"),
    sa.Index("ix_operations_tenant_status", "tenant", "status", "accepted_at", "id"),
    sa.Index("ix_operations_tenant_type", "tenant", "type", "accepted_at", "id"),
    # For counting: few distinct keys, so that PostgreSQL stores each once and a row takes a few bytes.
    sa.Index("ix_operations_counts", "tenant", "type", "status"),
    sa.Index("ix_operations_changed", "changed_in", "id"),
    sa.Index("ix_operations_labels", "labels", postgresql_using="gin", postgresql_ops={"labels": "jsonb_path_ops"}),
)
IDENTITY = ("id", "tenant", "type", "input", "labels", "accepted_at", "trace_context")
"""Columns of an operation that never change."""
COUNTED = ("revision", "version", "history_length", "changed_in")
"""Columns whose new value the database computes from the stored row."""


def with_ids(operation_ids: Collection[UUID]) -> sa.ColumnElement[bool]:
    """Returns the condition that selects these ids. One array: a statement has at most 32,767 parameters."""
    return operations.c.id == sa.any_(sa.literal(list(operation_ids), ARRAY(sa.Uuid)))


transitions = sa.Table(
    "transitions",
    metadata,
    sa.Column("operation_id", sa.Uuid, sa.ForeignKey("operations.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("sequence", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("from_status", sa.Text),
    sa.Column("to_status", sa.Text, nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("at", Instant, nullable=False),
    sa.Column("actor", sa.Text),
    sa.Column("details", JsonText(), nullable=False),
    sa.Column("written_in", TransactionId, nullable=False, server_default=THIS_TRANSACTION),
    sa.CheckConstraint("sequence >= 1", "sequence_positive"),
    sa.CheckConstraint("(from_status IS NULL) = (sequence = 1)", "from_status_unless_first"),
    sa.CheckConstraint("sequence <> 1 OR to_status = 'ACCEPTED'", "first_is_acceptance"),
    sa.CheckConstraint(_any_of("from_status", OperationStatus), "from_status_known"),
    sa.CheckConstraint(_any_of("to_status", OperationStatus), "to_status_known"),
    sa.CheckConstraint(_moves("from_status", "to_status"), "move_allowed"),
    sa.CheckConstraint(_any_of("source", Source), "source_known"),
    sa.Index("ix_transitions_written", "written_in", "operation_id", "sequence"),
)

idempotency_keys = sa.Table(
    "idempotency_keys",
    metadata,
    sa.Column("tenant", sa.Text, primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("request_hash", BYTEA, nullable=False),
    sa.Column(
        "operation_id",
        sa.Uuid,
        # Deferred: within a transaction, the key is claimed before its operation is stored.
        sa.ForeignKey("operations.id", ondelete="CASCADE", deferrable=True, initially="DEFERRED"),
        nullable=False,
    ),
    sa.Column("expires_at", Instant, nullable=False),
    sa.CheckConstraint(f"char_length(tenant) BETWEEN 1 AND {MAX_NAME}", "tenant_length"),
    sa.CheckConstraint(f"char_length(key) BETWEEN 1 AND {MAX_NAME}", "key_length"),
    sa.Index("ix_idempotency_keys_expires_at", "expires_at"),
    sa.Index("ix_idempotency_keys_operation_id", "operation_id"),
)

watermarks = sa.Table(
    "watermarks",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("at", Instant, nullable=False),
)

turns = sa.Table(
    "turns",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("until", Instant, nullable=False),
    sa.Column("mark", Instant),
)

api_keys = sa.Table(
    "api_keys",
    metadata,
    sa.Column("prefix", sa.Text, primary_key=True),
    sa.Column("secret_hash", BYTEA, nullable=False, comment="SHA-256 of the key's text, which is nowhere"),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("tenant", sa.Text, nullable=False),
    sa.Column("scopes", ARRAY(sa.Text), nullable=False),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("expires_at", Instant),
    sa.Column("revoked_at", Instant),
    sa.Column("last_used_at", Instant),
    sa.CheckConstraint("prefix ~ '^[a-z2-7]{8}$'", "prefix_form"),
    sa.CheckConstraint("octet_length(secret_hash) = 32", "secret_hash_length"),
    sa.CheckConstraint(f"char_length(name) BETWEEN 1 AND {MAX_NAME}", "name_length"),
    sa.CheckConstraint(f"char_length(tenant) BETWEEN 1 AND {MAX_NAME}", "tenant_length"),
    sa.CheckConstraint(_some_of("scopes", Scope), "scopes_known"),
    sa.CheckConstraint("expires_at > created_at", "expires_later"),
)

stream_tickets = sa.Table(
    "stream_tickets",
    metadata,
    sa.Column("secret_hash", BYTEA, primary_key=True, comment="SHA-256 of the ticket's text, which is stored nowhere"),
    sa.Column("tenant", sa.Text, nullable=False),
    sa.Column("credential", sa.Text),
    sa.Column("credential_expires_at", Instant),
    sa.Column("expires_at", Instant, nullable=False),
    sa.CheckConstraint("octet_length(secret_hash) = 32", "secret_hash_length"),
    sa.CheckConstraint(f"char_length(tenant) BETWEEN 1 AND {MAX_NAME}", "tenant_length"),
    sa.Index("ix_stream_tickets_expires_at", "expires_at"),
)
