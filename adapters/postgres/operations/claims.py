"""Claims operations whose work is due, and stores when it is due next, in PostgreSQL."""

from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.postgres.connection.errors import translated
from adapters.postgres.operations.rows import from_row
from adapters.postgres.schema.tables import (
    DISPATCHABLE,
    NOT_DONE,
    TO_CANCEL_CHILDREN,
    TO_FOLLOW_UP,
    TO_VERIFY,
    UNFINISHED,
    operations,
)
from adapters.postgres.schema.types import Instant
from domain.operation.operation import Operation
from domain.scheduling.schedule import DueWork, FollowUp, Verification


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
# Built once: building a statement takes longer than running it.
_CLAIM_DISPATCHES: Final = _claim(
    *_DISPATCH,
    dispatch_attempts=operations.c.dispatch_attempts + 1,
    revision=operations.c.revision + 1,
)
_CLAIM_FOLLOW_UPS: Final = _claim(*_FOLLOW_UP)
_CLAIM_VERIFICATIONS: Final = _claim(operations.c.verify_due_at, TO_VERIFY)
_child = operations.alias("child")
_OF_ITS_CHILDREN = _child.c.parent_id == operations.c.id
# The status is that of the child.
_HAS_OPEN_CHILDREN = sa.select(_child.c.id).where(_OF_ITS_CHILDREN, sa.text(NOT_DONE)).correlate(operations).exists()
_CLAIM_CANCELLATIONS: Final = _claim(
    *_CANCEL_CHILDREN,
    cancel_children_due_at=sa.case((_HAS_OPEN_CHILDREN, sa.bindparam("leased_until", type_=Instant))),
)


def _due(due_at: sa.Column[Any], condition: str) -> sa.Select[Any]:
    """The time of the work that is due longest. Sorted, so that PostgreSQL reads one entry of the index. Parameter:
    `since`."""
    return sa.select(due_at).where(sa.text(condition), due_at <= sa.bindparam("since")).order_by(due_at).limit(1)


_DUE: Final = {
    DueWork.DISPATCH: _due(*_DISPATCH),
    DueWork.FOLLOW_UP: _due(*_FOLLOW_UP),
    DueWork.CANCEL_CHILDREN: _due(*_CANCEL_CHILDREN),
}


class PostgresClaims:
    """The claims of the repository. `claim_...` skips operations that another worker holds."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def claim_due_dispatches(self, now: datetime, lease: timedelta, limit: int) -> list[Operation]:
        return await self._claim(_CLAIM_DISPATCHES, now, lease, limit)

    async def claim_due_follow_ups(self, now: datetime, lease: timedelta, limit: int) -> list[Operation]:
        return await self._claim(_CLAIM_FOLLOW_UPS, now, lease, limit)

    async def any_due(self, kind: DueWork, since: datetime) -> bool:
        with translated():
            return await self._connection.scalar(_DUE[kind], {"since": since}) is not None

    async def set_follow_up(self, operation: Operation, follow_up: FollowUp) -> None:
        statement = (
            sa.update(operations)
            .where(
                operations.c.id == operation.id,
                operations.c.follow_up_due_at == operation.follow_up.due_at,
                sa.text(NOT_DONE),
            )
            .values(follow_up_due_at=follow_up.due_at, follow_up_attempts=follow_up.attempts)
        )
        with translated():
            await self._connection.execute(statement)

    async def claim_due_cancellations(self, now: datetime, lease: timedelta, limit: int) -> list[Operation]:
        return await self._claim(_CLAIM_CANCELLATIONS, now, lease, limit)

    async def claim_due_verifications(self, now: datetime, lease: timedelta, limit: int) -> list[Operation]:
        return await self._claim(_CLAIM_VERIFICATIONS, now, lease, limit)

    async def set_verified(self, operation_id: UUID, verification: Verification) -> None:
        statement = (
            sa.update(operations)
            .where(operations.c.id == operation_id, sa.text(UNFINISHED))
            .values(verified_at=verification.verified_at, verify_due_at=verification.due_at)
        )
        with translated():
            await self._connection.execute(statement)

    async def _claim(self, statement: sa.Update, now: datetime, lease: timedelta, limit: int) -> list[Operation]:
        with translated():
            parameters = {"by_now": now, "leased_until": now + lease, "at_most": limit}
            rows = (await self._connection.execute(statement, parameters)).all()
        return [from_row(row) for row in sorted(rows, key=lambda row: (row.due_at, row.id))]
