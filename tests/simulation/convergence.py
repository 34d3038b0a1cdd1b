"""What must hold when the faults have ended: P4, and the truth."""

from uuid import UUID

from adapters.memory.engine.executions import MemoryExecution
from application.ports.monitoring.metrics import CallbackOutcome
from domain.evidence.finality import Finality
from domain.evidence.observation import ExecutionState
from domain.operation.attention import AttentionKind
from domain.operation.operation import Operation
from domain.operation.status import OperationStatus
from tests.simulation.invariants import Invariants, agrees
from tests.simulation.world import Channels

CLEANED_UP = (ExecutionState.TERMINATED, ExecutionState.CANCELED)


class Convergence(Invariants):
    """At the end of every run. Reports that are under way are lost."""

    def teardown(self) -> None:
        try:
            if self.seen:
                self.converge()
        finally:
            self.errors.detach()
            self.processes.close()

    def converge(self) -> None:
        for process in list(self.processes.still):
            self.processes.kill(process)
        self.world.come_back()
        self.thaw()
        if self.channels is Channels.CALLBACKS:
            self.callbacks_are_enough()
        self.one_interval_is_enough()
        self.all_comes_right()

    def callbacks_are_enough(self) -> None:
        """P4, by push alone: each callback is delivered; the ledger asks only after a callback or by its own rule."""
        for seconds in (31.0, 31.0, 0.5):
            self.advance(seconds=seconds)
            self.dispatch_all()
            self.follow_all_up()
            self.call_all_back()
            self.the_promises_hold()
        self.advance(seconds=2)
        self.follow_all_up()
        self.the_promises_hold()
        for operation_id, execution in self.executions.items():
            row = self.rows[operation_id]
            if not execution.open:
                assert row.done, f"called back, but {row}"
                past = self.past(operation_id)
                said_before = past.restarts or past.late_start or self.finality is Finality.WORKFLOW
                assert said_before or agrees(row, execution), f"{row} but {execution}"

    def call_all_back(self) -> None:
        for pending in list(self.callbacks):
            outcome = self.process(self.ledger.call_back(pending))
            assert outcome is not None
            if outcome is not CallbackOutcome.UNKNOWN_OPERATION:
                self.callbacks.remove(pending)

    def one_interval_is_enough(self) -> None:
        """P4, where callbacks are off or were lost: a close that is listed is known after the next pass."""
        self.dispatch_all()
        self.whole_pass()
        self.the_promises_hold()
        for operation_id, execution in self.executions.items():
            row = self.rows[operation_id]
            if not execution.open and row.dispatch.done_at is not None and self.found_by_passes(operation_id):
                assert row.done, f"the pass has missed {row}"

    def all_comes_right(self) -> None:
        """Within what verification and the back-off of follow-ups take at most."""
        for seconds in (61, 61, 61, 61, 601, 601, 1801, 1801, 3601, 61, 61):
            self.advance(seconds=seconds)
            self.dispatch_all()
            self.follow_all_up()
            self.whole_pass()
            self.process(self.ledger.verify(100))
            self.the_promises_hold()
        for operation_id, row in self.rows.items():
            execution = self.executions.get(operation_id)
            if execution is None:
                assert row.done, f"gone, but {row}"
            else:
                assert self.is_true(operation_id, row, execution), f"{row} but {execution}"

    def follow_all_up(self) -> None:
        self.process(self.ledger.follow_up(100))

    def is_true(self, operation_id: UUID, row: Operation, execution: MemoryExecution) -> bool:
        """The row says what the engine says of the latest run; or it was final before, and the divergence is noted."""
        if not row.done:
            return self.unfinished_is_true(operation_id, row, execution)
        diverged = row.attention is not None and row.attention.kind is AttentionKind.DIVERGED
        if diverged or agrees(row, execution, in_full=not self.past(operation_id).restarts):
            return True
        if row.started_at is None and execution.state in CLEANED_UP:
            return True
        return self.cannot_be_known(operation_id, row, execution)

    def unfinished_is_true(self, operation_id: UUID, row: Operation, execution: MemoryExecution) -> bool:
        if not execution.open or row.cancel_pending:
            return False
        said = None if row.attention is None else row.attention.kind
        problem = self.world._problem(execution)
        if said is not (problem and problem.kind) and self.channels is not Channels.CALLBACKS:
            return False
        running = row.status is OperationStatus.RUNNING
        return running == (execution.state is ExecutionState.RUNNING) or bool(self.past(operation_id).restarts)

    def cannot_be_known(self, operation_id: UUID, row: Operation, execution: MemoryExecution) -> bool:
        """What ends and is final is asked about only where the index lists a change in time, and lists states alone."""
        past = self.past(operation_id)
        if self.finality is Finality.WORKFLOW and execution.open:
            return True
        if not self.found_by_passes(operation_id):
            return True
        completed_otherwise = execution.state is ExecutionState.COMPLETED and row.status is OperationStatus.COMPLETED
        return completed_otherwise and (bool(past.restarts) or self.finality is Finality.WORKFLOW)
