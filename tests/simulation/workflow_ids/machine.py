"""The machine: rules, what must hold after every step, and the end that every run comes to."""

from collections import Counter

from hypothesis.stateful import invariant

from adapters.memory.engine.executions import MemoryExecution
from adapters.memory.engine.workflow_engine import STRAY
from domain.evidence.divergence import CODES
from domain.evidence.observation import ExecutionState
from domain.operation.attention import AttentionKind
from domain.operation.operation import Operation
from domain.operation.operation_error import ErrorCode
from domain.operation.operation_type import OperationCatalogue
from domain.operation.origin import Origin
from domain.operation.start.workflow_id_policy import OnRunning
from domain.operation.status import OperationStatus
from tests.simulation.workflow_ids.rules import Clients, Engine, Loops
from tests.simulation.workflow_ids.world import OURS, Ended, NamedWorld

COMPLETED, FAILED = OperationStatus.COMPLETED, OperationStatus.FAILED


class WorkflowIds(Clients, Loops, Engine):
    """Operations of two tenants and executions of other clients share two workflow ids."""

    @invariant()
    def the_promises_hold(self) -> None:
        """After every step; ends it."""
        rows = self.rows
        holders = Counter(row.workflow_id for row in rows.values() if holds(row))
        assert not holders or max(holders.values()) == 1, f"{holders} hold a workflow id together"
        for row in rows.values():
            self.row_is_true(row)
        for ended in self.world.ended:
            assert may_end(ended, self.catalogue), f"{ended.execution} was terminated"
        self.world.ended.clear()
        for operation_id, starts in self.world.begun.items():
            again = operation_id in self.world.late or self.world.lost
            assert starts == 1 or again, f"{operation_id} was started {starts} times"
        assert not self.errors.records, self.errors.records[0].getMessage()
        self.advance(milliseconds=1)
        NamedWorld.steps += 1

    def row_is_true(self, row: Operation) -> None:
        """P2, P3, P6, and no other chain decides."""
        lines = self.ledger.history(row.id)
        assert [line.sequence for line in lines] == list(range(1, row.history_length + 1))
        if row.error is not None and row.error.code is ErrorCode.TERMINATED and row.superseded_by is not None:
            assert row.error.details["superseded_by"] == str(row.superseded_by)
        if not row.done or self.world.lost:
            return
        chain = self.chain_of(row)
        if row.status is COMPLETED:
            assert chain is not None, f"{row} completed without a chain"
            assert (chain.state, chain.result) == (ExecutionState.COMPLETED, row.result), f"{row} is not {chain}"
        elif row.started_at is not None:
            assert chain is not None, f"{row} ran without a chain"
            assert not chain.open, f"{row} is final, and {chain} is open"
            assert row.error is not None
            assert row.error.code is CODES.get(chain.state), f"{row} is not {chain}"

    def teardown(self) -> None:
        try:
            if hasattr(self, "ledger") and self.rows:
                self.converge()
        finally:
            self.errors.detach()
            self.processes.close()

    def converge(self) -> None:
        """The faults end, and everything comes right."""
        for process in list(self.processes.still):
            self.processes.kill(process)
        self.world.come_back()
        self.world._lose_next_reply = False
        for seconds in (31, 31, 31, 61, 61, 601, 601, 1801, 3601, 61, 61):
            self.advance(seconds=seconds)
            self.dispatch_all()
            self.follow_all_up()
            self.process(self.ledger.whole_pass())
            self.process(self.ledger.verify(100))
            self.the_promises_hold()
        for row in self.rows.values():
            chain = self.chain_of(row)
            assert row.done or row.superseded_by is None, f"{row} is still open"
            assert row.done or (chain is not None and chain.open), f"{row} is open, and its chain is {chain}"
            assert not row.done or chain is None or not chain.open or _noted(row, chain), f"{row}, but {chain} is open"


def holds(row: Operation) -> bool:
    """Whether no other operation may take the workflow id."""
    return not row.done and row.origin is Origin.LEDGER and row.superseded_by is None


def may_end(ended: Ended, catalogue: OperationCatalogue) -> bool:
    """Only what gives its workflow id up, was cancelled or had ended before; or a foreign chain, for an operation whose
    type says so. A chain of another workflow type gives way to a client's start alone."""
    chain = ended.execution
    own = [row for row in ended.rows if _is_of(row, chain)]
    alike = chain.fields.workflow_type == OURS
    if own:
        by_clients = {row.id for row in ended.rows if row.origin is Origin.CLIENT}
        return any(
            row.done
            or (row.superseded_by is not None and (alike or row.superseded_by in by_clients))
            or (row.cancel_request is not None and row.cancel_request.force)
            for row in own
        )
    if chain.fields.operation_id is not None or not alike:
        return chain.fields.operation_id is not None
    return any(
        row.workflow_id == chain.workflow_id and catalogue.get(row.type).on_running is OnRunning.TERMINATE
        for row in ended.rows
        if not row.done and row.origin is Origin.LEDGER
    )


def _is_of(row: Operation, chain: MemoryExecution) -> bool:
    return row.id == chain.operation_id or row.first_run_id == chain.first_run_id


def _noted(row: Operation, chain: MemoryExecution) -> bool:
    """The row was final before its chain began or went on, and the divergence is noted where the index shows it."""
    diverged = row.attention is not None and row.attention.kind is AttentionKind.DIVERGED
    return diverged or row.started_at is None or STRAY in str(chain.error)
