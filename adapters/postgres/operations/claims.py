"""Statements that claim due operations and skip those that another worker holds.

They are built once: building one takes longer than running it.
"""

from typing import Any, Final

import sqlalchemy as sa

from adapters.postgres.schema.tables import (
    DISPATCHABLE,
    NOT_DONE,
    TO_CANCEL_CHILDREN,
    TO_FOLLOW_UP,
    TO_VERIFY,
    operations,
)
from adapters.postgres.schema.types import Instant
from domain.scheduling.schedule import DueWork


def _claim(due_at: sa.Column[Any], condition: str, **changes: Any) -> sa.Update:
    """Parameters: `by_now`, `leased_until` (when a claimed operation is due again) and `at_most`."""
    # MATERIALIZED: PostgreSQL might otherwise evaluate it for every row of an outer loop, past the LIMIT.
    due = (
        sa.select(operations.c.id, due_at.label("due_at"))
        .where(sa.text(condition), due_at <= sa.bindparam("by_now"))
        .order_by(due_at, operations.c.id)
        .limit(sa.bindparam("at_most", type_=sa.Integer))
        .with_for_update(skip_locked=True)
        .cte("due")
        .prefix_with("MATERIALIZED")
    )
    return (
        sa.update(operations)
        .where(operations.c.id == due.c.id)
        .values({due_at.name: sa.bindparam("leased_until"), **changes})
        .returning(*operations.c, due.c.due_at)
    )


# By the database's clock, so that a worker whose clock is ahead starts nothing early.
_TO_DISPATCH: Final = f"{DISPATCHABLE} AND (start_at IS NULL OR start_at <= now())"
# When work is due, and the condition of the index that has it.
_DISPATCH: Final = (operations.c.dispatch_due_at, _TO_DISPATCH)
_FOLLOW_UP: Final = (operations.c.follow_up_due_at, TO_FOLLOW_UP)
_CANCEL_CHILDREN: Final = (operations.c.cancel_children_due_at, TO_CANCEL_CHILDREN)
CLAIM_DISPATCHES: Final = _claim(
    *_DISPATCH,
    dispatch_attempts=operations.c.dispatch_attempts + 1,
    revision=operations.c.revision + 1,
)
CLAIM_FOLLOW_UPS: Final = _claim(*_FOLLOW_UP)
CLAIM_VERIFICATIONS: Final = _claim(operations.c.verify_due_at, TO_VERIFY)
_child = operations.alias("child")
_OF_ITS_CHILDREN = _child.c.parent_id == operations.c.id
# The status is that of the child.
_HAS_OPEN_CHILDREN = sa.select(_child.c.id).where(_OF_ITS_CHILDREN, sa.text(NOT_DONE)).correlate(operations).exists()
CLAIM_CANCELLATIONS: Final = _claim(
    *_CANCEL_CHILDREN,
    cancel_children_due_at=sa.case((_HAS_OPEN_CHILDREN, sa.bindparam("leased_until", type_=Instant))),
)


def _due(due_at: sa.Column[Any], condition: str) -> sa.Select[Any]:
    """The time of the work that is due longest. Sorted, so that PostgreSQL reads one entry of the index. Parameter:
    `since`."""
    return sa.select(due_at).where(sa.text(condition), due_at <= sa.bindparam("since")).order_by(due_at).limit(1)


DUE: Final = {
    DueWork.DISPATCH: _due(*_DISPATCH),
    DueWork.FOLLOW_UP: _due(*_FOLLOW_UP),
    DueWork.CANCEL_CHILDREN: _due(*_CANCEL_CHILDREN),
}
