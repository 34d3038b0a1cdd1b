"""The ledger with types that have a template, and the engine, which remembers who ended what."""

from collections import Counter
from collections.abc import Coroutine
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize

from adapters.memory.engine.callbacks import PendingCallback
from adapters.memory.engine.executions import MemoryExecution
from adapters.memory.engine.workflow_engine import MemoryWorkflowEngine
from application.ports.engine.workflow_engine import StartRequest
from application.submit.submission import Submission, Submitted
from domain.errors import WorkflowIdConflict
from domain.operation.chain import Chain
from domain.operation.operation import Operation
from domain.operation.operation_type import OperationCatalogue, OperationType
from domain.operation.start.workflow_id_policy import OnClosed, OnRunning
from domain.operation.start.workflow_id_template import WorkflowIdTemplate
from tests.simulation.processes import CURRENT, Fate, Processes
from tests.simulation.world import Errors, SimulatedLedger

TENANTS = ("default", "another")
MACHINES = ("m", "n")
OURS, NOT_OURS = "Work", "Payroll"


def name_of(machine: str) -> str:
    """The workflow id that every type gives."""
    return f"w-{machine}"


NAMES = tuple(map(name_of, MACHINES))
TYPES = [
    OperationType(
        f"{on_running.value}.{on_closed.value}",
        OURS,
        "workers",
        workflow_id=WorkflowIdTemplate.parse("w-{input.machine}"),
        on_running=on_running,
        on_closed=on_closed,
    )
    for on_running in OnRunning
    for on_closed in OnClosed
    if (on_running, on_closed) != (OnRunning.TERMINATE, OnClosed.REJECT)
]
CATALOGUE = OperationCatalogue({kind.name: kind for kind in TYPES})


@dataclass(frozen=True, slots=True)
class Ended:
    """A chain that the ledger terminated, and the operations at that moment."""

    execution: MemoryExecution
    rows: tuple[Operation, ...]


class RememberingEngine(MemoryWorkflowEngine):
    """Counts starts by operation, and keeps what the ledger terminates."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.ended: list[Ended] = []
        self.begun: Counter[UUID] = Counter()
        self.late: set[UUID] = set()
        """Operations that a process started after it had stood still."""
        self.lost: set[str] = set()
        """First runs of chains that the engine has lost."""
        self.rows: Any = None
        """Returns the operations that are stored."""

    async def start(self, request: StartRequest) -> str:
        before = len(self.starts)
        try:
            return await super().start(request)
        finally:
            if len(self.starts) > before:
                self.begun[request.operation_id] += 1
                process = CURRENT.get()
                if process is not None and process.stood_still:
                    self.late.add(request.operation_id)

    async def terminate(self, chain: Chain, reason: str) -> None:
        current = self._executions.get(chain.workflow_id)
        if current is not None and current.open and current.belongs_to(chain):
            self.ended.append(Ended(current, tuple(self.rows().values())))
        await super().terminate(chain, reason)

    def lose(self, workflow_id: Any) -> None:
        self.lost.add(self._executions[str(workflow_id)].first_run_id)
        super().lose(workflow_id)

    def all_chains(self) -> list[MemoryExecution]:
        """Every chain that the engine has, current or former."""
        former = [chain for chains in self._chains.former.values() for chain in chains]
        return [*former, *self._chains.current.values()]


class NamedLedger(SimulatedLedger):
    """Its engine remembers."""

    world: RememberingEngine
    world_class = RememberingEngine


class NamedWorld(RuleBasedStateMachine):
    """What rules and invariants work on."""

    steps = 0
    """Taken by all machines of this process."""
    ledger_class: type[NamedLedger] = NamedLedger
    catalogue = CATALOGUE

    def __init__(self) -> None:
        super().__init__()
        self.processes = Processes(lambda: self.now)
        self.errors = Errors()
        self.results = 0

    @initialize(callbacks=st.booleans())
    def begin(self, callbacks: bool) -> None:
        self.make_ledger(callbacks)

    def make_ledger(self, callbacks: bool) -> None:
        self.ledger = self.ledger_class(catalogue=self.catalogue, callbacks=callbacks)
        self.world.rows = self.ledger.rows

    def process(self, work: Coroutine[Any, Any, Any], fate: Fate | None = None, ahead: timedelta = timedelta()) -> Any:
        return self.processes.run(work, fate, ahead)

    async def submitted(self, *submissions: Submission) -> list[Submitted | WorkflowIdConflict]:
        """In one transaction, as one process does it. All are valid: no thread checks them."""
        answers = await self.ledger.new_submitter().submit_batch(submissions, [None] * len(submissions))
        assert all(isinstance(answer, Submitted | WorkflowIdConflict) for answer in answers), answers
        return answers  # type: ignore[return-value]

    def dispatch_all(self, fate: Fate | None = None) -> None:
        self.process(self.ledger.dispatch(100), fate)

    def follow_all_up(self, fate: Fate | None = None) -> None:
        self.process(self.ledger.follow_up(100), fate)

    def advance(self, **amount: float) -> None:
        self.ledger.clock.advance(timedelta(**amount))

    @property
    def now(self) -> datetime:
        return self.ledger.clock.now()

    @property
    def world(self) -> RememberingEngine:
        return self.ledger.world

    @property
    def rows(self) -> dict[UUID, Operation]:
        return self.ledger.rows()

    @property
    def open_names(self) -> list[str]:
        """Workflow ids of open executions."""
        return [name for name, found in self.world._executions.items() if found.open]

    @property
    def callbacks(self) -> list[PendingCallback]:
        return self.world.callbacks

    def chain_of(self, row: Operation) -> MemoryExecution | None:
        """The operation's chain, by what no other chain has; the latest, if it was started again after a loss."""
        chains = [chain for chain in self.world.all_chains() if chain.workflow_id == row.workflow_id]
        if row.first_run_id is not None:
            return next((chain for chain in chains if chain.first_run_id == row.first_run_id), None)
        return next((chain for chain in reversed(chains) if chain.operation_id == row.id), None)
