"""The history of each operation."""

import sqlalchemy as sa

from adapters.postgres.schema.tables.base import THIS_TRANSACTION, any_of, metadata
from adapters.postgres.schema.types import Instant, JsonText, TransactionId
from domain.operation.status import OperationStatus
from domain.operation.transition import Source


def _moves(before: str, after: str) -> str:
    """Returns the state machine as a condition on two columns."""
    moves = [f"{before} = {after}"]
    for status in OperationStatus:
        targets = [other for other in OperationStatus if status.may_become(other)]
        if targets:
            moves.append(f"{before} = '{status}' AND {any_of(after, targets)}")
    return " OR ".join(f"({move})" for move in moves)


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
    sa.CheckConstraint(any_of("from_status", OperationStatus), "from_status_known"),
    sa.CheckConstraint(any_of("to_status", OperationStatus), "to_status_known"),
    sa.CheckConstraint(_moves("from_status", "to_status"), "move_allowed"),
    sa.CheckConstraint(any_of("source", Source), "source_known"),
    sa.Index("ix_transitions_written", "written_in", "operation_id", "sequence"),
)
