"""The machine: what must hold after every step, and the end that every run comes to."""

from collections import Counter

from hypothesis.stateful import invariant

from adapters.memory.engine.executions import MemoryExecution
from application.adopt.watch_progress import HOLD
from application.ports.engine.executions import UNPOLLED_QUEUE
from domain.evidence.observation import ExecutionState
from domain.operation.attention import AttentionKind
from domain.operation.operation import Operation
from domain.operation.operation_error import BEFORE_START, ErrorCode
from domain.operation.origin import Origin
from domain.operation.start.workflow_id_policy import OnRunning
from domain.operation.status import OperationStatus
from tests.simulation.adoption.strangers import Strangers
from tests.simulation.adoption.surroundings import Families, Weather
from tests.simulation.adoption.ways import Recorders, Workers
from tests.simulation.adoption.world import ALL_TYPES, is_of, own_adopted_id
from tests.simulation.invariants import agrees, final_is_final
from tests.simulation.workflow_ids.machine import holds, may_end
from tests.simulation.workflow_ids.rules import Engine, Loops
from tests.simulation.workflow_ids.world import OURS, Ended, NamedWorld

WAITS = (31, 31, 31, 61, 61, 601, 601, 1801, 3601, 3601, 61, 61)
"""Seconds, in which verification and the back-off of follow-ups come round."""


