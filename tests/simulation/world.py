"""What every rule and invariant works on: the ledger, the engine with its past, mail on its way, processes, time."""

import logging
from collections import defaultdict
from collections.abc import Coroutine
from dataclasses import replace
from datetime import datetime, timedelta
from enum import Enum
from typing import Any, TypeVar
from uuid import UUID

from dependency_injector import providers
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize

from adapters.memory.engine.callbacks import PendingCallback
from adapters.memory.engine.executions import MemoryExecution
from adapters.memory.engine.workflow_engine import MemoryWorkflowEngine
from application.batching.group_commit import GroupCommit
from application.batching.optimistic_update import Decide, UpdateResult
from application.converge import reconcile
from application.converge.reconcile import PassCursor, ReconciledPage
from application.dispatch.check_submitted import CheckSubmitted
from application.ports.storage.unit_of_work import UnitOfWorkFactory
from application.submit.submission import Submission, Submitted
from domain.errors import InvalidInput
from domain.evidence.finality import Finality
from domain.evidence.observation import ExecutionState, Observation
from domain.operation.chain import Run
from domain.operation.operation import Cause, Change, Operation
from domain.operation.report import Report, ReportKind
from domain.operation.start.creation import accept
from domain.operation.transition import Source
from domain.scheduling.start_time import StartTime
from tests.simulation.chronicle import ChronicledEngine, Past
from tests.simulation.processes import CURRENT, Fate, Fates, Process, ProcessClock, Processes
from tests.support.ledger.faults import CrashingEngine, CrashingUnit
from tests.support.ledger.in_memory import FakeLedger

TICK = timedelta(milliseconds=1)
"""No two steps happen at the same moment."""
FRESH = timedelta(seconds=5)
"""How old a callback may be to be taken by its word."""
OVERLAP = timedelta(minutes=1)
"""How far the index may lag without anything being missed. Both as promised, not as the services have them."""
KEYS = "abcdef"
LATER = {"e": timedelta(seconds=5), "f": timedelta(seconds=120)}
"""How long after its acceptance the operation of a key starts."""
UNDECLARED = "unheard-of"
"""A type that the database accepts in SQL."""
FATES = st.sampled_from(
    [None] * 12 + [Fate(killed, at) for killed in (True, False) for at in (0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 15)]
)
AHEAD = st.sampled_from([timedelta()] * 5 + [timedelta(seconds=20), timedelta(minutes=10)])
"""How far the clock of a process is ahead."""
PICKS = st.integers(0, 1000)
T = TypeVar("T")
_log = logging.getLogger("application")


class Channels(Enum):
    """How the end of an execution comes to be known."""

    BOTH = "callbacks, of which some get lost, and asking"
    ASKING = "asking alone"
    CALLBACKS = "callbacks alone: none gets lost, and no question for long"


class EachProcess(GroupCommit):
    """A group is of one process, and ends with it."""

    def __init__(self, units: UnitOfWorkFactory) -> None:
        super().__init__(units)
        self._own: defaultdict[Process | None, GroupCommit] = defaultdict(lambda: GroupCommit(units))

    async def change(self, operation_id: UUID, decide: Decide) -> UpdateResult | None:
        return await self._own[CURRENT.get()].change(operation_id, decide)


class CheckedAtOnce(CheckSubmitted):
    """Checks without a thread, which would make a run differ from the one before."""

    async def refusal_of(self, submission: Submission) -> InvalidInput | None:
        return self._rules.refusal_of(submission, self._clock.now())


class SimulatedLedger(FakeLedger):
    """Its processes can stand still, and its engine has a past."""

    world: Any
    world_class: type[MemoryWorkflowEngine] = ChronicledEngine

    def override(self) -> None:
        self.world = self.world_class(self.clock, page_size=2)
        self.temporal.engine.override(providers.Object(CrashingEngine(self.world, Fates())))
        self.adapters.units.override(providers.Object(self.units))
        self.services.changes.override(providers.Singleton(EachProcess, self.adapters.units))
        self.adapters.clock.override(providers.Object(ProcessClock(self.clock)))

    def override_services(self) -> None:
        self.worker.check_submitted.set_provides(CheckedAtOnce)

    def units(self) -> Any:
        unit = self.store.units()
        return CrashingUnit(unit, Fates(unit))


