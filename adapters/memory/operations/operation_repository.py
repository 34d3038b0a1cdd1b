"""Reads and changes operations, in memory."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from adapters.memory.operations.claims import MemoryClaims
from adapters.memory.storage.constraints import check_row, check_successor
from adapters.memory.storage.stored_form import stored_operation, stored_transition
from adapters.memory.storage.tables import KeyId
from application.ports.storage.operation_repository import ChainTaken, StaleOperation, WorkflowIdTaken
from application.ports.storage.operation_view import looks_the_same
from domain.errors import InvalidTransition
from domain.evidence.summary import OperationSummary
from domain.operation.attention import AttentionKind
from domain.operation.chain import Chain
from domain.operation.operation import Change, Operation
from domain.operation.origin import Origin
from domain.operation.preconditions import check_done
from domain.operation.status import OperationStatus
from domain.operation.transition import Transition
from domain.retention import Cutoffs


class MemoryOperationRepository(MemoryClaims):
    """Reads its own unit's changes. Locks a row to change it, as PostgreSQL does."""

    async def add(self, change: Change) -> None:
        operation = stored_operation(change.operation)
        if operation.id in self._draft.operations:
            raise InvalidTransition(f"operation {operation.id} exists already")
        await self._locks.take(operation.id)
        check_row(operation)
        await self._check_workflow_id(operation)
        await self._check_chain(operation)
        self._draft.operations[operation.id] = operation
        self._append(change)

    async def get(self, operation_id: UUID) -> Operation | None:
        return self._draft.operations.get(operation_id)

    async def add_all(self, changes: Sequence[Change]) -> None:
        for change in changes:
            await self.add(change)

    async def add_unless_known(self, change: Change) -> bool:
        await self._locks.take(change.operation.id)
        if change.operation.id in self._draft.operations:
            return False
        try:
            await self.add(change)
        except ChainTaken:
            return False
        return True

    async def under_workflow_ids(self, workflow_ids: Collection[str]) -> dict[str, list[Operation]]:
        found: dict[str, list[Operation]] = {}
        for row in sorted(self._draft.operations.values(), key=lambda row: (row.accepted_at, row.id), reverse=True):
            if row.workflow_id in workflow_ids:
                found.setdefault(row.workflow_id, []).append(row)
        return {name: _open_and_last_closed(rows) for name, rows in found.items()}

    async def of_chain(self, workflow_id: str, first_run_id: str) -> Operation | None:
        rows = self._draft.operations.values()
        return next((row for row in rows if (row.workflow_id, row.first_run_id) == (workflow_id, first_run_id)), None)

    async def open_children(self, parent_id: UUID, limit: int, *, after: UUID | None = None) -> list[Operation]:
        rows = [row for row in self._draft.operations.values() if row.parent_id == parent_id and not row.done]
        behind = [row for row in rows if after is None or row.id > after]
        return sorted(behind, key=lambda row: row.id)[:limit]

    async def get_all(self, operation_ids: Collection[UUID]) -> dict[UUID, Operation]:
        return {key: self._draft.operations[key] for key in operation_ids if key in self._draft.operations}

    async def lock_all(self, operation_ids: Collection[UUID]) -> dict[UUID, Operation]:
        free = [key for key in operation_ids if key in self._draft.operations and self._locks.free(key)]
        for key in free:
            await self._locks.take(key)
        return await self.get_all(free)

    async def save(self, change: Change) -> Operation:
        await self._locks.take(change.operation.id)
        saved = await self._save(change)
        if saved is None:
            raise StaleOperation
        return saved

    async def save_all(self, changes: Sequence[Change], *, wait: bool = False) -> dict[UUID, Operation]:
        if len({change.operation.id for change in changes}) < len(changes):
            raise ValueError("two changes of one operation")
        saved = {}
        for change in sorted(changes, key=lambda change: change.operation.id) if wait else changes:
            if wait or self._locks.free(change.operation.id):
                await self._locks.take(change.operation.id)
                if (operation := await self._save(change)) is not None:
                    saved[operation.id] = operation
        return saved

    async def delete(self, operation: Operation) -> None:
        check_done(operation)
        for name in self._keys_of(operation.id):
            await self._locks.take(name)
        await self._locks.take(operation.id)
        stored = self._draft.operations.get(operation.id)
        if stored is None or stored.revision != operation.revision or not stored.done:
            raise StaleOperation
        await self._remove(stored.id)

    async def expired(self, cutoffs: Cutoffs, limit: int) -> dict[UUID, int]:
        rows = self._draft.operations.values()
        old = sorted(
            (row.type, row.status, row.finished_at, row.id, row.revision)
            for row in rows
            if row.finished_at is not None and cutoffs.may_delete(row)
        )
        return {operation_id: revision for *_, operation_id, revision in old[:limit]}

    async def histories(self, operation_ids: Collection[UUID]) -> dict[UUID, list[Transition]]:
        known = self._draft.history
        return {key: list(known[key]) for key in operation_ids if key in self._draft.operations}

    async def delete_all(self, revisions: Mapping[UUID, int], *, kept: bool = False) -> set[UUID]:
        deleted = set()
        for operation_id, revision in revisions.items():
            stored = self._draft.operations.get(operation_id)
            if stored is None or not all(map(self._locks.free, (operation_id, *self._keys_of(operation_id)))):
                continue
            await self._locks.take(operation_id)
            if stored.revision == revision and stored.done and (kept or not stored.keep):
                await self._remove(operation_id)
                deleted.add(operation_id)
        return deleted

    async def fold_counts(self, limit: int) -> int:  # noqa: ARG002
        return 0  # it counts the rows

    async def fold_throughput(self, now: datetime, limit: int) -> int:  # noqa: ARG002
        self._draft.forget_events(now)
        return 0

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

    async def types_started_elsewhere(self, limit: int, finished_since: datetime | None = None) -> list[str]:
        rows = [row for row in self._draft.operations.values() if row.origin is not Origin.LEDGER]
        found = sorted({row.type for row in rows if not row.done})
        if finished_since is not None:
            recent = {row.type for row in rows if row.finished_at is not None and row.finished_at >= finished_since}
            found += sorted(recent.difference(found))
        return found[:limit]

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

    async def _remove(self, operation_id: UUID) -> None:
        """Removes the operation with its history, its idempotency keys, and the bulk action that it performs."""
        for name in self._keys_of(operation_id):
            await self._locks.take(name)
            del self._draft.keys[name]
        if operation_id in self._draft.bulk_actions:
            await self._locks.take(("bulk action", operation_id))
            del self._draft.bulk_actions[operation_id]
        del self._draft.history[operation_id]
        del self._draft.operations[operation_id]

    def _keys_of(self, operation_id: UUID) -> list[KeyId]:
        return sorted(name for name, record in self._draft.keys.items() if record.operation_id == operation_id)

    async def _check_workflow_id(self, added: Operation) -> None:
        """Raises WorkflowIdTaken. Waits for other units that add an operation with the workflow id."""
        if not _holds_workflow_id(added):
            return
        await self._locks.take(("workflow_id", added.workflow_id))
        rows = self._draft.operations.values()
        if any(row.workflow_id == added.workflow_id and _holds_workflow_id(row) for row in rows):
            raise WorkflowIdTaken("an open operation has the workflow id")

    async def _check_chain(self, written: Operation) -> None:
        """Raises ChainTaken. Waits for other units that write an operation with the chain."""
        if written.first_run_id is None or not written.has_given_workflow_id:
            return
        chain = (written.workflow_id, written.first_run_id)
        await self._locks.take(chain)
        rows = self._draft.operations.values()
        if any((row.workflow_id, row.first_run_id) == chain and row.id != written.id for row in rows):
            raise ChainTaken("another operation has the workflow chain")

    async def _save(self, change: Change) -> Operation | None:
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
        if saved.first_run_id != stored.first_run_id:
            await self._check_chain(saved)
        self._draft.operations[saved.id] = saved
        self._append(change)
        return saved

    def _append(self, change: Change) -> None:
        operation = change.operation
        before = self._draft.history.get(operation.id, ())
        added = map(stored_transition, change.transitions)
        lines = (*before, *(replace(line, at=max(line.at, before[-1].at)) if before else line for line in added))
        if [line.sequence for line in lines] != list(range(1, operation.history_length + 1)):
            raise InvalidTransition(f"the history of operation {operation.id} would have a gap or a repeat")
        self._draft.history[operation.id] = lines


def _holds_workflow_id(row: Operation) -> bool:
    """Returns whether no other operation may take the workflow id."""
    named = row.workflow_id != str(row.id)
    return named and row.origin is Origin.LEDGER and row.superseded_by is None and not row.done


def _open_and_last_closed(newest_first: Sequence[Operation]) -> list[Operation]:
    closed = [row for row in newest_first if row.done]
    return [*(row for row in newest_first if not row.done), *closed[:1]]


def _summary(row: Operation) -> OperationSummary:
    return OperationSummary(
        id=row.id,
        status=row.status,
        error_code=row.error.code if row.error is not None else None,
        attention=row.attention.kind if row.attention is not None else None,
        workflow_id=row.workflow_id,
        first_run_id=row.first_run_id,
        version=row.version,
    )
