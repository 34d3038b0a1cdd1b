"""Bulk actions, in memory."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from adapters.memory.storage.constraints import check_name
from adapters.memory.storage.locks import HeldLocks
from adapters.memory.storage.tables import BulkRow, Draft
from application.ports.storage.matching import matches
from application.ports.storage.operation_queries import OperationFilter
from domain.bulk.bulk_action import BulkAction, BulkTerms, BulkVerb
from domain.bulk.target import Target, TargetOutcome
from domain.json_value import clean_text


class MemoryBulkActions:
    """Reads its own unit's changes."""

    def __init__(self, draft: Draft, locks: HeldLocks) -> None:
        self._draft = draft
        self._locks = locks

    async def add(self, action: BulkAction, criteria: OperationFilter | None, limit: int) -> int | None:
        check_name(action.tenant)
        rows = [row for row in self._draft.operations.values() if row.tenant == action.tenant]
        found = sorted((row.accepted_at, row.id) for row in rows if criteria is not None and matches(row, criteria))
        if len(found) > limit:
            return None
        stored = replace(action, matching=len(found), terms=None)
        targets = tuple(operation_id for _, operation_id in found)
        problems = self._problems(targets) if action.verb is BulkVerb.ACKNOWLEDGE else {}
        self._draft.bulk_actions[action.id] = BulkRow(stored, targets, problems=problems)
        return len(found)

    async def get(self, action_id: UUID) -> BulkAction | None:
        row = self._draft.bulk_actions.get(action_id)
        return None if row is None else row.action

    async def lock(self, action_id: UUID) -> BulkAction | None:
        await self._locks.take(("bulk action", action_id))
        return await self.get(action_id)

    async def confirm(self, action_id: UUID, terms: BulkTerms) -> None:
        await self._locks.take(("bulk action", action_id))
        row = self._draft.bulk_actions[action_id]
        stored = replace(terms, reason=_words(terms.reason), actor=_words(terms.actor))
        self._draft.bulk_actions[action_id] = replace(row, action=replace(row.action, terms=stored))

    async def targets(
        self, action_id: UUID, *, after: int, limit: int, outcomes: Collection[TargetOutcome] = ()
    ) -> list[Target]:
        row = self._draft.bulk_actions.get(action_id)
        if row is None:
            return []
        problems = row.problems
        pending = [Target(place, each, problem=problems.get(each)) for place, each in enumerate(row.targets, 1)]
        behind = [row.outcomes.get(target.place, target) for target in pending[after:]]
        return [target for target in behind if not outcomes or target.outcome in outcomes][:limit]

    async def record(self, action_id: UUID, targets: Sequence[Target]) -> None:
        await self._locks.take(("bulk action", action_id))
        row = self._draft.bulk_actions[action_id]
        new = {target.place: replace(target, message=_words(target.message)) for target in targets}
        self._draft.bulk_actions[action_id] = replace(row, outcomes={**new, **row.outcomes})

    async def keep_newest(self, tenant: str, number: int) -> int:
        unconfirmed = sorted(
            ((row.action.created_at, row.action.id) for row in self._unconfirmed() if row.action.tenant == tenant),
            reverse=True,
        )
        return await self._delete([action_id for _, action_id in unconfirmed[number:]])

    async def purge(self, created_before: datetime, limit: int) -> int:
        old = sorted(
            (row.action.created_at, row.action.id)
            for row in self._unconfirmed()
            if row.action.created_at < created_before and self._locks.free(("bulk action", row.action.id))
        )
        return await self._delete([action_id for _, action_id in old[:limit]])

    def _problems(self, targets: Sequence[UUID]) -> dict[UUID, UUID]:
        attention = {operation_id: self._draft.operations[operation_id].attention for operation_id in targets}
        return {operation_id: problem.identity for operation_id, problem in attention.items() if problem is not None}

    def _unconfirmed(self) -> list[BulkRow]:
        return [row for row in self._draft.bulk_actions.values() if row.action.terms is None]

    async def _delete(self, action_ids: Sequence[UUID]) -> int:
        """Deletes bulk actions that are not locked."""
        free = [action_id for action_id in action_ids if self._locks.free(("bulk action", action_id))]
        for action_id in free:
            await self._locks.take(("bulk action", action_id))
            del self._draft.bulk_actions[action_id]
        return len(free)


def _words(text: str | None) -> str | None:
    return None if text is None else clean_text(text)
