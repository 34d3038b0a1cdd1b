"""Checks operations that were submitted in SQL, where the declared types are not known."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from uuid import UUID

from application.batching.group_commit import GroupCommit
from application.batching.optimistic_update import retry_on_conflict
from application.dispatch.claim import still_claimed
from application.ports.clock import Clock
from application.ports.storage.unit_of_work import UnitOfWork, UnitOfWorkFactory
from application.submit.submission import Submission
from application.submit.submission_rules import SubmissionRules
from application.submit.workflow_ids import use_of_workflow_id
from domain.errors import InvalidInput, Violation, WorkflowIdConflict
from domain.json_value import JsonValue, clean_text
from domain.operation.follow_up import checked
from domain.operation.lifecycle import fail
from domain.operation.operation import Cause, Change, Operation
from domain.operation.operation_error import ErrorCode, OperationError
from domain.operation.start.superseding import supersede
from domain.operation.transition import Source


class CheckSubmitted:
    """Fails invalid operations with START_REJECTED, and gives the others their workflow ids. An operation is never
    started before that is committed, so a repeat of the check cannot fail one that an earlier attempt has started."""

    def __init__(self, units: UnitOfWorkFactory, changes: GroupCommit, clock: Clock, rules: SubmissionRules) -> None:
        self._units = units
        self._changes = changes
        self._clock = clock
        self._rules = rules

    async def check(self, operation: Operation) -> Operation | None:
        """Returns the operation as it is to be started. None: it has become FAILED, or another process has it."""
        submission = Submission(operation.tenant, operation.type, operation.input, operation.labels)
        refusal = await self.refusal_of(submission)
        if refusal is not None:
            return await self._change(operation, lambda row: self._refused(row, refusal.violations))
        template = self._rules.catalogue.get(operation.type).workflow_id
        if template is None:
            return await self._change(operation, lambda row: checked(row, "", self._clock.now()))
        workflow_id = template.fill(operation.id, operation.tenant, operation.input, operation.labels)
        return await retry_on_conflict(
            self._units, f"workflow id {workflow_id!r}", lambda unit: self._place(unit, operation, workflow_id)
        )

    async def refusal_of(self, submission: Submission) -> InvalidInput | None:
        """Returns why the submission is invalid. In a thread: the event loop serves other operations."""
        return await asyncio.to_thread(self._rules.refusal_of, submission, self._clock.now())

    async def _change(self, operation: Operation, decide: Callable[[Operation], Change]) -> Operation | None:
        result = await self._changes.change(operation.id, lambda row: decide(row) if _awaited(row, operation) else None)
        return result.operation if result is not None and result.changed and not result.operation.done else None

    async def _place(self, unit: UnitOfWork, operation: Operation, workflow_id: str) -> Operation | None:
        """Gives the operation its workflow id, by the policies of its type. An open operation cannot be the answer any
        more, as the caller has the id of this one."""
        current = await unit.operations.get(operation.id)
        if current is None or not _awaited(current, operation):
            return None
        holders = (await unit.operations.under_workflow_ids([workflow_id])).get(workflow_id, [])
        use = use_of_workflow_id(current, self._rules.catalogue, holders)
        if isinstance(use, WorkflowIdConflict):
            change = self._conflict(current, str(use), use.operation_id)
        elif use.existing is not None:
            change = self._conflict(current, "An open operation has the workflow id.", use.existing.id)
        else:
            change = checked(current, workflow_id, self._clock.now())
            for row in use.superseded:
                await unit.operations.save(supersede(row, current.id, self._cause("")))
        saved = await unit.operations.save(change)
        await unit.commit()
        return None if saved.done else saved

    def _refused(self, row: Operation, violations: Sequence[Violation]) -> Change:
        errors: list[JsonValue] = [{"detail": each.message, "pointer": each.pointer} for each in violations]
        return self._failed(row, f"{violations[0].pointer}: {violations[0].message}", {"errors": errors})

    def _conflict(self, row: Operation, message: str, holder: UUID | None) -> Change:
        return self._failed(row, message, {} if holder is None else {"operation_id": str(holder)})

    def _failed(self, row: Operation, message: str, details: Mapping[str, JsonValue]) -> Change:
        error = OperationError(ErrorCode.START_REJECTED, clean_text(message), details)
        return fail(row, error, self._cause("the submission is invalid"))

    def _cause(self, reason: str) -> Cause:
        return Cause(Source.DISPATCHER, reason, self._clock.now())


def _awaited(current: Operation, claimed: Operation) -> bool:
    """Whether the operation still waits for this check."""
    return current.unchecked and still_claimed(current, claimed)
