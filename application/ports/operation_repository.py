"""Port: where operations are stored, for those that change them."""

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
    """The operation was changed by somebody else since it was read."""


class OperationRepository(Protocol):
    """All operations, of every tenant. Nothing here is visible to others before the unit of work commits."""

    async def add(self, change: Change) -> None:
        """Store a new operation and its first history line."""

    async def add_all(self, changes: Sequence[Change]) -> None:
        """The same for several, in one statement a table."""

    async def get(self, operation_id: UUID) -> Operation | None:
        """The operation as stored, whoever its tenant is."""

    async def get_all(self, operation_ids: Collection[UUID]) -> dict[UUID, Operation]:
        """Those of the given operations that are there, in one statement."""

    async def save(self, change: Change) -> Operation:
        """Compare-and-set: store the change if the stored revision is still the one that the change started from, and
        return the operation with its new revision. It has a new version and a new `updated_at` only where clients see a
        difference. Raises StaleOperation."""

    async def save_all(self, changes: Sequence[Change]) -> dict[UUID, Operation]:
        """The same for several operations, in one statement; those that were saved come back. The others are stale,
        somebody else is at them (nobody is waited for), or they are too large to go along. Raises ValueError: two
        changes of one operation."""

    async def delete(self, operation: Operation) -> None:
        """Remove it with its history and its idempotency key, if the stored revision is still the given one. Raises
        StaleOperation, and OperationNotDone for what is not done: its execution would run on with no row."""

    async def purge(self, finished_before: datetime, limit: int) -> int:
        """Remove up to `limit` operations that were done before then, exclusive, in the same way, those that have been
        so for longest first, none that somebody else is at; return how many."""

    async def claim_due_dispatches(self, now: datetime, lease: timedelta, limit: int) -> list[Operation]:
        """Take up to `limit` operations whose start is due, oldest first, none that another claimant is taking now.
        Each comes back with one attempt more, a new revision, and due again after `lease`: what a claimant that dies
        leaves behind is taken up by another."""

    async def claim_due_follow_ups(self, now: datetime, lease: timedelta, limit: int) -> list[Operation]:
        """Take up to `limit` operations that the engine is to be asked about, in the same way. The revision stays."""

    async def set_follow_up(self, operation: Operation, follow_up: FollowUp) -> None:
        """Plan the next question, unless a change since has planned its own, or the operation is done."""

    async def claim_due_verifications(self, now: datetime, lease: timedelta, limit: int) -> list[Operation]:
        """Take up to `limit` operations whose verification is due, in the same way. The revision stays."""

    async def set_verified(self, operation_id: UUID, verification: Verification) -> None:
        """Note that the engine was asked, and when to ask again; nothing where the operation is done or is to be
        started again by now."""

    async def summaries(self, operation_ids: Collection[UUID]) -> list[OperationSummary]:
        """How those of the given operations stand that are there, in one statement."""

    async def oldest_without_callback(self) -> datetime | None:
        """When the oldest operation was accepted that is dispatched and not done, and of whose end the engine does not
        call; None where there is none."""

    async def waiting(
        self, types: Collection[str], dispatched_before: datetime, each_end: int
    ) -> dict[str, list[Chain]]:
        """The chains of operations that are dispatched and not seen to run: of each type up to `each_end` of those that
        wait longest and of those that wait shortest. Types without any are left out."""

    async def stalled(self, limit: int) -> list[UUID]:
        """Up to `limit` operations whose attention is STALLED, those that are so for longest first."""
