"""The table of operations."""

from collections.abc import Collection
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from adapters.postgres.schema.tables.base import MAX_NAME, THIS_TRANSACTION, any_of, metadata
from adapters.postgres.schema.tables.conditions import (
    ATTENTIVE,
    CHILD,
    DISPATCHABLE,
    DONE,
    DURABLE,
    ERRONEOUS,
    FINISHED,
    FINISHED_ELSEWHERE,
    HOLDS_WORKFLOW_ID,
    NAMED,
    NOT_DONE,
    OPEN_ELSEWHERE,
    PURGEABLE,
    STARTED_UNDER_NAME,
    TO_CANCEL_CHILDREN,
    TO_FOLLOW_UP,
    TO_VERIFY,
    UNCALLED,
    UNFINISHED,
    WAITING,
)
from adapters.postgres.schema.types import Instant, JsonText, TransactionId
from domain.operation.attention import AttentionKind
from domain.operation.chain import MAX_WORKFLOW_ID
from domain.operation.operation_error import BEFORE_START, ErrorCode
from domain.operation.origin import Origin
from domain.operation.status import OperationStatus

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
    sa.Column("cancel_delivered_at", Instant, comment="when the engine accepted it; until then it is pending"),
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
    sa.Column(
        "revision",
        sa.Integer,
        nullable=False,
        server_default="1",
        comment="counts every change; `version` the visible ones",
    ),
    sa.Column(
        "calls_back",
        sa.Boolean,
        nullable=False,
        server_default=sa.text("false"),
        comment="whether the engine calls when the execution closes",
    ),
    sa.Column("first_run_id", sa.Text, comment="of the workflow chain; SQL NULL: not started, or not known yet"),
    sa.Column("workflow_id", sa.Text, comment="SQL NULL: the id of the operation"),
    sa.Column("origin", sa.Text, nullable=False, server_default=Origin.LEDGER.value),
    sa.Column("parent_id", sa.Uuid, comment="the operation whose workflow started this one; may be deleted"),
    sa.Column("superseded_by", sa.Uuid, comment="the operation that takes the workflow id"),
    sa.Column("cancel_children_due_at", Instant, comment="when the cancellation request is passed on to children"),
    sa.Column("start_at", Instant, comment="the workflow is not started before; SQL NULL: at once"),
    sa.Column("retry_of", sa.Uuid, comment="the operation that this one retries; may be deleted"),
    sa.Column("retried_by", sa.Uuid, comment="the operation that retries this one; may be deleted"),
    sa.Column(
        "unchecked",
        sa.Boolean,
        nullable=False,
        server_default=sa.text("false"),
        comment="submitted in SQL, and not checked by a dispatcher yet",
    ),
    sa.Column("acknowledged", JsonText(), comment="the problem that a client has acknowledged, while it lasts"),
    sa.Column(
        "keep", sa.Boolean, nullable=False, server_default=sa.text("false"), comment="whether retention spares it"
    ),
    sa.CheckConstraint(f"char_length(tenant) BETWEEN 1 AND {MAX_NAME}", "tenant_length"),
    sa.CheckConstraint(f"char_length(type) BETWEEN 1 AND {MAX_NAME}", "type_length"),
    sa.CheckConstraint(f"octet_length(workflow_id) BETWEEN 1 AND {MAX_WORKFLOW_ID}", "workflow_id_length"),
    sa.CheckConstraint(any_of("origin", Origin), "origin_known"),
    sa.CheckConstraint(any_of("status", OperationStatus), "status_known"),
    sa.CheckConstraint(any_of("error_code", ErrorCode), "error_code_known"),
    sa.CheckConstraint(any_of("attention_kind", AttentionKind), "attention_kind_known"),
    sa.CheckConstraint("(result IS NOT NULL) = (status = 'COMPLETED')", "result_iff_completed"),
    sa.CheckConstraint("(error_code IS NOT NULL) = (status = 'FAILED')", "error_iff_failed"),
    sa.CheckConstraint("num_nonnulls(error_code, error_message, error_details) IN (0, 3)", "error_whole"),
    sa.CheckConstraint("num_nonnulls(attention_kind, attention_since, attention_message) IN (0, 3)", "attention_whole"),
    sa.CheckConstraint("num_nonnulls(cancel_requested_at, cancel_forced) IN (0, 2)", "cancel_whole"),
    sa.CheckConstraint(
        "cancel_requested_at IS NOT NULL OR num_nonnulls(cancel_requested_by, cancel_reason, cancel_delivered_at) = 0",
        "cancel_parts_of_a_request",
    ),
    sa.CheckConstraint("cancel_requested_at IS NOT NULL OR cancel_children_due_at IS NULL", "children_of_a_request"),
    sa.CheckConstraint(f"(finished_at IS NOT NULL) = ({DONE})", "finished_iff_done"),
    sa.CheckConstraint("status <> 'ACCEPTED' OR started_at IS NULL", "accepted_has_not_started"),
    sa.CheckConstraint("status <> 'RUNNING' OR started_at IS NOT NULL", "running_has_started"),
    sa.CheckConstraint("status <> 'COMPLETED' OR started_at IS NOT NULL", "completed_has_started"),
    sa.CheckConstraint(
        f"status <> 'FAILED' OR started_at IS NOT NULL OR {any_of('error_code', sorted(BEFORE_START))}",
        "failed_before_start_for_a_reason",
    ),
    sa.CheckConstraint(
        "started_at >= accepted_at AND finished_at >= coalesce(started_at, accepted_at) AND updated_at >= accepted_at",
        "times_in_order",
    ),
    sa.CheckConstraint(f"retried_by IS NULL OR ({DONE})", "retried_when_done"),
    sa.CheckConstraint("start_at > accepted_at", "start_after_acceptance"),
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
    sa.Index(
        "ix_operations_due_cancel_children",
        *("cancel_children_due_at", "id"),
        postgresql_where=sa.text(TO_CANCEL_CHILDREN),
    ),
    sa.Index("ix_operations_due_verification", "verify_due_at", "id", postgresql_where=sa.text(TO_VERIFY)),
    sa.Index("ix_operations_verified", "verified_at", postgresql_where=sa.text(TO_VERIFY)),
    sa.Index("ix_operations_uncalled", "accepted_at", postgresql_where=sa.text(UNCALLED)),
    sa.Index("ix_operations_waiting", "type", "dispatched_at", "id", postgresql_where=sa.text(WAITING)),
    sa.Index("ix_operations_purge", "type", "status", "finished_at", "id", postgresql_where=sa.text(PURGEABLE)),
    sa.Index(
        "ix_operations_durations",
        *("tenant", "type", "status", "finished_at"),
        postgresql_include=["started_at"],
        postgresql_where=sa.text(DURABLE),
    ),
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
    sa.Index("ix_operations_tenant_finished", "tenant", "finished_at", "id", postgresql_where=sa.text(FINISHED)),
    sa.Index(
        "ix_operations_tenant_error",
        *("tenant", "error_code", "accepted_at", "id"),
        postgresql_where=sa.text(ERRONEOUS),
    ),
    sa.Index("ix_operations_tenant_origin", "tenant", "origin", "accepted_at", "id"),
    # Operations that the ledger starts under their own id, which are most, are in none of the next eight.
    sa.Index("ux_operations_open_workflow_id", "workflow_id", unique=True, postgresql_where=sa.text(HOLDS_WORKFLOW_ID)),
    sa.Index("ix_operations_open_workflow_id", "workflow_id", postgresql_where=sa.text(f"{NAMED} AND {NOT_DONE}")),
    sa.Index("ix_operations_workflow_id", "workflow_id", "accepted_at", "id", postgresql_where=sa.text(NAMED)),
    sa.Index(
        "ux_operations_chain", "workflow_id", "first_run_id", unique=True, postgresql_where=sa.text(STARTED_UNDER_NAME)
    ),
    sa.Index("ix_operations_parent", "parent_id", "accepted_at", "id", postgresql_where=sa.text(CHILD)),
    sa.Index("ix_operations_open_children", "parent_id", "id", postgresql_where=sa.text(f"{CHILD} AND {NOT_DONE}")),
    sa.Index("ix_operations_children", "parent_id", "status", "tenant", postgresql_where=sa.text(CHILD)),
    sa.Index("ix_operations_started_elsewhere", "type", postgresql_where=sa.text(OPEN_ELSEWHERE)),
    sa.Index("ix_operations_finished_elsewhere", "type", "finished_at", postgresql_where=sa.text(FINISHED_ELSEWHERE)),
    sa.Index("ix_operations_changed", "changed_in", "id"),
    sa.Index("ix_operations_labels", "labels", postgresql_using="gin", postgresql_ops={"labels": "jsonb_path_ops"}),
)
IDENTITY = (
    *("id", "tenant", "type", "input", "labels", "accepted_at", "trace_context"),
    *("origin", "parent_id", "start_at", "retry_of"),
)
"""Columns of an operation that never change."""
COUNTED = ("revision", "version", "history_length", "changed_in")
"""Columns whose new value the database computes from the stored row."""


def with_ids(operation_ids: Collection[UUID]) -> sa.ColumnElement[bool]:
    """Returns the condition that selects these ids. One array: a statement has at most 32,767 parameters."""
    return operations.c.id == sa.any_(sa.literal(list(operation_ids), ARRAY(sa.Uuid)))
