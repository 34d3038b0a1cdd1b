"""Accept many operations in one commit."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from application.ports.clock import Clock
from application.ports.idempotency_keys import IdempotencyRecord
from application.ports.input_validator import InputValidator
from application.ports.operation_ids import OperationIds
from application.ports.unit_of_work import UnitOfWork, UnitOfWorkFactory
from application.services.submit import Submission, Submitted, accepted, check_submission, claim_of, replay
from domain.errors import OpledgerError
from domain.operation import Change, Operation
from domain.operation_type import OperationCatalogue

Answer = Submitted | OpledgerError
"""What became of one submission: its operation, or why it has none."""
Holder = IdempotencyRecord | None


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
        the others repeat it."""
        refused = [self._refusal(submission) for submission in submissions]
        good = [submission for submission, error in zip(submissions, refused, strict=True) if error is None]
        stored = iter(await self._store(good) if good else [])
        return [error or next(stored) for error in refused]

    def _refusal(self, submission: Submission) -> OpledgerError | None:
        try:
            check_submission(submission, self._catalogue, self._validator)
        except OpledgerError as error:
            return error
        return None

    async def _store(self, submissions: Sequence[Submission]) -> list[Answer]:
        now = self._clock.now()
        made = [accepted(submission, self._ids.new(), now) for submission in submissions]
        async with self._units() as unit:
            holders = await _claim(unit, submissions, made, now)
            new = [change for change, holder in zip(made, holders, strict=True) if _is_new(change, holder)]
            known = await unit.operations.get_all({holder.operation_id for holder in holders if holder is not None})
            await unit.operations.add_all(new)
            await unit.commit()
        known |= {change.operation.id: change.operation for change in new}
        return [_answer(*each, known) for each in zip(submissions, made, holders, strict=True)]


async def _claim(
    unit: UnitOfWork, submissions: Sequence[Submission], made: Sequence[Change], now: datetime
) -> list[Holder]:
    """Who holds the key of each; None for those without one."""
    claims: dict[tuple[str, str | None], IdempotencyRecord] = {}
    for submission, change in zip(submissions, made, strict=True):
        claim = claim_of(submission, change.operation.id, now)
        if claim is not None:
            claims.setdefault((claim.tenant, claim.key), claim)
    holders = dict(zip(claims, await unit.idempotency_keys.claim_all(list(claims.values()), now), strict=True))
    return [holders.get((submission.tenant, submission.idempotency_key)) for submission in submissions]


def _is_new(change: Change, holder: Holder) -> bool:
    return holder is None or holder.operation_id == change.operation.id


def _answer(submission: Submission, change: Change, holder: Holder, known: Mapping[UUID, Operation]) -> Answer:
    if holder is None or _is_new(change, holder):
        return Submitted(change.operation)
    try:
        return replay(submission, holder, known.get(holder.operation_id))
    except OpledgerError as error:
        return error
