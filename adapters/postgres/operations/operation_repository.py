"""Reads, changes and claims operations, in PostgreSQL."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.postgres.connection.errors import translated
from adapters.postgres.operations.adding import add
from adapters.postgres.operations.claims import CLAIM_DISPATCHES, CLAIM_FOLLOW_UPS, CLAIM_VERIFICATIONS
from adapters.postgres.operations.rows import from_row, standard_uuid, summary_from_row
from adapters.postgres.operations.saving import save_parameters, save_statement
from adapters.postgres.schema.tables import (
    FINISHED,
    NOT_DONE,
    UNCALLED,
    UNFINISHED,
    WAITING,
    operations,
    with_ids,
)
from adapters.postgres.schema.types import Instant
from application.ports.operation_repository import StaleOperation
from domain.errors import InvalidTransition
from domain.evidence.summary import OperationSummary
from domain.operation.attention import AttentionKind
from domain.operation.chain import Chain
from domain.operation.deletion import check_done
from domain.operation.operation import Change, Operation
from domain.scheduling.schedule import FollowUp, Verification

# Built once: building a statement takes longer than running it.
_GET = sa.select(operations).where(operations.c.id == sa.bindparam("of"))
_GET_ALL = sa.select(operations).where(operations.c.id == sa.any_(sa.bindparam("of", type_=ARRAY(sa.Uuid))))
_STANDINGS: sa.Select[Any] = sa.select(
    operations.c.id,
    operations.c.status,
    operations.c.error_code,
    operations.c.attention_kind,
    operations.c.first_run_id,
)
_OLDEST_UNCALLED = sa.select(sa.func.min(operations.c.accepted_at)).where(sa.text(UNCALLED))
_OF_TYPE = f"SELECT id, first_run_id FROM operations WHERE type = asked.type AND {WAITING} AND dispatched_at <= :before"  # noqa: S608 -- constants
_WAITING = sa.text(
    f"""
    SELECT asked.type, ends.id, ends.first_run_id FROM unnest(:types) AS asked (type) CROSS JOIN LATERAL (
        ({_OF_TYPE} ORDER BY dispatched_at, id LIMIT :each_end)
        UNION ALL
        ({_OF_TYPE} ORDER BY dispatched_at DESC, id DESC LIMIT :each_end)
    ) AS ends
    """  # noqa: S608
).bindparams(
    sa.bindparam("types", type_=ARRAY(sa.Text)),
    sa.bindparam("before", type_=Instant),
    sa.bindparam("each_end", type_=sa.Integer),
)
_SAVE = save_statement(skip_locked=False)
_SAVE_ALL = save_statement(skip_locked=True)


class PostgresOperationRepository:
    """Works within its connection's transaction, at READ COMMITTED."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection
        self.changed = False
        """Whether this transaction has written a new version or a history line, which other processes need to know."""

    async def add(self, change: Change) -> None:
        await self.add_all([change])

    async def add_all(self, changes: Sequence[Change]) -> None:
        for change in changes:
            _check_sequence(change, before=0)
        if changes:
            with translated():
                await add(self._connection, changes)
            self.changed = True

    async def get(self, operation_id: UUID) -> Operation | None:
        with translated():
            found = await self._connection.execute(_GET, {"of": operation_id})
        row = found.one_or_none()
        return None if row is None else from_row(row)

    async def get_all(self, operation_ids: Collection[UUID]) -> dict[UUID, Operation]:
        if not operation_ids:
            return {}
        with translated():
            rows = await self._connection.execute(_GET_ALL, {"of": list(operation_ids)})
        found = [from_row(row) for row in rows]
        return {operation.id: operation for operation in found}

    async def save(self, change: Change) -> Operation:
        saved = await self._save(_SAVE, [change])
        if not saved:
            raise StaleOperation
        return saved[change.operation.id]

    async def save_all(self, changes: Sequence[Change]) -> dict[UUID, Operation]:
        return await self._save(_SAVE_ALL, changes) if changes else {}

    async def delete(self, operation: Operation) -> None:
        check_done(operation)
        statement = sa.delete(operations).where(
            operations.c.id == operation.id, operations.c.revision == operation.revision, sa.text(FINISHED)
        )
        with translated():
            deleted = (await self._connection.execute(statement)).rowcount
        if not deleted:
            raise StaleOperation

    async def purge(self, finished_before: datetime, limit: int) -> int:
        old = (
            sa.select(operations.c.id)
            .where(sa.text(FINISHED), operations.c.finished_at < finished_before)
            .order_by(operations.c.finished_at, operations.c.id)
            .limit(limit)
            .with_for_update(skip_locked=True)
            .cte("old")
            .prefix_with("MATERIALIZED")
        )
        with translated():
            return (await self._connection.execute(sa.delete(operations).where(operations.c.id == old.c.id))).rowcount

    async def claim_due_dispatches(self, now: datetime, lease: timedelta, limit: int) -> list[Operation]:
        return await self._claim(CLAIM_DISPATCHES, now, lease, limit)

    async def claim_due_follow_ups(self, now: datetime, lease: timedelta, limit: int) -> list[Operation]:
        return await self._claim(CLAIM_FOLLOW_UPS, now, lease, limit)

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

    async def claim_due_verifications(self, now: datetime, lease: timedelta, limit: int) -> list[Operation]:
        return await self._claim(CLAIM_VERIFICATIONS, now, lease, limit)

    async def set_verified(self, operation_id: UUID, verification: Verification) -> None:
        statement = (
            sa.update(operations)
            .where(operations.c.id == operation_id, sa.text(UNFINISHED))
            .values(verified_at=verification.verified_at, verify_due_at=verification.due_at)
        )
        with translated():
            await self._connection.execute(statement)

    async def summaries(self, operation_ids: Collection[UUID]) -> list[OperationSummary]:
        with translated():
            rows = await self._connection.execute(_STANDINGS.where(with_ids(operation_ids)))
        return [summary_from_row(row) for row in rows]

    async def stalled(self, limit: int) -> list[UUID]:
        statement = (
            sa.select(operations.c.id)
            .where(operations.c.attention_kind == AttentionKind.STALLED.value)
            .order_by(operations.c.attention_since, operations.c.id)
            .limit(limit)
        )
        with translated():
            found = await self._connection.scalars(statement)
        return [standard_uuid(operation_id) for operation_id in found]

    async def oldest_without_callback(self) -> datetime | None:
        with translated():
            oldest: datetime | None = await self._connection.scalar(_OLDEST_UNCALLED)
        return oldest

    async def waiting(
        self, types: Collection[str], dispatched_before: datetime, each_end: int
    ) -> dict[str, list[Chain]]:
        parameters = {"types": list(types), "before": dispatched_before, "each_end": each_end}
        with translated():
            rows = await self._connection.execute(_WAITING, parameters)
        found: dict[str, dict[Chain, None]] = {}
        for row in rows:  # the two ends of a short queue overlap
            found.setdefault(row.type, {})[Chain(standard_uuid(row.id), row.first_run_id)] = None
        return {kind: list(chains) for kind, chains in found.items()}

    async def _claim(self, statement: sa.Update, now: datetime, lease: timedelta, limit: int) -> list[Operation]:
        with translated():
            parameters = {"by_now": now, "leased_until": now + lease, "at_most": limit}
            rows = (await self._connection.execute(statement, parameters)).all()
        return [from_row(row) for row in sorted(rows, key=lambda row: (row.due_at, row.id))]

    async def _save(self, statement: sa.Select[Any], changes: Sequence[Change]) -> dict[UUID, Operation]:
        given = {change.operation.id: change for change in changes}
        if len(given) < len(changes):
            raise ValueError("two changes of one operation")
        with translated():
            rows = (await self._connection.execute(statement, save_parameters(changes))).all()
        saved = {}
        for row in rows:
            change = given[row.id]
            _check_sequence(change, before=row.history_length - len(change.transitions))
            self.changed |= bool(change.transitions) or row.version != change.operation.version
            counted = {"revision": row.revision, "version": row.version, "updated_at": row.updated_at}
            saved[change.operation.id] = replace(change.operation, **counted)
        return saved


def _check_sequence(change: Change, *, before: int) -> None:
    """Raises InvalidTransition: the history would have a gap, or end elsewhere than at `history_length`."""
    lines = [line.sequence for line in change.transitions]
    if lines != list(range(before + 1, change.operation.history_length + 1)):
        raise InvalidTransition(f"the history of operation {change.operation.id} would have a gap or a repeat")
