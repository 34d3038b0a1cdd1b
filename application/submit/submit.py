"""Accepts submissions, each once per idempotency key."""

import asyncio
from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final
from uuid import UUID

from application.batching.batcher import SHUTDOWN_TIMEOUT, WRITES, Batcher, Request, Unsettled, transaction
from application.batching.optimistic_update import CONFLICTS, retry_on_conflict
from application.ports.clock import Clock
from application.ports.input_validator import InputValidator
from application.ports.operation_ids import OperationIds
from application.ports.storage.idempotency_keys import IdempotencyRecord
from application.ports.storage.operation_repository import WorkflowIdTaken
from application.ports.storage.unit_of_work import UnitOfWork, UnitOfWorkFactory
from application.submit.input_size import is_large
from application.submit.parents import named_parents, without_parent
from application.submit.retries import check_retries, link_retries, retried_operations
from application.submit.submission import Submission, Submitted, accepted, claim_of, replay
from application.submit.submission_rules import SubmissionRules
from application.submit.workflow_ids import Placed, place
from domain.errors import OpledgerError
from domain.operation.operation import Change, Operation
from domain.operation.operation_type import OperationCatalogue

Answer = Submitted | OpledgerError
"""The answer to one submission of a batch: its operation, or why it was refused."""
CHECK_CHUNK: Final = 20
"""Submissions that are checked before a cancellation takes effect."""


class SubmitOperations:
    """Stores operations with their first history line and their idempotency key in one transaction.

    A single submission is a batch of one; concurrent single submissions share a transaction, and nothing else. A
    submission that repeats an earlier one under its key gets the first answer, even if the catalogue refuses it now.
    """

    def __init__(
        self,
        units: UnitOfWorkFactory,
        clock: Clock,
        ids: OperationIds,
        catalogue: OperationCatalogue,
        validator: InputValidator,
    ) -> None:
        self._units = units
        self._clock = clock
        self._ids = ids
        self._catalogue = catalogue
        self._rules = SubmissionRules(catalogue, validator)
        self._batcher = Batcher(transaction(self._store_requests), WRITES)

    async def submit(self, submission: Submission) -> Submitted:
        """Accepts a submission. It is stored when the call returns.

        Raises UnknownOperationType, InvalidInput, IdempotencyKeyReused, WorkflowIdInUse, WorkflowIdUsed: nothing is
        stored, and the key stays free. After DatabaseUnavailable it is unknown whether the operation is stored.
        """
        refusal = await self._checked(submission)
        if refusal is None:
            try:
                return await self._batcher.submit(submission, key=_key(submission))
            except Unsettled:
                pass
        [answer] = await self.submit_batch([submission], [refusal])
        if isinstance(answer, OpledgerError):
            raise answer
        return answer

    async def submit_batch(
        self, submissions: Sequence[Submission], refusals: Sequence[OpledgerError | None] | None = None
    ) -> list[Answer]:
        """Accepts submissions in one transaction. Returns an answer for each, in their order.

        Of several submissions under one key the first valid one makes the operation, and the others repeat it.

        Args:
            submissions: Any number.
            refusals: What `check` returned for them; None: they are checked now.
        """
        if refusals is None:
            refusals = await self.check(submissions)
        checked = list(zip(submissions, refusals, strict=True))
        repeated = iter(await self._repeated([submission for submission, refusal in checked if refusal is not None]))
        stored = iter(await self._store([submission for submission, refusal in checked if refusal is None]))
        return [next(stored) if refusal is None else next(repeated) or refusal for _, refusal in checked]

    async def check(self, submissions: Sequence[Submission]) -> list[OpledgerError | None]:
        """Returns why each submission is refused; None where it is valid. Stores nothing, so it may be cancelled."""
        refusals: list[OpledgerError | None] = []
        for start in range(0, len(submissions), CHECK_CHUNK):
            chunk = submissions[start : start + CHECK_CHUNK]
            # In a thread: the event loop serves other requests. In chunks: a cancellation ends it.
            refusals += await asyncio.to_thread(self._refusals_of, chunk)
        return refusals

    async def _checked(self, submission: Submission) -> OpledgerError | None:
        if not is_large(submission.input) and self._rules.accepts(submission, self._clock.now()):
            return None
        # In a thread: the event loop serves other requests meanwhile.
        return await asyncio.to_thread(self.refusal_of, submission)

    def refusal_of(self, submission: Submission) -> OpledgerError | None:
        """Returns UnknownOperationType or InvalidInput with every violation if the submission is refused; None if it is
        valid."""
        return self._rules.refusal_of(submission, self._clock.now())

    def _refusals_of(self, submissions: Sequence[Submission]) -> list[OpledgerError | None]:
        return [self.refusal_of(submission) for submission in submissions]

    async def close(self, within: float = SHUTDOWN_TIMEOUT) -> None:
        """Waits up to `within` seconds for single submissions, then rejects those that are left."""
        await self._batcher.close(within)

    async def _store_requests(self, requests: Sequence[Request[Submission, Submitted]]) -> None:
        # A request that shares its transaction must not wait long for a key: the others would wait with it.
        answers = await self._store([request.value for request in requests], nowait=len(requests) > 1)
        for request, answer in zip(requests, answers, strict=True):
            if isinstance(answer, Submitted):
                request.resolve(answer)
            else:
                request.reject(answer)

    async def _store(self, submissions: Sequence[Submission], *, nowait: bool = False) -> list[Answer]:
        """Stores valid submissions. `nowait`: raises DatabaseContended or StaleOperation if another transaction
        holds a key or an operation."""
        if not submissions:
            return []

        async def attempt(unit: UnitOfWork) -> list[Answer]:
            answers = await self.store_in(unit, submissions, nowait=nowait)
            await unit.commit()
            return answers

        # A stale operation may be locked: `nowait` does not wait for it.
        conflicts = (WorkflowIdTaken,) if nowait else CONFLICTS
        return await retry_on_conflict(self._units, "an operation with the workflow id", attempt, conflicts)

    async def store_in(
        self, unit: UnitOfWork, submissions: Sequence[Submission], *, nowait: bool = False
    ) -> list[Answer]:
        """Stores valid submissions as a part of the unit of work. Returns an answer for each. `nowait`: does not
        wait for other units.

        Raises WorkflowIdTaken, StaleOperation: another unit was faster, or a `nowait` one would have to wait. The
        unit of work is to be repeated from its start.
        """
        now = self._clock.now()
        types = self._catalogue.types
        made = [accepted(each, self._ids.new(), now, types[each.type].workflow_id) for each in submissions]
        own = {change.operation.id: change.operation for change in made}
        holders = await _claim_keys(unit, submissions, list(own), now, nowait=nowait)
        others = _held_by_others(holders, own) | named_parents(submissions) | retried_operations(submissions)
        earlier = await unit.operations.get_all(others) if others else {}
        new = [change for change, holder in zip(made, holders, strict=True) if _is_new(change, holder)]
        refused = without_parent(new, earlier)
        retries = await check_retries(unit, [each for each in new if each.operation.id not in refused], earlier)
        left_out = {*refused, *retries.left_out}
        placed = await place(unit, [change for change in new if change.operation.id not in left_out], self._catalogue)
        link_retries(retries, placed, earlier)
        placed.refused.update(refused)
        await _move_keys(unit, holders, placed, now)
        await placed.store(unit, wait=not nowait)
        known = own | earlier
        return [_answer(*each, known, placed) for each in zip(submissions, made, holders, strict=True)]

    async def _repeated(self, submissions: Sequence[Submission]) -> list[Answer | None]:
        """Returns the first answer for each submission that repeats an earlier one; None for the others. Commits
        nothing, so a new key stays free."""
        if all(submission.idempotency_key is None for submission in submissions):
            return [None] * len(submissions)
        ids = [self._ids.new() for _ in submissions]
        async with self._units() as unit:
            holders = await _claim_keys(unit, submissions, ids, self._clock.now())
            earlier = await unit.operations.get_all(_held_by_others(holders, ids))
        return [
            None if holder is None or holder.operation_id in ids else _replayed(submission, holder, earlier)
            for submission, holder in zip(submissions, holders, strict=True)
        ]


