"""Port: the storage of operations, for services that change them."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from domain.errors import OpledgerError
from domain.evidence.summary import OperationSummary
from domain.operation.chain import Chain
from domain.operation.operation import Change, Operation
from domain.operation.transition import Transition
from domain.retention import Cutoffs
from domain.scheduling.schedule import DueWork, FollowUp, Verification


class StaleOperation(OpledgerError):
    """Another process changed the operation after it was read."""


class WorkflowIdTaken(OpledgerError):
    """Another open operation that the ledger starts has the workflow id. The unit of work cannot go on."""


class ChainTaken(OpledgerError):
    """Another operation has the workflow chain. The unit of work cannot go on."""


class OperationRepository(Protocol):
    """Operations of all tenants. Changes are visible to others after the unit of work commits.

    One operation at most, open or done, has a workflow chain. Every change that violates this raises ChainTaken."""

    async def add(self, change: Change) -> None:
        """Stores a new operation and its first history line."""

    async def add_all(self, changes: Sequence[Change]) -> None:
        """Stores several new operations, in one statement per table. Raises WorkflowIdTaken: of the open operations
        that the ledger starts and that no other supersedes, one at most has a workflow id that is not its own id."""

    async def add_unless_known(self, change: Change) -> bool:
        """Stores a new operation, unless one with its id or its workflow chain is stored. Returns whether it was
        stored."""

    async def get(self, operation_id: UUID) -> Operation | None:
        """Returns the operation of any tenant; None if it does not exist."""

    async def get_all(self, operation_ids: Collection[UUID]) -> dict[UUID, Operation]:
        """Returns the operations that exist, in one statement."""

    async def lock_all(self, operation_ids: Collection[UUID]) -> dict[UUID, Operation]:
        """Returns the operations that exist and are not locked, in one statement, and locks them: nobody changes them
        until the unit of work ends."""

    async def under_workflow_ids(self, workflow_ids: Collection[str]) -> dict[str, list[Operation]]:
        """Returns the open operations with each workflow id, of any tenant and origin, then the closed one that was
        accepted last. Leaves out workflow ids without any. One statement."""

    async def of_chain(self, workflow_id: str, first_run_id: str) -> Operation | None:
        """Returns the operation that is known to have the workflow chain, of any tenant, open or done; None if there is
        none."""

    async def open_children(self, parent_id: UUID, limit: int, *, after: UUID | None = None) -> list[Operation]:
        """Returns up to `limit` children that are not done, of any tenant, by id. `after`: those behind this id."""

    async def save(self, change: Change) -> Operation:
        """Stores the change if the stored revision is the one that it started from (compare-and-set). Returns the
        operation with its new revision; version and `updated_at` change only if clients see a difference. Raises
        StaleOperation."""

    async def save_all(self, changes: Sequence[Change], *, wait: bool = False) -> dict[UUID, Operation]:
        """Stores changes of several operations in one statement, and returns those that were saved. The others are
        stale, locked, or too large for a batch. `wait`: waits for locks, in the order of the ids, and begins with the
        first id. Raises ValueError: two changes of one operation."""

    async def delete(self, operation: Operation) -> None:
        """Deletes the operation with its history and idempotency keys, if the stored revision is the given one. Locks
        the keys before the operation, as submissions do. Raises StaleOperation; OperationNotDone: its execution would
        run on without a row."""

    async def expired(self, cutoffs: Cutoffs, limit: int) -> dict[UUID, int]:
        """Returns the revisions of up to `limit` operations that may be deleted by age, oldest first of each type and
        status. The cost grows with their number and with that of types, not with that of other operations."""

    async def histories(self, operation_ids: Collection[UUID]) -> dict[UUID, list[Transition]]:
        """Returns the history of each operation that exists, oldest line first, in one statement."""

    async def delete_all(self, revisions: Mapping[UUID, int], *, kept: bool = False) -> set[UUID]:
        """Deletes operations that are done, in one statement and as `delete` does, if the stored revision is the given
        one, without those that are locked or have a locked key. Returns the ids of those that it deleted. `kept`: also
        those that are kept."""

    async def fold_counts(self, limit: int) -> int:
        """Merges up to `limit` of the stored changes of the numbers of operations, two at least, unless another process
        does. The numbers stay. Returns how many changes were merged."""

    async def fold_throughput(self, now: datetime, limit: int) -> int:
        """Merges up to `limit` of the stored changes of the throughput into its buckets, and deletes buckets that are
        older than they are kept, unless another process does. Returns how many changes were merged."""

    async def claim_due_dispatches(self, now: datetime, lease: timedelta, limit: int) -> list[Operation]:
        """Claims up to `limit` operations whose start is due, oldest first, without those that another process is
        claiming. Each has one attempt more, a new revision, and is due again after `lease`, so that another process
        takes over from one that crashes. An operation is not claimed before its `start_at` by the clock of the
        database, whatever `now` is: a process whose clock is ahead starts nothing early."""

    async def claim_due_follow_ups(self, now: datetime, lease: timedelta, limit: int) -> list[Operation]:
        """Claims up to `limit` operations whose follow-up is due, in the same way. The revision stays."""

    async def any_due(self, kind: DueWork, since: datetime) -> bool:
        """Returns whether work of the kind has been due since this time or longer, and no process has claimed it. The
        cost does not grow with the number of operations."""

    async def set_follow_up(self, operation: Operation, follow_up: FollowUp) -> None:
        """Schedules the next follow-up, unless a later change has scheduled its own or the operation is done."""

    async def claim_due_cancellations(self, now: datetime, lease: timedelta, limit: int) -> list[Operation]:
        """Claims up to `limit` operations, open or done, whose cancellation request is to be passed on to their
        children, in the same way. The revision stays. One without open children is returned too, and is not due again:
        its `cancel_children_due_at` is None."""

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

    async def types_started_elsewhere(self, limit: int, finished_since: datetime | None = None) -> list[str]:
        """Returns up to `limit` types of the open operations that the ledger does not start, each once; with
        `finished_since`, also of those that have finished at that time or later, after those of open ones. The cost
        grows with the number of types, not of operations."""

    async def waiting(
        self, types: Collection[str], dispatched_before: datetime, each_end: int
    ) -> dict[str, list[Chain]]:
        """Returns the chains of operations that are dispatched and not known to run: per type up to `each_end` of those
        that wait longest, and of those that wait shortest. Leaves out types without any."""

    async def stalled(self, limit: int) -> list[UUID]:
        """Returns up to `limit` operations whose attention is STALLED, longest first."""
