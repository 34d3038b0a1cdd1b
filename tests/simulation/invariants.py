"""What must hold after every step."""

from collections.abc import Callable
from uuid import UUID

from hypothesis.stateful import invariant

from adapters.memory.engine.executions import MemoryExecution
from domain.evidence.divergence import CODES
from domain.evidence.finality import Finality
from domain.evidence.observation import ExecutionState
from domain.operation.attention import AttentionKind
from domain.operation.operation import Operation
from domain.operation.operation_error import ErrorCode
from domain.operation.status import OperationStatus
from tests.simulation.world import OVERLAP, TICK, UNDECLARED, World

BELONGS: dict[AttentionKind, Callable[[Operation], bool]] = {
    AttentionKind.DIVERGED: lambda row: row.done,
    AttentionKind.STALLED: lambda row: not row.done,
    AttentionKind.NO_WORKER: lambda row: not row.done,
    AttentionKind.ACTIVITY_RETRYING: lambda row: not row.done,
    AttentionKind.RESULT_UNREADABLE: lambda row: row.status is OperationStatus.COMPLETED,
    AttentionKind.DISPATCH_RETRYING: lambda row: row.status is OperationStatus.ACCEPTED,
}


def agrees(row: Operation, execution: MemoryExecution, *, in_full: bool = True) -> bool:
    """Whether the final row says how that execution closed; `in_full`: in the same words."""
    if execution.state is ExecutionState.COMPLETED:
        # The ledger cannot read such a result; it stores a result that the workflow reported, if there is one.
        same = row.result == execution.result or execution.result_unreadable is not None
        return row.status is OperationStatus.COMPLETED and same
    if row.error is None or row.error.code is not CODES.get(execution.state):
        return False
    return not in_full or (execution.error is not None and row.error.message == execution.error.message)