async def _claim_keys(
    unit: UnitOfWork,
    submissions: Sequence[Submission],
    ids: Sequence[UUID],
    now: datetime,
    *,
    nowait: bool = False,
) -> list[IdempotencyRecord | None]:
    """Claims the keys of the submissions, each for the first of them that has it. Returns the record that holds the key
    of each; None for those without a key."""
    claims: dict[Hashable, IdempotencyRecord] = {}
    for submission, operation_id in zip(submissions, ids, strict=True):
        claim = claim_of(submission, operation_id, now)
        if claim is not None:
            claims.setdefault(_key(submission), claim)
    claimed = await unit.idempotency_keys.claim_all(list(claims.values()), now, nowait=nowait)
    holders = dict(zip(claims, claimed, strict=True))
    return [holders.get(_key(submission)) for submission in submissions]


def _key(submission: Submission) -> Hashable | None:
    return None if submission.idempotency_key is None else (submission.tenant, submission.idempotency_key)


def _held_by_others(holders: Sequence[IdempotencyRecord | None], own: Collection[UUID]) -> set[UUID]:
    return {holder.operation_id for holder in holders if holder is not None and holder.operation_id not in own}


def _is_new(change: Change, holder: IdempotencyRecord | None) -> bool:
    return holder is None or holder.operation_id == change.operation.id


async def _move_keys(
    unit: UnitOfWork, holders: Sequence[IdempotencyRecord | None], placed: Placed, now: datetime
) -> None:
    """Frees the keys of refused submissions, and gives those of submissions that use an open operation to it."""
    held = {holder.operation_id: holder for holder in holders if holder is not None}
    used = [replace(held[made], operation_id=row.id) for made, row in placed.existing.items() if made in held]
    freed = [*used, *(held[made] for made in placed.refused if made in held)]
    if freed:
        await unit.idempotency_keys.release_all(freed)
    if used:
        await unit.idempotency_keys.claim_all(used, now)


def _answer(
    submission: Submission,
    change: Change,
    holder: IdempotencyRecord | None,
    known: Mapping[UUID, Operation],
    placed: Placed,
) -> Answer:
    if holder is None or _is_new(change, holder):
        made = change.operation.id
        if made in placed.refused:
            return placed.refused[made]
        return Submitted(placed.existing[made], replayed=True) if made in placed.existing else Submitted(known[made])
    first = holder.operation_id
    answer = _replayed(submission, holder, {**known, **placed.existing})
    return placed.refused[first] if first in placed.refused and isinstance(answer, Submitted) else answer


def _replayed(submission: Submission, holder: IdempotencyRecord, known: Mapping[UUID, Operation]) -> Answer:
    try:
        return replay(submission, holder, known.get(holder.operation_id))
    except OpledgerError as error:
        return error