class Errors(logging.Handler):
    """What the services swallowed and logged: none of the world's doing is an error of the ledger."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.records: list[logging.LogRecord] = []
        _log.addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)

    def detach(self) -> None:
        """The machine is done."""
        _log.removeHandler(self)


class World(RuleBasedStateMachine):
    """Clients, workers, Temporal and its users, the network, kill -9, and time."""

    steps = 0
    """Taken by all machines of this process."""

    def __init__(self) -> None:
        super().__init__()
        self.channels = Channels.BOTH
        self.processes = Processes(lambda: self.now)
        self.errors = Errors()
        self.answered: dict[str, UUID] = {}
        self.sql_submissions = 0
        self.mail: list[tuple[UUID, Report, Run]] = []
        self.said: list[tuple[UUID, Report]] = []
        self.old_news: list[tuple[UUID, Observation, int]] = []
        """Answers on their way, with the version of the row before the question."""
        self.cursors: list[PassCursor] = []
        self.frozen_at: datetime | None = None
        self.listed_late: dict[UUID, datetime] = {}
        """What the index has listed too late for any pass, or before the row ended: when it had changed."""
        self.seen: dict[UUID, Operation] = {}

    @initialize(
        finality=st.sampled_from([Finality.ENGINE, Finality.ENGINE, Finality.WORKFLOW]),
        channels=st.sampled_from(Channels),
        before=st.sampled_from(["nothing", "accepted", "started"]),
    )
    def begin(self, finality: Finality, channels: Channels, before: str) -> None:
        self.channels, self.finality = channels, finality
        self.ledger = SimulatedLedger(finality, callbacks=channels is not Channels.ASKING)
        self.read_to = self.now
        """The latest beginning of a pass that came to its last page."""
        self.oldest_word = self.now
        """When the oldest question was put whose answer this step may have recorded."""
        self.whole_pass()
        if before != "nothing":
            for key in KEYS[:4]:
                self.accept(key)
        if before == "started":
            self.dispatch_all()

    # What the ledger does.

    def process(self, work: Coroutine[Any, Any, Any], fate: Fate | None = None, ahead: timedelta = timedelta()) -> Any:
        """Run it; what it asks, it asks from now on."""
        now = self.ledger.clock.now()
        self.oldest_word = min(self.oldest_word, now - FRESH)
        return self.processes.run(work, fate, ahead)

    def accept(self, key: str, fate: Fate | None = None) -> Any:
        start = StartTime(delay=LATER.get(key))
        submission = Submission("default", "work", {"key": key}, start=start, idempotency_key=key)

        async def submit() -> Submitted:
            return await self.ledger.new_submitter().submit(submission)

        return self.process(submit(), fate)

    async def in_sql(self, kind: str, delay: timedelta | None, *, committed: bool) -> None:
        """What `opledger.submit` does in a transaction of a team."""
        self.sql_submissions += 1
        key, now = f"sql {self.sql_submissions}", self.now
        made = accept(
            self.ledger.adapters.operation_ids().new(),
            tenant="default",
            type_name=kind,
            value={"key": key},
            labels={},
            cause=Cause(Source.CLIENT, "accepted", now),
            start_at=None if delay is None else now + delay,
        )
        async with self.ledger.store.units() as unit:
            await unit.operations.add(Change(replace(made.operation, unchecked=True), made.transitions))
            if committed:
                await unit.commit()
                self.answered[key] = made.operation.id

    def dispatch_all(self) -> None:
        self.process(self.ledger.dispatch(100))

    def page(
        self, cursor: PassCursor | None, fate: Fate | None = None, ahead: timedelta = timedelta()
    ) -> ReconciledPage | None:
        """One page of a pass. If it is the last one, the watermark may move to where the pass began."""
        began_at = cursor.began_at if cursor is not None else self.now
        last = self._last(cursor)
        page: ReconciledPage | None = self.process(self.ledger.reconciler.page(cursor), fate, ahead)
        if page is not None:
            last = page.cursor is None
        if last or (page is None and fate is not None and not fate.killed):
            self.read_to = max(self.read_to, began_at)
        return page

    def _last(self, cursor: PassCursor | None) -> bool:
        since = cursor.since if cursor is not None else (self.watermark or self.now) - reconcile.OVERLAP
        return self.world._index.changed_since(since, None if cursor is None else cursor.page).next_page is None

    def whole_pass(self, fate: Fate | None = None, ahead: timedelta = timedelta()) -> None:
        page = self.page(None, fate, ahead)
        while page is not None and page.cursor is not None:
            page = self.page(page.cursor, fate, ahead)

    # What the world does.

    def post(self, operation_id: UUID, kind: ReportKind, *, at_once: bool = False, **fields: Any) -> None:
        """A report of the execution that is there under the workflow id. What another chain says there counts for
        nothing. It arrives now, or whenever `deliver` takes it."""
        report = Report(kind, self.now, **fields)
        letter = operation_id, report, self.world.latest_run(operation_id)
        if self.world._executions[str(operation_id)].operation_id == operation_id:
            self.said.append((operation_id, report))
        if at_once:
            self.process(self.ledger.reports.receive(*letter))
        else:
            self.mail.append(letter)

    def freeze(self) -> None:
        if self.frozen_at is None:
            self.frozen_at = self.now
            self.world.freeze_listing()

    def thaw(self) -> None:
        """What changed in the meantime is listed now: in time, if that is within the overlap."""
        if self.frozen_at is None:
            return
        for operation_id, past in self.world.past.items():
            if past.changed_at is not None and self.frozen_at <= past.changed_at < self.now - OVERLAP:
                self.listed_late[operation_id] = past.changed_at
        self.frozen_at = None
        self.world.thaw_listing()

    def advance(self, **amount: float) -> None:
        self.ledger.clock.advance(timedelta(**amount))

    # How things stand.

    @property
    def now(self) -> datetime:
        return self.ledger.clock.now()

    @property
    def watermark(self) -> datetime | None:
        return self.ledger.store._tables.watermarks.get("executions")

    @property
    def world(self) -> ChronicledEngine:
        world: ChronicledEngine = self.ledger.world
        return world

    @property
    def rows(self) -> dict[UUID, Operation]:
        return self.ledger.store._tables.operations

    @property
    def executions(self) -> dict[UUID, MemoryExecution]:
        """The operations' own, whether or not another one has the workflow id now."""
        found = {UUID(workflow_id): self.world.own(UUID(workflow_id)) for workflow_id in self.world._executions}
        return {operation_id: own for operation_id, own in found.items() if own is not None}

    @property
    def present(self) -> dict[UUID, MemoryExecution]:
        """The operations' own that have their workflow ids."""
        return {
            UUID(workflow_id): found
            for workflow_id, found in self.world._executions.items()
            if found.operation_id is not None
        }

    @property
    def foreign(self) -> list[UUID]:
        """Workflow ids that another client's open execution has."""
        return [
            UUID(workflow_id)
            for workflow_id, found in self.world._executions.items()
            if found.operation_id is None and found.open
        ]

    @property
    def without_execution(self) -> list[UUID]:
        """Operations whose workflow id is free."""
        return sorted(operation_id for operation_id in self.rows if str(operation_id) not in self.world._executions)

    @property
    def callbacks(self) -> list[PendingCallback]:
        """That the engine still has to deliver."""
        return self.world.callbacks

    def past(self, operation_id: UUID) -> Past:
        return self.world.past[operation_id]

    def open_ids(self) -> list[UUID]:
        return [operation_id for operation_id, execution in self.present.items() if execution.open]

    def begun_ids(self) -> list[UUID]:
        """Of executions that a worker has taken up, now closed or not."""
        return [
            operation_id
            for operation_id, execution in self.present.items()
            if execution.state is not ExecutionState.PENDING and not execution.never_picked_up
        ]

    def found_by_passes(self, operation_id: UUID) -> bool:
        """Whether the index listed the latest change in time."""
        return self.listed_late.get(operation_id) != self.past(operation_id).changed_at


def one(things: list[T], pick: int) -> T:
    """Any of them."""
    return things[pick % len(things)]
