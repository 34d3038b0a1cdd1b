"""The ledger with a watch rule, and the engine, which remembers every chain and how each closed."""

from collections import defaultdict
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import initialize

from adapters.memory.engine.engine_controls import UNTAGGED, WorkflowId
from adapters.memory.engine.executions import MemoryExecution, StartFields
from application.ports.engine.executions import UNPOLLED_QUEUE
from domain.evidence.observation import Observation
from domain.evidence.reported_execution import ReportedExecution, ReportedParent
from domain.evidence.start_report import StartReport
from domain.operation.chain import Chain, Run
from domain.operation.operation import Operation
from domain.operation.operation_id import adopted_id
from domain.operation.operation_type import OperationCatalogue, OperationType
from domain.operation.report import Report
from tests.simulation.processes import CURRENT
from tests.simulation.workflow_ids.world import NAMES, NOT_OURS, OURS, TYPES, NamedLedger, NamedWorld, RememberingEngine

NAMESPACE = "default"
UNDECLARED = "Undeclared"
WATCHED = OperationType("watched", OURS, "workers", adopt=True)
"""Its rule selects what the ledger, its clients and others start alike."""
PAYROLL = OperationType("payroll", NOT_OURS, "workers")
"""Adopted on request and by reports."""
TASK = OperationType("task", OURS, "workers")
"""Its operations have their own ids as workflow ids."""
ALL_TYPES = OperationCatalogue({kind.name: kind for kind in (*TYPES, WATCHED, PAYROLL, TASK)})
ALL_NAMES = (*NAMES, "child")
MAX_LAG = timedelta(seconds=4)
"""How long the index lags at most: less than the overlap of the watch."""
SLOWEST = timedelta(seconds=-2)
SKEWS = st.sampled_from([timedelta()] * 4 + [timedelta(seconds=20), SLOWEST])
"""How far the clock of a process is ahead. The clocks of the machines agree to within seconds."""


class ChainRememberingEngine(RememberingEngine):
    """Remembers all chains. What it answers has the time of the process that asks."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.born: dict[str, MemoryExecution] = {}
        """Every chain that was ever seen, by its first run."""
        self.closes: defaultdict[str, list[MemoryExecution]] = defaultdict(list)
        """Every close of a chain: more than one after resets."""
        self.reset_chains: set[str] = set()

    async def observe(self, chain: Chain, *, likely_closed: bool = False) -> Observation:
        answer = await super().observe(chain, likely_closed=likely_closed)
        process = CURRENT.get()
        return answer if process is None else replace(answer, asked_at=answer.asked_at + process.ahead)

    def remember(self) -> None:
        """Notes the chains that have begun."""
        self.born |= {chain.first_run_id: chain for chain in self.all_chains() if chain.first_run_id not in self.born}

    def reset(self, workflow_id: WorkflowId) -> None:
        self.reset_chains.add(self._executions[str(workflow_id)].first_run_id)
        super().reset(workflow_id)

    def lose(self, workflow_id: WorkflowId) -> None:
        self.remember()
        super().lose(workflow_id)

    def _close(self, execution: MemoryExecution) -> None:
        super()._close(execution)
        self.closes[execution.first_run_id].append(execution)

    def _close_former(self, execution: MemoryExecution) -> None:
        super()._close_former(execution)
        self.closes[execution.first_run_id].append(execution)


class AdoptingLedger(NamedLedger):
    """Its engine remembers chains."""

    world: ChainRememberingEngine
    world_class = ChainRememberingEngine


@dataclass(frozen=True, slots=True)
class Letter:
    """A report of a workflow that is on its way."""

    operation_id: UUID
    report: Report
    execution: ReportedExecution
    tenant: str | None


@dataclass(frozen=True, slots=True)
class StartLetter:
    """What a client says of its start, on its way."""

    operation_id: UUID
    report: StartReport
    tenant: str


class AdoptingWorld(NamedWorld):
    """What rules and invariants work on."""

    ledger_class = AdoptingLedger
    catalogue = ALL_TYPES

    def __init__(self) -> None:
        super().__init__()
        self.seen: dict[UUID, Operation] = {}
        self.letters: list[Letter] = []
        self.start_letters: list[StartLetter] = []
        self.promised: set[str] = set()
        """First runs of chains that the ledger has said to be operations."""
        self.frozen_at: datetime | None = None

    @initialize(callbacks=st.booleans())
    def begin(self, callbacks: bool) -> None:
        """The first round of the watch and the first pass set the marks from which later ones read."""
        super().make_ledger(callbacks)
        self.watch_round()
        self.process(self.ledger.whole_pass())

    def watch_round(self, fate: Any = None, ahead: timedelta = timedelta()) -> None:
        self.process(self.ledger.watch_rules.step(1), fate, ahead)

    def advance(self, **amount: float) -> None:
        """What changes is listed within the lag."""
        until = self.now + timedelta(**amount)
        if self.frozen_at is not None and until > self.frozen_at + MAX_LAG:
            self.thaw()
        super().advance(**amount)

    def freeze(self) -> None:
        if self.frozen_at is None:
            self.frozen_at = self.now
            self.world.freeze_listing()

    def thaw(self) -> None:
        self.frozen_at = None
        self.world.thaw_listing()

    # How things stand.

    @property
    def world(self) -> ChainRememberingEngine:
        world = self.ledger.world
        assert isinstance(world, ChainRememberingEngine)
        return world

    @property
    def chains(self) -> list[MemoryExecution]:
        """What the engine has, without the ledger's strays."""
        return [chain for chain in self.world.all_chains() if chain.fields.task_queue != UNPOLLED_QUEUE]

    def operation_of(self, chain: MemoryExecution) -> UUID:
        """The operation that the plugin of the worker reports for."""
        tagged = chain.operation_id is not None and chain.fields.parent is None
        return chain.operation_id if tagged and chain.operation_id else own_adopted_id(chain)

    def reported(self, chain: MemoryExecution) -> ReportedExecution:
        """How the chain's latest run describes itself."""
        fields = chain.fields
        parent = None if fields.parent is None else self._parent(fields.parent)
        names = (NAMESPACE, chain.workflow_id, chain.run_id, chain.first_run_id, fields.workflow_type, "workers")
        return ReportedExecution(*names, started_at=chain.latest_start, parent=parent)

    def _parent(self, run: Run) -> ReportedParent:
        origin = self.world._chains.origin(run)
        found = None if origin is None else self.world.born.get(origin.first_run_id)
        if found is None:
            return ReportedParent(run.workflow_id)
        return ReportedParent(run.workflow_id, found.first_run_id, self.operation_of(found))

    def row_of(self, chain: MemoryExecution) -> Operation | None:
        """The operation that has the chain."""
        rows = [row for row in self.rows.values() if is_of(row, chain)]
        assert len(rows) < 2, f"{chain} belongs to {rows}"
        return rows[0] if rows else None


def is_of(row: Operation, chain: MemoryExecution) -> bool:
    """Whether the chain is the operation's: by its first run, or, while that is not known, by `OperationUUID`."""
    if row.workflow_id != chain.workflow_id:
        return False
    return row.id == chain.operation_id if row.first_run_id is None else row.first_run_id == chain.first_run_id


def own_adopted_id(chain: MemoryExecution) -> UUID:
    """The id that an adoption gives."""
    return adopted_id(NAMESPACE, chain.workflow_id, chain.first_run_id)


def untagged(workflow_type: str) -> StartFields:
    """A start by a client without the plugin."""
    return replace(UNTAGGED, workflow_type=workflow_type)
