"""Ends operations that must not be started: superseded, cancelled, or refused by the engine."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

from application.batching.claim_loop import LEASE
from application.batching.group_commit import GroupCommit
from application.dispatch.claim import change_claimed
from application.dispatch.record_attempts import RecordAttempts
from application.ports.clock import Clock
from application.ports.engine.workflow_engine import StartRejected
from domain.json_value import JsonValue
from domain.operation.follow_up import postpone_start
from domain.operation.lifecycle import fail
from domain.operation.operation import Cause, Change, Operation
from domain.operation.operation_error import ErrorCode, OperationError
from domain.operation.start.superseding import end_superseded
from domain.operation.transition import Source

_NO_DETAILS: Final[Mapping[str, JsonValue]] = {}


class EndUnstarted:
    """Fails operations. All methods but `reject` first look for an execution of an earlier attempt, and record it."""

    def __init__(self, changes: GroupCommit, clock: Clock, attempts: RecordAttempts) -> None:
        self._changes = changes
        self._clock = clock
        self._attempts = attempts

    async def superseded(self, operation: Operation) -> None:
        """Fails an operation whose workflow id another one takes. If an earlier attempt has started it, the follow-up
        terminates its execution."""
        await self._end(operation, operation.updated_at, lambda row: end_superseded(row, self._cause("")))

    async def cancelled(self, operation: Operation) -> None:
        """Fails an operation that was cancelled before its start was recorded. If an earlier attempt has started it,
        its execution is cancelled."""
        request = operation.cancel_request
        assert request is not None
        words = "cancelled before it was started"
        error = OperationError(ErrorCode.CANCELED, request.reason or words, {"actor": request.by})
        await self._end(operation, request.at, lambda row: fail(row, error, self._cause(words, actor=request.by)))

    async def reject_unless_started(self, operation: Operation, refusal: StartRejected) -> None:
        """Fails the operation, unless an earlier attempt whose response was lost had started it."""
        if operation.dispatch.attempts > 1 and await self._attempts.absent(operation) is None:
            return
        await self.reject(operation, str(refusal))

    async def reject(self, operation: Operation, words: str, details: Mapping[str, JsonValue] = _NO_DETAILS) -> None:
        """Fails the operation, which no attempt has started."""

        def decide(current: Operation) -> Change:
            cause = self._cause("the engine refuses to start the workflow")
            if current.superseded_by is not None:
                return end_superseded(current, cause)
            return fail(current, OperationError(ErrorCode.START_REJECTED, words, details), cause)

        await change_claimed(self._changes, operation, decide)

    async def _end(self, operation: Operation, since: datetime, end: Callable[[Operation], Change]) -> None:
        """Ends the operation, unless an earlier attempt has started it. An attempt may still be in flight, so an
        absence counts only a lease after `since`."""
        absent = await self._attempts.absent(operation)
        if absent is None:
            return
        quiet = since + LEASE

        def decide(current: Operation) -> Change:
            return postpone_start(current, until=quiet) if absent.asked_at < quiet else end(current)

        await change_claimed(self._changes, operation, decide)

    def _cause(self, reason: str, actor: str | None = None) -> Cause:
        return Cause(Source.DISPATCHER, reason, self._clock.now(), actor=actor)
