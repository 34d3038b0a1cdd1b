"""Accept many operations in one commit."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from application.ports.clock import Clock
from application.ports.idempotency_keys import IdempotencyRecord
from application.ports.input_validator import InputValidator
from application.ports.operation_ids import OperationIds
from application.ports.unit_of_work import UnitOfWork, UnitOfWorkFactory
from application.submit.submit import Submission, Submitted, accepted, claim_of, refusal_of, replay
from domain.errors import OpledgerError
from domain.operation.operation import Change, Operation
from domain.operation.operation_type import OperationCatalogue

Answer = Submitted | OpledgerError
"""What became of one submission: its operation, or why it has none."""
Holder = IdempotencyRecord | None
_CHECKED_AT_ONCE = 20
"""Submissions whose inputs are checked before the caller is asked again whether it still waits."""


class SubmitBatch:
    """Checks every submission, then stores those that are good together; the others are refused one by one."""

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
        self._validator = validator

    async def submit(self, submissions: Sequence[Submission]) -> list[Answer]:
        """An answer for each, in their order. Of several under one key the first that is good makes the operation, and
        the others repeat it. A repeat of an earlier request is answered as that was, be it good by now or not."""
        return await self.accept(submissions, await self.check(submissions))

    async def check(self, submissions: Sequence[Submission]) -> list[OpledgerError | None]:
        """Why each would not be accepted, if it would not. Nothing is read or stored, so the caller may cancel."""
        refusals: list[OpledgerError | None] = []
        for start in range(0, len(submissions), _CHECKED_AT_ONCE):
            part = submissions[start : start + _CHECKED_AT_ONCE]
            # In a thread, so that other requests go on; in parts, so that a cancellation ends it.
            refusals += await asyncio.to_thread(self._refusals, part)
        return refusals

    async def accept(self, submissions: Sequence[Submission], refusals: Sequence[OpledgerError | None]) -> list[Answer]:
        """The same as `submit`, with what `check` has said of each."""
        checked = list(zip(submissions, refusals, strict=True))
        repeated = iter(await self._repeated([submission for submission, refusal in checked if refusal is not None]))
        stored = iter(await self.store([submission for submission, refusal in checked if refusal is None]))
        return [next(stored) if refusal is None else next(repeated) or refusal for refusal in refusals]

    def _refusals(self, submissions: Sequence[Submission]) -> list[OpledgerError | None]:
        return [refusal_of(submission, self._catalogue, self._validator) for submission in submissions]

    async def _repeated(self, submissions: Sequence[Submission]) -> list[Answer | None]:
        """The answer to each that has an earlier request's key. Nothing is committed: a key that is new stays free."""
        if all(submission.idempotency_key is None for submission in submissions):
            return [None] * len(submissions)
        ids = [self._ids.new() for _ in submissions]
        async with self._units() as unit:
            holders = await _claim(unit, submissions, ids, self._clock.now())
            found = [holder if holder and holder.operation_id not in ids else None for holder in holders]
            known = await unit.operations.get_all({holder.operation_id for holder in found if holder is not None})
        return [
            None if holder is None else _replayed(submission, holder, known)
            for submission, holder in zip(submissions, found, strict=True)
        ]

    async def store(self, submissions: Sequence[Submission], *, impatient: bool = False) -> list[Answer]:
        """The same for submissions that have been checked, and are good. `impatient`: raises DatabaseContended where
        others do not soon let go of a key."""
        if not submissions:
            return []
        now = self._clock.now()
        made = [accepted(submission, self._ids.new(), now) for submission in submissions]
        async with self._units() as unit:
            ids = [change.operation.id for change in made]
            holders = await _claim(unit, submissions, ids, now, impatient=impatient)
            new = [change for change, holder in zip(made, holders, strict=True) if _is_new(change, holder)]
            known = await unit.operations.get_all({holder.operation_id for holder in holders if holder is not None})
            await unit.operations.add_all(new)
            await unit.commit()
        known |= {change.operation.id: change.operation for change in new}
        return [_answer(*each, known) for each in zip(submissions, made, holders, strict=True)]


async def _claim(
    unit: UnitOfWork,
    submissions: Sequence[Submission],
    ids: Sequence[UUID],
    now: datetime,
    *,
    impatient: bool = False,
) -> list[Holder]:
    """Who holds the key of each; None for those without one."""
    claims: dict[tuple[str, str | None], IdempotencyRecord] = {}
    for submission, operation_id in zip(submissions, ids, strict=True):
        claim = claim_of(submission, operation_id, now)
        if claim is not None:
            claims.setdefault((claim.tenant, claim.key), claim)
    claimed = await unit.idempotency_keys.claim_all(list(claims.values()), now, impatient=impatient)
    holders = dict(zip(claims, claimed, strict=True))
    return [holders.get((submission.tenant, submission.idempotency_key)) for submission in submissions]


def _is_new(change: Change, holder: Holder) -> bool:
    return holder is None or holder.operation_id == change.operation.id


def _answer(submission: Submission, change: Change, holder: Holder, known: Mapping[UUID, Operation]) -> Answer:
    if holder is None or _is_new(change, holder):
        return Submitted(change.operation)
    return _replayed(submission, holder, known)


def _replayed(submission: Submission, holder: IdempotencyRecord, known: Mapping[UUID, Operation]) -> Answer:
    try:
        return replay(submission, holder, known.get(holder.operation_id))
    except OpledgerError as error:
        return error
