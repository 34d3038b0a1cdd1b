"""Reads and changes operations, in PostgreSQL."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.postgres.connection.errors import translated
from adapters.postgres.operation_counts import fold_counts
from adapters.postgres.operations.adding import add, add_unless_known
from adapters.postgres.operations.claims import PostgresClaims
from adapters.postgres.operations.holders import OF_CHAIN, UNDER_WORKFLOW_IDS, holders, own_id
from adapters.postgres.operations.rows import from_row, standard_uuid, summary_from_row, transition_from_row
from adapters.postgres.operations.saving import save_parameters, save_statement
from adapters.postgres.operations.text import storable
from adapters.postgres.retention import delete, delete_all, expired
from adapters.postgres.schema.tables import (
    FINISHED_ELSEWHERE,
    NOT_DONE,
    OPEN_ELSEWHERE,
    UNCALLED,
    WAITING,
    operations,
    transitions,
    with_ids,
)
from adapters.postgres.schema.types import Instant
from adapters.postgres.throughput import fold_throughput
from application.ports.storage.operation_repository import StaleOperation
from domain.errors import InvalidTransition
from domain.evidence.summary import OperationSummary
from domain.operation.attention import AttentionKind
from domain.operation.chain import Chain
from domain.operation.operation import Change, Operation
from domain.operation.preconditions import check_done
from domain.operation.transition import Transition
from domain.retention import Cutoffs

# Built once: building a statement takes longer than running it.
_GET = sa.select(operations).where(operations.c.id == sa.bindparam("of"))
_GET_ALL = sa.select(operations).where(operations.c.id == sa.any_(sa.bindparam("of", type_=ARRAY(sa.Uuid))))
_LOCK_ALL = _GET_ALL.with_for_update(key_share=True, skip_locked=True)
_HISTORIES = (
    sa.select(transitions)
    .where(transitions.c.operation_id == sa.any_(sa.bindparam("of", type_=ARRAY(sa.Uuid))))
    .order_by(transitions.c.operation_id, transitions.c.sequence)
)
_SUMMARIES: sa.Select[Any] = sa.select(
    operations.c.id,
    operations.c.status,
    operations.c.error_code,
    operations.c.attention_kind,
    operations.c.workflow_id,
    operations.c.first_run_id,
    operations.c.version,
)
_OLDEST_UNCALLED = sa.select(sa.func.min(operations.c.accepted_at)).where(sa.text(UNCALLED))
# PostgreSQL has no index scan that skips to the next distinct value: this looks each one up.
_TYPES = """
    WITH RECURSIVE found (type) AS (
        (SELECT type FROM opledger.operations WHERE {condition} ORDER BY type LIMIT 1)
        UNION ALL
        SELECT (
            SELECT type FROM opledger.operations WHERE {condition} AND operations.type > found.type
            ORDER BY type LIMIT 1
        )
        FROM found WHERE found.type IS NOT NULL
    )
    SELECT type FROM found WHERE type IS NOT NULL
    """
_OPEN_TYPES = sa.text(f"{_TYPES.format(condition=OPEN_ELSEWHERE)} LIMIT :at_most")
_FINISHED_TYPES = sa.text(
    f"""
    {_TYPES.format(condition=FINISHED_ELSEWHERE)} AND EXISTS (
        SELECT FROM opledger.operations
        WHERE {FINISHED_ELSEWHERE} AND operations.type = found.type AND finished_at >= :since
    )
    LIMIT :at_most
    """
).bindparams(sa.bindparam("since", type_=Instant))
_OF_TYPE = f"""
    SELECT id, workflow_id, first_run_id FROM opledger.operations
    WHERE type = asked.type AND {WAITING} AND dispatched_at <= :before
    """  # noqa: S608 -- constants
_WAITING = sa.text(
    f"""
    SELECT asked.type, ends.id, ends.workflow_id, ends.first_run_id
    FROM unnest(:types) AS asked (type) CROSS JOIN LATERAL (
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


class PostgresOperationRepository(PostgresClaims):
    """Works within its connection's transaction, at READ COMMITTED."""

    def __init__(self, connection: AsyncConnection) -> None:
        super().__init__(connection)
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

    async def add_unless_known(self, change: Change) -> bool:
        _check_sequence(change, before=0)
        with translated():
            added = await add_unless_known(self._connection, change)
        self.changed |= added
        return added

    async def under_workflow_ids(self, workflow_ids: Collection[str]) -> dict[str, list[Operation]]:
        if not workflow_ids:
            return {}
        with translated():
            rows = (await self._connection.execute(UNDER_WORKFLOW_IDS, holders(workflow_ids))).all()
        found: dict[str, list[Operation]] = {}
        for operation in sorted(map(from_row, rows), key=lambda row: (row.accepted_at, row.id), reverse=True):
            found.setdefault(operation.workflow_id, []).append(operation)
        # A stable sort: the newest first of each.
        return {name: sorted(rows, key=lambda row: row.done) for name, rows in found.items()}

    async def of_chain(self, workflow_id: str, first_run_id: str) -> Operation | None:
        if not (storable(workflow_id) and storable(first_run_id)):
            return None
        parameters = {"workflow_id": workflow_id, "own_id": own_id(workflow_id), "first_run_id": first_run_id}
        with translated():
            row = (await self._connection.execute(OF_CHAIN, parameters)).one_or_none()
        return None if row is None else from_row(row)

    async def open_children(self, parent_id: UUID, limit: int, *, after: UUID | None = None) -> list[Operation]:
        statement = sa.select(operations).where(operations.c.parent_id == parent_id, sa.text(NOT_DONE))
        if after is not None:
            statement = statement.where(operations.c.id > after)
        with translated():
            rows = await self._connection.execute(statement.order_by(operations.c.id).limit(limit))
        return [from_row(row) for row in rows]

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

    async def lock_all(self, operation_ids: Collection[UUID]) -> dict[UUID, Operation]:
        with translated():
            rows = await self._connection.execute(_LOCK_ALL, {"of": list(operation_ids)})
        return {operation.id: operation for operation in map(from_row, rows)}

    async def save(self, change: Change) -> Operation:
        saved = await self._save(_SAVE, [change])
        if not saved:
            raise StaleOperation
        return saved[change.operation.id]

    async def save_all(self, changes: Sequence[Change], *, wait: bool = False) -> dict[UUID, Operation]:
        if not changes:
            return {}
        if wait:  # what is left for the next statement has greater ids
            return await self._save(_SAVE, sorted(changes, key=lambda change: change.operation.id))
        return await self._save(_SAVE_ALL, changes)

    async def delete(self, operation: Operation) -> None:
        check_done(operation)
        if not await delete(self._connection, operation.id, operation.revision):
            raise StaleOperation

    async def expired(self, cutoffs: Cutoffs, limit: int) -> dict[UUID, int]:
        return await expired(self._connection, cutoffs, limit)

    async def histories(self, operation_ids: Collection[UUID]) -> dict[UUID, list[Transition]]:
        with translated():
            rows = await self._connection.execute(_HISTORIES, {"of": list(operation_ids)})
        found: dict[UUID, list[Transition]] = {}
        for row in rows:
            found.setdefault(standard_uuid(row.operation_id), []).append(transition_from_row(row))
        return found

    async def delete_all(self, revisions: Mapping[UUID, int], *, kept: bool = False) -> set[UUID]:
        return await delete_all(self._connection, revisions, kept=kept)

    async def fold_counts(self, limit: int) -> int:
        return await fold_counts(self._connection, limit)

    async def fold_throughput(self, now: datetime, limit: int) -> int:
        return await fold_throughput(self._connection, now, limit)

    async def summaries(self, operation_ids: Collection[UUID]) -> list[OperationSummary]:
        with translated():
            rows = await self._connection.execute(_SUMMARIES.where(with_ids(operation_ids)))
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

    async def types_started_elsewhere(self, limit: int, finished_since: datetime | None = None) -> list[str]:
        with translated():
            found = list(await self._connection.scalars(_OPEN_TYPES, {"at_most": limit}))
            if finished_since is not None:
                parameters = {"at_most": limit, "since": finished_since}
                found += await self._connection.scalars(_FINISHED_TYPES, parameters)
        return list(dict.fromkeys(found))[:limit]

    async def waiting(
        self, types: Collection[str], dispatched_before: datetime, each_end: int
    ) -> dict[str, list[Chain]]:
        parameters = {"types": list(types), "before": dispatched_before, "each_end": each_end}
        with translated():
            rows = await self._connection.execute(_WAITING, parameters)
        found: dict[str, dict[Chain, None]] = {}
        for row in rows:  # the two ends of a short queue overlap
            chain = Chain(standard_uuid(row.id), row.workflow_id or str(row.id), row.first_run_id)
            found.setdefault(row.type, {})[chain] = None
        return {kind: list(chains) for kind, chains in found.items()}

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
