"""The tables of bulk actions and of the outcomes of their targets."""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from adapters.postgres.schema.tables.base import MAX_NAME, any_of, metadata
from adapters.postgres.schema.types import Instant
from domain.bulk.bulk_action import BulkVerb
from domain.bulk.target import TargetCode, TargetOutcome

HANDLED = [outcome for outcome in TargetOutcome if outcome is not TargetOutcome.PENDING]
"""Outcomes that are stored: a target without one is pending."""

bulk_actions = sa.Table(
    "bulk_actions",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("tenant", sa.Text, nullable=False),
    sa.Column("verb", sa.Text, nullable=False),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("targets", ARRAY(sa.Uuid), nullable=False, comment="ids of operations, in the order in which it acts"),
    sa.Column(
        "operation_id",
        sa.Uuid,
        sa.ForeignKey("operations.id", ondelete="CASCADE"),
        comment="the operation that performs it, which has the same id; SQL NULL: not confirmed",
    ),
    sa.Column("reason", sa.Text),
    sa.Column("force", sa.Boolean),
    sa.Column("actor", sa.Text),
    sa.Column(
        "problems",
        ARRAY(sa.Uuid),
        comment="the problem of each target that an acknowledgement is for; SQL NULL: another verb",
    ),
    sa.CheckConstraint(
        f"problems IS NULL OR verb = '{BulkVerb.ACKNOWLEDGE}' AND cardinality(problems) = cardinality(targets)",
        "problem_of_each_target",
    ),
    sa.CheckConstraint(f"char_length(tenant) BETWEEN 1 AND {MAX_NAME}", "tenant_length"),
    sa.CheckConstraint(any_of("verb", BulkVerb), "verb_known"),
    sa.CheckConstraint("operation_id = id", "operation_has_its_id"),
    sa.CheckConstraint("(force IS NULL) = (operation_id IS NULL)", "terms_when_confirmed"),
    sa.CheckConstraint("operation_id IS NOT NULL OR num_nonnulls(reason, actor) = 0", "no_terms_before"),
    sa.Index("ix_bulk_actions_operation_id", "operation_id"),
    sa.Index("ix_bulk_actions_unconfirmed", "created_at", "id", postgresql_where=sa.text("operation_id IS NULL")),
)

bulk_outcomes = sa.Table(
    "bulk_outcomes",
    metadata,
    sa.Column("action_id", sa.Uuid, sa.ForeignKey("bulk_actions.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("place", sa.Integer, primary_key=True, autoincrement=False, comment="of the target, from 1"),
    sa.Column("outcome", sa.Text, nullable=False),
    sa.Column("code", sa.Text),
    sa.Column("message", sa.Text),
    sa.Column("new_operation_id", sa.Uuid, comment="the operation that retries the target; may be deleted"),
    sa.CheckConstraint("place >= 1", "place_positive"),
    sa.CheckConstraint(any_of("outcome", HANDLED), "outcome_known"),
    sa.CheckConstraint(any_of("code", TargetCode), "code_known"),
    sa.CheckConstraint("(outcome = 'DONE') = (code IS NULL)", "code_unless_done"),
)
