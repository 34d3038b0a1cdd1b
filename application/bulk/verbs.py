"""Applies a bulk action to its targets by the rules of single requests, many operations in one unit of work."""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias, TypeVar
from uuid import UUID

from application.batching.optimistic_update import Decide
from application.control.acknowledge import AcknowledgeOperation
from application.control.cancel import CancelOperation
from application.control.delete import check_deletable
from application.ports.storage.operation_repository import StaleOperation, WorkflowIdTaken
from application.ports.storage.unit_of_work import UnitOfWork
from application.submit.retry import RetryOperation
from application.submit.submission import Submitted
from domain.bulk.bulk_action import BulkAction, BulkTerms, BulkVerb
from domain.bulk.target import Target, TargetOutcome, unsuccessful
from domain.errors import NoAttention, OperationNotFound, OpledgerError
from domain.operation.operation import Change, Operation

_T = TypeVar("_T")
Act: TypeAlias = Callable[[UnitOfWork, BulkAction, BulkTerms, Sequence[Target]], Awaitable[list[Target]]]
"""Acts on targets as a part of the unit of work. Returns those that it handled, with what became of them. The others
are locked, were changed meanwhile or are large: act on each alone. Raises StaleOperation: repeat the unit of work, or
act on fewer targets."""


class BulkVerbs:
    """The verbs. Each needs as many statements for many targets as for one."""

    def __init__(self, cancel: CancelOperation, retry: RetryOperation, acknowledge: AcknowledgeOperation) -> None:
        self._cancel = cancel
        self._retry = retry
        self._acknowledge = acknowledge
        self.acts: Mapping[BulkVerb, Act] = {
            BulkVerb.CANCEL: self._cancelled,
            BulkVerb.RETRY: self._retried,
            BulkVerb.DELETE: self._deleted,
            BulkVerb.ACKNOWLEDGE: self._acknowledged,
        }

    async def _cancelled(
        self, unit: UnitOfWork, action: BulkAction, terms: BulkTerms, targets: Sequence[Target]
    ) -> list[Target]:
        decide = self._cancel.decision(action.tenant, reason=terms.reason, force=terms.force, actor=terms.actor)
        return await _changed(unit, targets, decide)

    async def _acknowledged(
        self, unit: UnitOfWork, action: BulkAction, terms: BulkTerms, targets: Sequence[Target]
    ) -> list[Target]:
        acknowledge = self._acknowledge.decision(action.tenant, reason=terms.reason, actor=terms.actor)
        problems = {target.operation_id: target.problem for target in targets}

        def decide(operation: Operation) -> Change | None:
            change = acknowledge(operation)
            if operation.attention is None:
                raise NoAttention("it needs no attention any more")
            if operation.attention.identity != problems[operation.id]:
                raise NoAttention("its problem is newer than the dry run")
            return change

        return await _changed(unit, targets, decide)

    async def _deleted(
        self, unit: UnitOfWork, action: BulkAction, terms: BulkTerms, targets: Sequence[Target]
    ) -> list[Target]:
        def decide(operation: Operation) -> Operation:
            check_deletable(operation, action.tenant)
            return operation

        refused, rows = _decided(targets, await unit.operations.get_all(_ids(targets)), decide)
        return refused + _done(targets, await _delete(unit, rows))

    async def _retried(
        self, unit: UnitOfWork, action: BulkAction, terms: BulkTerms, targets: Sequence[Target]
    ) -> list[Target]:
        try:
            answers = await self._retry.retry_in(unit, action.tenant, _ids(targets), actor=terms.actor)
        except WorkflowIdTaken:
            raise StaleOperation from None
        return [_answered(target, answers[target.operation_id]) for target in targets if target.operation_id in answers]


async def _changed(unit: UnitOfWork, targets: Sequence[Target], decide: Decide) -> list[Target]:
    """Stores what `decide` makes of the targets."""
    rows = await unit.operations.get_all(_ids(targets))
    refused, decided = _decided(targets, rows, decide)
    changes = {key: change for key, change in decided.items() if change and change.operation is not rows[key]}
    saved = await _save(unit, list(changes.values()))
    return refused + _done(targets, decided.keys() - changes.keys() | saved)


def _decided(
    targets: Sequence[Target], rows: Mapping[UUID, Operation], decide: Callable[[Operation], _T]
) -> tuple[list[Target], dict[UUID, _T]]:
    """Returns the targets to which the verb does not apply, and what `decide` returns for each of the others."""
    refused, decided = [], {}
    for target in targets:
        row = rows.get(target.operation_id)
        try:
            if row is None:
                raise OperationNotFound(f"there is no operation {target.operation_id}")
            decided[row.id] = decide(row)
        except OpledgerError as error:
            refused.append(_refused(target, error))
    return refused, decided


async def _save(unit: UnitOfWork, changes: Sequence[Change]) -> set[UUID]:
    """Returns the ids of those that were saved. One alone is waited for. Raises StaleOperation."""
    if len(changes) == 1:
        return {(await unit.operations.save(changes[0])).id}
    return set(await unit.operations.save_all(changes))


async def _delete(unit: UnitOfWork, rows: Mapping[UUID, Operation]) -> set[UUID]:
    """Returns the ids of those that were deleted. One alone is waited for. Raises StaleOperation."""
    if len(rows) == 1:
        for row in rows.values():
            await unit.operations.delete(row)
        return set(rows)
    return await unit.operations.delete_all({key: row.revision for key, row in rows.items()}, kept=True)


def _answered(target: Target, answer: Submitted | OpledgerError) -> Target:
    if isinstance(answer, OpledgerError):
        return _refused(target, answer)
    return replace(target, outcome=TargetOutcome.DONE, new_operation_id=answer.operation.id)


def _refused(target: Target, error: OpledgerError) -> Target:
    """The target whose verb raised this error. Raises the error if it says nothing of the target."""
    found = unsuccessful(error)
    if found is None:
        raise error
    return replace(target, outcome=found[0], code=found[1], message=str(error))


def _done(targets: Sequence[Target], ids: Collection[UUID]) -> list[Target]:
    return [replace(target, outcome=TargetOutcome.DONE) for target in targets if target.operation_id in ids]


def _ids(targets: Sequence[Target]) -> list[UUID]:
    return [target.operation_id for target in targets]
