"""Port: stored bulk actions, their targets, and the outcomes of these."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from application.ports.storage.operation_queries import OperationFilter
from domain.bulk.bulk_action import BulkAction, BulkTerms
from domain.bulk.target import Target, TargetOutcome


class BulkActions(Protocol):
    """Bulk actions of all tenants. The deletion of the operation that performs one deletes it too."""

    async def add(self, action: BulkAction, criteria: OperationFilter | None, limit: int) -> int | None:
        """Stores a bulk action whose targets are the operations of its tenant that match now, oldest first; a filter of
        None matches none. They are found in one statement, and never change. Returns their number; None: more than
        `limit` match, and nothing is stored."""

    async def get(self, action_id: UUID) -> BulkAction | None:
        """Returns the bulk action of any tenant; None if it does not exist."""

    async def lock(self, action_id: UUID) -> BulkAction | None:
        """Returns as `get` does, and locks the bulk action: other units of work wait for the end of this one."""

    async def confirm(self, action_id: UUID, terms: BulkTerms) -> None:
        """Stores the terms. The operation that performs the bulk action has its id, and is stored in the same unit of
        work."""

    async def targets(
        self, action_id: UUID, *, after: int, limit: int, outcomes: Collection[TargetOutcome] = ()
    ) -> list[Target]:
        """Returns up to `limit` targets behind the place `after`; empty if the bulk action does not exist. `outcomes`:
        those of which one of these became; empty: all."""

    async def record(self, action_id: UUID, targets: Sequence[Target]) -> None:
        """Stores the outcomes of targets. The first outcome of a target stays."""

    async def keep_newest(self, tenant: str, number: int) -> int:
        """Deletes the bulk actions of the tenant that are not confirmed, but so many of the newest ones, without locked
        ones. Returns how many."""

    async def purge(self, created_before: datetime, limit: int) -> int:
        """Deletes up to `limit` bulk actions that were not confirmed and are older than that. Returns how many."""
