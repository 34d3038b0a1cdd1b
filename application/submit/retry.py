"""Retries operations that are done."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final, Literal, TypeVar
from uuid import UUID

from application.ports.storage.unit_of_work import UnitOfWork, UnitOfWorkFactory
from application.submit.submission import Submission, Submitted
from application.submit.submit import SubmitOperations
from domain.errors import InvalidInput, OperationNotFound, OpledgerError, Violation
from domain.json_value import JsonValue
from domain.operation.operation import MISSING, Input, Operation
from domain.operation.origin import Origin
from domain.operation.preconditions import not_done
from domain.scheduling.start_time import NOW, StartTime

_T = TypeVar("_T")


class Unchanged(Enum):
    """Marks what a retry takes from the operation that it retries."""

    UNCHANGED = "UNCHANGED"


UNCHANGED: Final = Unchanged.UNCHANGED


@dataclass(frozen=True, slots=True)
class Retry:
    """A request to retry an operation."""

    input: Input | Literal[Unchanged.UNCHANGED] = UNCHANGED
    labels: Mapping[str, str] | Literal[Unchanged.UNCHANGED] = UNCHANGED
    start: StartTime = NOW
    idempotency_key: str | None = None

    def identity(self, operation_id: UUID) -> dict[str, JsonValue]:
        """Returns what is equal for equal requests."""
        named: dict[str, JsonValue] = {"retry_of": str(operation_id), **self.start.identity()}
        if self.input is not UNCHANGED and self.input is not MISSING:
            named["input"] = self.input
        if self.labels is not UNCHANGED:
            named["labels"] = dict(self.labels)
        return named


AS_IT_WAS: Final = Retry()
"""A retry with the operation's own input and labels, at once."""


class RetryOperation:
    """Submits a new operation of the same type. Each operation is retried once; its retry can be retried again."""

    def __init__(self, units: UnitOfWorkFactory, submitter: SubmitOperations) -> None:
        self._units = units
        self._submitter = submitter

    async def retry(
        self, tenant: str, operation_id: UUID, retry: Retry, *, actor: str | None, trace: Mapping[str, str]
    ) -> Submitted:
        """Retries an operation. The same retry again returns the operation that it made, as it was accepted.

        Raises OperationNotFound, OperationNotDone, OperationAlreadyRetried, and what a submission raises: the type may
        not be declared any more, and its schema may have changed. InvalidInput also if the request has no input and
        the ledger did not start the operation: it may know less than the workflow got.
        """
        former, parent_id = await self._read(tenant, operation_id)
        made = _submission(tenant, operation_id, former, parent_id, retry, actor)
        submission = replace(made, idempotency_key=retry.idempotency_key, trace=trace)
        refusal = _refusal(operation_id, former, retry)
        if refusal is None:
            try:
                return await self._submitter.submit(submission)
            except InvalidInput as error:
                raise _located(error, retry) from None
        [answer] = await self._submitter.submit_batch([submission], [refusal])  # a repeat of an earlier one, perhaps
        if isinstance(answer, OpledgerError):
            raise answer
        return answer

    async def retry_in(
        self, unit: UnitOfWork, tenant: str, operation_ids: Sequence[UUID], *, actor: str | None
    ) -> dict[UUID, Submitted | OpledgerError]:
        """Retries operations as they are, as a part of the unit of work. Returns for each what `retry` returns or
        raises. Leaves out operations that are locked; waits if there is only one operation.

        Raises StaleOperation, WorkflowIdTaken: the unit of work is to be repeated from its start.
        """
        alone = len(operation_ids) == 1
        rows = await unit.operations.get_all(operation_ids) if alone else await unit.operations.lock_all(operation_ids)
        locked = await unit.operations.get_all(missing) if (missing := {*operation_ids} - rows.keys()) else {}
        operation_ids = [each for each in operation_ids if each not in locked]
        found = {row.id: row for row in rows.values() if row.tenant == tenant}
        named = {row.parent_id for row in found.values() if row.parent_id is not None}
        parents = await unit.operations.get_all(named) if named else {}
        submissions = []
        for operation_id in operation_ids:
            former = found.get(operation_id)
            parent_id = former.parent_id if former is not None and former.parent_id in parents else None
            submissions.append(_submission(tenant, operation_id, former, parent_id, AS_IT_WAS, actor))
        refusals = [_refusal(each, found.get(each), AS_IT_WAS) for each in operation_ids]
        checked = iter(await self._submitter.check(_without(submissions, refusals)))
        refusals = [next(checked) if refusal is None else refusal for refusal in refusals]
        valid = _without(submissions, refusals)
        stored = iter(await self._submitter.store_in(unit, valid, nowait=not alone))
        answers = [next(stored) if refusal is None else refusal for refusal in refusals]
        return {
            each: _located(answer, AS_IT_WAS) if isinstance(answer, InvalidInput) else answer
            for each, answer in zip(operation_ids, answers, strict=True)
        }

    async def _read(self, tenant: str, operation_id: UUID) -> tuple[Operation | None, UUID | None]:
        """Returns the tenant's operation, and the id of its parent if that exists."""
        async with self._units() as unit:
            former = await unit.operations.get(operation_id)
            if former is None or former.tenant != tenant:
                return None, None
            parent = None if former.parent_id is None else await unit.operations.get(former.parent_id)
        return former, None if parent is None else parent.id


def _submission(
    tenant: str,
    operation_id: UUID,
    former: Operation | None,
    parent_id: UUID | None,
    retry: Retry,
    actor: str | None,
) -> Submission:
    """The submission that retries an operation; with no type where the tenant has no such operation."""
    return Submission(
        tenant=tenant,
        type="" if former is None else former.type,
        input=_chosen(retry.input, MISSING if former is None else former.input),
        labels=_chosen(retry.labels, {} if former is None else former.labels),
        parent_id=parent_id,
        retry_of=operation_id,
        request=retry.identity(operation_id),
        start=retry.start,
        actor=actor,
    )


def _without(submissions: Sequence[Submission], refusals: Sequence[OpledgerError | None]) -> list[Submission]:
    """The submissions that are not refused."""
    return [submission for submission, refusal in zip(submissions, refusals, strict=True) if refusal is None]


def _refusal(operation_id: UUID, former: Operation | None, retry: Retry) -> OpledgerError | None:
    if former is None:
        return OperationNotFound(f"there is no operation {operation_id}")
    if not former.done:
        return not_done(former)
    if retry.input is UNCHANGED and former.origin is not Origin.LEDGER:
        return InvalidInput("required: the ledger did not start this operation", pointer="/input")
    return None


def _located(error: InvalidInput, retry: Retry) -> InvalidInput:
    """The error with locations in the request alone: what the retry takes from the operation is not in its body."""
    taken = {"type"}
    taken |= {"input"} if retry.input is UNCHANGED else set()
    taken |= {"labels"} if retry.labels is UNCHANGED else set()

    def located(violation: Violation) -> Violation:
        if violation.pointer.partition("/")[2].partition("/")[0] not in taken:
            return violation
        return Violation(f"the operation cannot be retried as it is: {violation.message}", "")

    return error.with_violations([*map(located, error.violations)])


def _chosen(changed: "_T | Literal[Unchanged.UNCHANGED]", former: _T) -> _T:
    return former if changed is UNCHANGED else changed
