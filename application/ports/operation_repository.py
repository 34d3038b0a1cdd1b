"""Port: the storage of operations, for services that change them."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from domain.errors import OpledgerError
from domain.evidence.summary import OperationSummary
from domain.operation.chain import Chain
from domain.operation.operation import Change, Operation
from domain.scheduling.schedule import FollowUp, Verification


class StaleOperation(OpledgerError):
    """Another process changed the operation after it was read."""


class OperationRepository(Protocol):
    """Operations of all tenants. Changes are visible to others after the unit of work commits."""

    async def add(self, change: Change) -> None:
        """Stores a new operation and its first history line."""

    async def add_all(self, changes: Sequence[Change]) -> None:
        """Stores several new operations, in one statement per table."""

    async def get(self, operation_id: UUID) -> Operation | None:
        """Returns the operation of any tenant; None if it does not exist."""

    async def get_all(self, operation_ids: Collection[UUID]) -> dict[UUID, Operation]:
        """Returns the operations that exist, in one statement."""

    async def save(self, change: Change) -> Operation:
        """Stores the change if the stored revision is the one that it started from (compare-and-set). Returns the
        operation with its new revision; version and `updated_at` change only if clients see a difference. Raises
        StaleOperation."""

    async def save_all(self, changes: Sequence[Change]) -> dict[UUID, Operation]:
        """Stores changes of several operations in one statement, and returns those that were saved. The others are
        stale, locked (the call does not wait for locks), or too large for a batch. Raises ValueError: two changes of
        one operation."""

    async def delete(self, operation: Operation) -> None:
        """Deletes the operation with its history and idempotency key, if the stored revision is the given one. Raises
        StaleOperation; OperationNotDone: its execution would run on without a row."""

    async def purge(self, finished_before: datetime, limit: int) -> int:
        """Deletes up to `limit` operations that finished before that time, exclusive, in the same way, oldest first,
        without locked ones. Returns how many."""

    async def claim_due_dispatches(self, now: datetime, lease: timedelta, limit: int) -> list[Operation]:
        """Claims up to `limit` operations whose start is due, oldest first, without those that another process is
        claiming. Each has one attempt more, a new revision, and is due again after `lease`, so that another process
        takes over from one that crashes."""

    async def claim_due_follow_ups(self, now: datetime, lease: timedelta, limit: int) -> list[Operation]:
        """Claims up to `limit` operations whose follow-up is due, in the same way. The revision stays."""

    async def set_follow_up(self, operation: Operation, follow_up: FollowUp) -> None:
        """Schedules the next follow-up, unless a later change has scheduled its own or the operation is done."""

    async def claim_due_verifications(self, now: datetime, lease: timedelta, limit: int) -> list[Operation]:
        """Claims up to `limit` operations whose verification is due, in the same way. The revision stays."""

    async def set_verified(self, operation_id: UUID, verification: Verification) -> None:
        """Stores when the operation was verified and when it is due again, unless it is done or is to be started
        again."""

    async def summaries(self, operation_ids: Collection[UUID]) -> list[OperationSummary]:
        """Returns summaries of the operations that exist, in one statement."""

    async def oldest_without_callback(self) -> datetime | None:
        """Returns when the oldest operation was accepted that is dispatched, not done, and has no completion callback;
        None if there is none."""

    async def waiting(
        self, types: Collection[str], dispatched_before: datetime, each_end: int
    ) -> dict[str, list[Chain]]:
        """Returns the chains of operations that are dispatched and not known to run: per type up to `each_end` of those
        that wait longest, and of those that wait shortest. Leaves out types without any."""

    async def stalled(self, limit: int) -> list[UUID]:
        """Returns up to `limit` operations whose attention is STALLED, longest first."""