class Adoption(Strangers, Loops, Engine, Workers, Recorders, Families, Weather):
    """All ways in, of two tenants, under three workflow ids. The model is the engine's own memory."""

    @invariant()
    def the_promises_hold(self) -> None:
        """After every step; ends it."""
        self.world.remember()
        rows = self.rows
        holders = Counter(row.workflow_id for row in rows.values() if holds(row))
        assert not holders or max(holders.values()) == 1, f"{holders} hold a workflow id together"
        chains = Counter((row.workflow_id, row.first_run_id) for row in rows.values() if row.first_run_id is not None)
        assert not chains or max(chains.values()) == 1, f"{chains}: one chain, several operations"
        for row in rows.values():
            before = self.seen.get(row.id)
            if before is not row:
                self.row_is_true(row, before)
                self.seen[row.id] = row
        assert rows.keys() == self.seen.keys()
        self.nothing_is_harmed()
        assert not self.errors.records, self.errors.records[0].getMessage()
        self.advance(milliseconds=1)
        NamedWorld.steps += 1

    def nothing_is_harmed(self) -> None:
        """What runs, runs for an operation or for others: strays are ended, nothing is started twice, and no other
        chain is terminated than the policies say."""
        for ended in self.world.ended:
            assert may_end(ended, ALL_TYPES) or _adopted_meanwhile(ended), f"{ended.execution} was terminated"
        self.world.ended.clear()
        strays = [chain for chain in self.world.all_chains() if chain.fields.task_queue == UNPOLLED_QUEUE]
        assert not any(chain.open for chain in strays), f"{strays} were started by accident"
        for operation_id, starts in self.world.begun.items():
            again = operation_id in self.world.late or self.world.lost
            assert starts == 1 or again, f"{operation_id} was started {starts} times"

    def row_is_true(self, row: Operation, before: Operation | None) -> None:
        """P2, P3, P6, P8 of a row that has changed."""
        self.ledger.history(row.id)
        if before is not None:
            kept = (row.tenant, row.type, row.workflow_id, row.origin, row.parent_id, row.accepted_at)
            assert kept == (
                before.tenant,
                before.type,
                before.workflow_id,
                before.origin,
                before.parent_id,
                before.accepted_at,
            )
            if before.done:
                final_is_final(before, row)
        if row.progress is not None:
            assert row.progress.message == row.first_run_id, f"{row} has the progress of another chain"
        if row.first_run_id is not None:
            self.chain_is_its_own(row, self.world.born[row.first_run_id])
        if row.done:
            assert self.ended_truly(row), f"{row} but {self.closes_of(row)}"

    def chain_is_its_own(self, row: Operation, chain: MemoryExecution) -> None:
        """No row of a foreign chain, and a parent is the operation of the workflow that started the execution."""
        assert chain.workflow_id == row.workflow_id, f"{row} has {chain}"
        if row.origin is Origin.ADOPTED:
            assert row.id == own_adopted_id(chain)
            owner = None if chain.operation_id is None else self.rows.get(chain.operation_id)
            assert owner is None or owner is row or not is_of(owner, chain), f"{chain} is that of {owner}, and of {row}"
        elif row.id != chain.operation_id:
            uses = row.origin is Origin.LEDGER and ALL_TYPES.get(row.type).on_running is OnRunning.USE_EXISTING
            assert uses, f"{row} has {chain}"
            assert chain.fields.workflow_type == OURS
        if row.parent_id is not None and row.origin is not Origin.LEDGER:
            assert chain.fields.parent is not None, f"{row} is no child"
            origin = self.world._chains.origin(chain.fields.parent)
            parent = None if origin is None else self.world.born[origin.first_run_id]
            if parent is not None:
                rows = [each.id for each in self.rows.values() if is_of(each, parent)]
                assert row.parent_id in (rows or [own_adopted_id(parent)]), f"{row.parent_id} is not {rows}"

    def closes_of(self, row: Operation) -> list[MemoryExecution]:
        """All closes of the operation's chain; of the chains that carry its id, if its first run is not known."""
        if row.first_run_id is not None:
            return self.world.closes[row.first_run_id]
        return [close for closes in self.world.closes.values() for close in closes if close.operation_id == row.id]

    def ended_truly(self, row: Operation) -> bool:
        """The chain closed so in one of its ends, or is gone, or the operation never had one."""
        if any(agrees(row, close, in_full=False) for close in self.closes_of(row)):
            return True
        if row.error is None:
            return False
        if row.started_at is None:
            assert row.error.code in BEFORE_START
            return row.first_run_id is None or row.superseded_by is not None
        unknown = row.first_run_id is None or row.first_run_id in self.world.lost
        return row.error.code is ErrorCode.EXECUTION_LOST and unknown

    def teardown(self) -> None:
        try:
            if hasattr(self, "ledger"):
                self.converge()
        finally:
            self.errors.detach()
            self.processes.close()

    def converge(self) -> None:
        """The faults end, and everything comes right."""
        for process in list(self.processes.still):
            self.processes.kill(process)
        self.thaw()
        self.world.come_back()
        self.world._lose_next_reply = False
        self.ledger.watch_rules = self.ledger.new_watcher()
        self.advance(seconds=HOLD.total_seconds())
        for _ in range(3):
            self.advance(seconds=1)
            self.watch_round()
        for seconds in WAITS:
            self.advance(seconds=seconds)
            self.dispatch_all()
            self.watch_round()
            self.process(self.ledger.pass_cancellations_on(100))
            self.follow_all_up()
            self.process(self.ledger.whole_pass())
            self.process(self.ledger.verify(100))
            self.the_promises_hold()
        for chain in self.chains:
            row = self.row_of(chain)
            watched = chain.fields.workflow_type == OURS and not self.was_started_again(chain)
            wanted = watched or chain.first_run_id in self.promised
            assert row is not None or not wanted, f"{chain} is not adopted, but {self.under(chain)}"
            assert row is None or _tells(row, chain) or self.is_unknowable(row, chain), f"{row} but {chain}"
        for row in self.rows.values():
            self.has_an_end(row)
            self.children_get_the_request(row)

    def was_started_again(self, chain: MemoryExecution) -> bool:
        """Whether the ledger has started its operation again, because the engine did not know this chain."""
        return chain.operation_id is not None and self.world.begun[chain.operation_id] > 1

    def is_unknowable(self, row: Operation, chain: MemoryExecution) -> bool:
        """Whether the execution was reset after its operation had ended, and the index does not show that.

        It lists states alone: a second result looks like the first one. It does not show whose a run is that is not the
        first of its chain, if it has no `OperationUUID` and the workflow id has been used again."""
        if not row.done or chain.first_run_id not in self.world.reset_chains:
            return False
        completed_again = (row.status, chain.state) == (OperationStatus.COMPLETED, ExecutionState.COMPLETED)
        later = [other for other in self.under(chain) if other.accepted_at >= row.accepted_at and other.id != row.id]
        return completed_again or (chain.operation_id != row.id and bool(later))

    def under(self, chain: MemoryExecution) -> list[Operation]:
        """The operations with the chain's workflow id."""
        return [row for row in self.rows.values() if row.workflow_id == chain.workflow_id]

    def has_an_end(self, row: Operation) -> None:
        """What is open has an open chain, and does not wait for a successor."""
        assert row.done or row.superseded_by is None, f"{row} is still open"
        assert row.done or any(is_of(row, chain) and chain.open for chain in self.chains), f"{row} has no open chain"

    def children_get_the_request(self, parent: Operation) -> None:
        """A cancellation is passed on to the children that the ledger has started, with its force."""
        request = parent.cancel_request
        if request is None:
            return
        assert parent.cancel_children_due_at is None
        for child in self.rows.values():
            cleans_up = request.delivered_at is not None and child.accepted_at > request.delivered_at
            if child.parent_id != parent.id or child.origin is not Origin.LEDGER or child.done or cleans_up:
                continue
            told = child.cancel_request
            late = child.accepted_at > request.at
            assert late or told is not None, f"{child} is not told that {parent} is to end"
            assert late or not request.force or (told is not None and told.force), f"{child} is not told of the force"


def _adopted_meanwhile(ended: Ended) -> bool:
    """Whether a chain that a submission was to terminate had just become an operation."""
    if ended.execution.fields.workflow_type != OURS:
        return False
    own = [row for row in ended.rows if is_of(row, ended.execution)]
    foreign = all(row.origin is Origin.ADOPTED for row in own)
    return foreign and any(
        row.workflow_id == ended.execution.workflow_id
        and row.origin is Origin.LEDGER
        and not row.done
        and ALL_TYPES.get(row.type).on_running is OnRunning.TERMINATE
        for row in ended.rows
    )


def _tells(row: Operation, chain: MemoryExecution) -> bool:
    """The row says what the engine says of the latest run; or it was final before, and the divergence is noted."""
    diverged = row.attention is not None and row.attention.kind is AttentionKind.DIVERGED
    if diverged:
        return row.done
    if chain.open:
        running = chain.state is ExecutionState.RUNNING
        return not row.done and (row.status is OperationStatus.RUNNING) == running
    given_up = row.started_at is None and row.done
    return agrees(row, chain, in_full=False) or given_up