class Invariants(World):
    """The promises, and the rules of the rows."""

    @invariant()
    def the_promises_hold(self) -> None:
        """After every step; ends it."""
        self.every_row_is_sound()
        self.one_row_and_one_chain()
        self.starts_are_in_time()
        self.a_retry_is_one_operation()
        self.the_watermark_moves_behind_what_was_read()
        self.nothing_went_wrong()
        self.ledger.clock.advance(TICK)
        self.oldest_word = self.now
        World.steps += 1

    def every_row_is_sound(self) -> None:
        """P2, P3, P6, of the rows that this step has changed."""
        for operation_id, row in self.rows.items():
            before = self.seen.get(operation_id)
            if before is row:
                continue
            self.seen[operation_id] = row
            self.history_is_whole(operation_id, row)
            self.attention_belongs(operation_id, row)
            assert row.progress is None or row.progress.message is None, f"{row} has the progress of another workflow"
            assert (row.verification.due_at is not None) == (row.dispatch.done_at is not None and not row.done)
            if before is not None and before.done:
                final_is_final(before, row)
            elif row.done:
                assert self.ended_truly(operation_id, row), f"{row} but {self.past(operation_id)}"
                self.ended_late(operation_id, row)
        assert self.seen.keys() == self.rows.keys()

    def one_row_and_one_chain(self) -> None:
        """P1: nothing that is accepted is lost, nothing is started twice, nothing runs without a row."""
        assert set(self.answered.values()) <= self.rows.keys()
        assert self.executions.keys() <= self.rows.keys()
        submitted = [row.input["key"] for row in self.rows.values() if row.retry_of is None]  # type: ignore[index,call-overload]
        assert len({*submitted}) == len(submitted)
        for operation_id, past in self.world.past.items():
            assert past.starts <= 1 + past.losses, f"{operation_id} was started {past.starts} times"

    def starts_are_in_time(self) -> None:
        """A later start is never early. What was cancelled before any attempt, is not checked or is invalid, never
        starts."""
        for operation_id, row in self.rows.items():
            past = self.past(operation_id)
            if row.start_at is not None and past.first_start is not None:
                assert past.first_start >= row.start_at, f"{row} was started at {past.first_start}"
            if (row.done and row.dispatch.attempts == 0) or row.unchecked or row.type == UNDECLARED:
                assert not past.starts, f"{row} was started"

    def a_retry_is_one_operation(self) -> None:
        """The two name each other: nothing is retried twice, and nothing that is open."""
        retries = {row.retry_of: row for row in self.rows.values() if row.retry_of is not None}
        assert len(retries) == sum(row.retry_of is not None for row in self.rows.values())
        assert {row.id: row.retried_by for row in self.rows.values() if row.retried_by is not None} == {
            former: row.id for former, row in retries.items()
        }
        assert all(self.rows[former].done for former in retries if former is not None)

    def the_watermark_moves_behind_what_was_read(self) -> None:
        assert self.watermark is None or self.watermark <= self.read_to

    def nothing_went_wrong(self) -> None:
        """Services go on after an error in one operation, and log it: there is none here."""
        for record in self.errors.records:
            raise AssertionError(f"{record.exc_info and record.exc_info[1]!r}: {record.getMessage()}")

    def history_is_whole(self, operation_id: UUID, row: Operation) -> None:
        """P6: gap-free, every line begins where the last one ended, the last one is the status."""
        lines = self.ledger.store._tables.history[operation_id]
        assert [line.sequence for line in lines] == list(range(1, row.history_length + 1))
        assert [line.from_status for line in lines] == [None, *[line.to_status for line in lines[:-1]]]
        assert lines[-1].to_status is row.status
        for line in lines[1:]:
            assert line.from_status is not None
            assert line.from_status is line.to_status or line.from_status.may_become(line.to_status)
        assert [line.at for line in lines] == sorted(line.at for line in lines)

    def attention_belongs(self, operation_id: UUID, row: Operation) -> None:
        """No divergence is noted on a row whose execution closed once and for all."""
        if row.attention is None:
            return
        assert BELONGS[row.attention.kind](row)
        assert row.attention.kind is not AttentionKind.RESULT_UNREADABLE or row.result is None
        if row.attention.kind is AttentionKind.DIVERGED and self.finality is Finality.ENGINE:
            past = self.past(operation_id)
            assert past.restarts or past.late_start

    def ended_truly(self, operation_id: UUID, row: Operation) -> bool:
        """P3: the chain closed, or was forgotten, or never began; and it was so when the ledger got the evidence."""
        past = self.past(operation_id)
        if row.started_at is None:
            assert row.error is not None
            never_picked_up = any(
                close.execution.never_picked_up and agrees(row, close.execution) for close in past.closes
            )
            return not past.starts or bool(past.restarts) or past.late_start or never_picked_up
        if self.finality is Finality.WORKFLOW and self.was_reported(operation_id, row):
            return True
        if any(span.held_after(self.oldest_word) for span in past.absences if span.since is not None):
            lost = row.error is not None and row.error.code is ErrorCode.EXECUTION_LOST
            told = any(agrees(row, close.execution, in_full=False) for close in past.closes)
            return lost or told or self.was_reported(operation_id, row)
        return any(agrees(row, close.execution) for close in past.closes if close.span.held_after(self.oldest_word))

    def ended_late(self, operation_id: UUID, row: Operation) -> None:
        """By the word of a process that stood still: what had happened since was listed long ago."""
        execution, changed_at = self.executions.get(operation_id), self.past(operation_id).changed_at
        if changed_at is None or changed_at >= self.now - OVERLAP:
            return
        if execution is not None and not agrees(row, execution):
            self.listed_late[operation_id] = changed_at

    def was_reported(self, operation_id: UUID, row: Operation) -> bool:
        said = [report for about, report in self.said if about == operation_id]
        return any((report.result, report.error) == (row.result, row.error) for report in said)


def final_is_final(before: Operation, row: Operation) -> None:
    """P2: whatever comes."""
    outcome = row.status, row.result, row.error, row.started_at, row.finished_at
    assert outcome == (before.status, before.result, before.error, before.started_at, before.finished_at)
