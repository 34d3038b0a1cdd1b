"""Reads, changes and claims operations, in memory."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from adapters.memory.storage.constraints import check_row, check_successor
from adapters.memory.storage.locks import HeldLocks
from adapters.memory.storage.stored_form import stored_operation, stored_transition
from adapters.memory.storage.tables import Draft
from application.ports.operation_repository import StaleOperation
from application.ports.operation_view import looks_the_same
from domain.errors import InvalidTransition
from domain.evidence.summary import OperationSummary
from domain.operation.attention import AttentionKind
from domain.operation.chain import Chain
from domain.operation.deletion import check_done
from domain.operation.operation import Change, Operation
from domain.operation.status import OperationStatus
from domain.scheduling.schedule import FollowUp, Verification


class MemoryOperationRepository:
    """Reads its own unit's changes. Locks a row to change it, as PostgreSQL does."""

    def __init__(self, draft: Draft, locks: HeldLocks) -> None:
        self._draft = draft
        self._locks = locks

    async def add(self, change: Change) -> None:
        operation = stored_operation(change.operation)
        if operation.id in self._draft.operations:
            raise InvalidTransition(f"operation {operation.id} exists already")
        await self._locks.take(operation.id)
        check_row(operation)
        self._draft.operations[operation.id] = operation
        self._append(change)

    async def get(self, operation_id: UUID) -> Operation | None:
        return self._draft.operations.get(operation_id)

    async def add_all(self, changes: Sequence[Change]) -> None:
        for change in changes:
            await self.add(change)

    async def get_all(self, operation_ids: Collection[UUID]) -> dict[UUID, Operation]:
        return {key: self._draft.operations[key] for key in operation_ids if key in self._draft.operations}

    async def save(self, change: Change) -> Operation:
        await self._locks.take(change.operation.id)
        saved = self._save(change)
        if saved is None:
            raise StaleOperation
        return saved

    async def save_all(self, changes: Sequence[Change]) -> dict[UUID, Operation]:
        if len({change.operation.id for change in changes}) < len(changes):
            raise ValueError("two changes of one operation")
        saved = {}
        for change in changes:
            if self._locks.free(change.operation.id):
                await self._locks.take(change.operation.id)
                if (operation := self._save(change)) is not None:
                    saved[operation.id] = operation
        return saved

    async def delete(self, operation: Operation) -> None:
        check_done(operation)
        await self._locks.take(operation.id)
        stored = self._draft.operations.get(operation.id)
        if stored is None or stored.revision != operation.revision or not stored.done:
            raise StaleOperation
        await self._remove(stored.id)

    async def purge(self, finished_before: datetime, limit: int) -> int:
        old = sorted(
            (row.finished_at, row.id)
            for row in self._draft.operations.values()
            if row.finished_at is not None and row.finished_at < finished_before and self._locks.free(row.id)
        )
        for _, operation_id in old[:limit]:
            await self._locks.take(operation_id)
            await self._remove(operation_id)
        return len(old[:limit])

    async def claim_due_dispatches(self, now: datetime, lease: timedelta, limit: int) -> list[Operation]:
        def claimed(row: Operation) -> Operation:
            attempts = row.dispatch.attempts + 1
            dispatch = replace(row.dispatch, due_at=now + lease, attempts=attempts)
            return replace(row, dispatch=dispatch, revision=row.revision + 1)

        return await self._claim(lambda row: row.dispatch.due_at, now, limit, claimed)

    async def claim_due_follow_ups(self, now: datetime, lease: timedelta, limit: int) -> list[Operation]:
        def claimed(row: Operation) -> Operation:
            return replace(row, follow_up=replace(row.follow_up, due_at=now + lease))

        return await self._claim(lambda row: row.follow_up.due_at, now, limit, claimed)

    async def set_follow_up(self, operation: Operation, follow_up: FollowUp) -> None:
        await self._locks.take(operation.id)
        stored = self._draft.operations.get(operation.id)
        if stored is not None and stored.follow_up.due_at == operation.follow_up.due_at and not stored.done:
            self._draft.operations[stored.id] = replace(stored, follow_up=follow_up)

    async def claim_due_verifications(self, now: datetime, lease: timedelta, limit: int) -> list[Operation]:
        def claimed(row: Operation) -> Operation:
            return replace(row, verification=replace(row.verification, due_at=now + lease))

        return await self._claim(lambda row: row.verification.due_at, now, limit, claimed)

    async def set_verified(self, operation_id: UUID, verification: Verification) -> None:
        await self._locks.take(operation_id)
        stored = self._draft.operations.get(operation_id)
        if stored is not None and stored.dispatch.done_at is not None and not stored.done:
            verified = replace(stored, verification=verification)
            check_row(verified)
            self._draft.operations[operation_id] = verified

    async def summaries(self, operation_ids: Collection[UUID]) -> list[OperationSummary]:
        rows = [self._draft.operations.get(operation_id) for operation_id in set(operation_ids)]
        return [_summary(row) for row in rows if row is not None]

    async def stalled(self, limit: int) -> list[UUID]:
        found = [
            (row.attention.since, row.id)
            for row in self._draft.operations.values()
            if row.attention is not None and row.attention.kind is AttentionKind.STALLED
        ]
        return [operation_id for _, operation_id in sorted(found)[:limit]]

    async def oldest_without_callback(self) -> datetime | None:
        rows = self._draft.operations.values()
        uncalled = [row for row in rows if row.verification.due_at is not None and not row.dispatch.calls_back]
        return min((row.accepted_at for row in uncalled), default=None)

    async def waiting(
        self, types: Collection[str], dispatched_before: datetime, each_end: int
    ) -> dict[str, list[Chain]]:
        found: dict[str, list[tuple[datetime, UUID]]] = {}
        for row in self._draft.operations.values():
            since = row.dispatch.done_at
            accepted = row.status is OperationStatus.ACCEPTED and row.type in types
            if accepted and since is not None and since <= dispatched_before:
                found.setdefault(row.type, []).append((since, row.id))
        ends = {kind: {*sorted(rows)[:each_end], *sorted(rows)[-each_end:]} for kind, rows in found.items()}
        return {kind: [self._draft.operations[ours].chain for _, ours in rows] for kind, rows in ends.items()}

    async def _claim(
        self,
        due_at: Callable[[Operation], datetime | None],
        now: datetime,
        limit: int,
        claim: Callable[[Operation], Operation],
    ) -> list[Operation]:
        due = [
            (moment, row.id, row)
            for row in self._draft.operations.values()
            if (moment := due_at(row)) is not None and moment <= now and self._locks.free(row.id)
        ]
        claimed = []
        for _, _, row in sorted(due, key=lambda entry: entry[:2])[:limit]:
            await self._locks.take(row.id)
            claimed.append(claim(row))
        self._draft.operations.update({row.id: row for row in claimed})
        return claimed

    async def _remove(self, operation_id: UUID) -> None:
        """Removes the operation with its history and its idempotency keys."""
        keys = [name for name, record in self._draft.keys.items() if record.operation_id == operation_id]
        for name in sorted(keys):
            await self._locks.take(name)
            del self._draft.keys[name]
        del self._draft.history[operation_id]
        del self._draft.operations[operation_id]

    def _save(self, change: Change) -> Operation | None:
        """Saves the change under the row's lock. Returns None if it is stale."""
        operation = change.operation
        stored = self._draft.operations.get(operation.id)
        if stored is None or stored.revision != operation.revision:
            return None
        saved = stored_operation(replace(operation, revision=operation.revision + 1))
        if looks_the_same(stored, saved):
            saved = replace(saved, version=stored.version, updated_at=stored.updated_at)
        else:
            updated_at = max(stored.updated_at, saved.updated_at)
            saved = replace(saved, version=stored.version + 1, updated_at=updated_at)
        check_row(saved)
        check_successor(stored, saved)
        self._draft.operations[saved.id] = saved
        self._append(change)
        return saved

    def _append(self, change: Change) -> None:
        operation = change.operation
        lines = self._draft.history.get(operation.id, ()) + tuple(map(stored_transition, change.transitions))
        if [line.sequence for line in lines] != list(range(1, operation.history_length + 1)):
            raise InvalidTransition(f"the history of operation {operation.id} would have a gap or a repeat")
        self._draft.history[operation.id] = lines


def _summary(row: Operation) -> OperationSummary:
    return OperationSummary(
        id=row.id,
        status=row.status,
        error_code=row.error.code if row.error is not None else None,
        attention=row.attention.kind if row.attention is not None else None,
        first_run_id=row.first_run_id,
    )
