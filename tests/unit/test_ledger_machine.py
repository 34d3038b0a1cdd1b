"""The whole application on fakes, randomly interleaved: P1, P2, P3, P6 after every step, convergence at the end."""

import asyncio
from collections import Counter
from collections.abc import Awaitable
from datetime import timedelta
from typing import Any
from uuid import UUID

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from adapters.memory.clock import MemoryClock
from adapters.memory.operation_ids import MemoryOperationIds
from adapters.memory.store import MemoryStore
from adapters.memory.workflow_engine import MemoryWorkflowEngine
from application.ports.workflow_engine import EngineUnavailable
from application.services.cancel import CancelOperation
from application.services.dispatch import DispatchOperations
from application.services.follow_up import FollowUpOperations
from application.services.reconcile import ReconcileOperations
from application.services.record import RecordEvidence
from application.services.submit import Submission, SubmitOperation
from domain.errors import OperationAlreadyDone
from domain.evidence import ExecutionState, Observation, Progress, Report, ReportKind
from domain.finality import Finality
from domain.operation import Operation
from domain.operation_error import ErrorCode, OperationError
from domain.operation_type import OperationCatalogue, OperationType
from domain.reconciliation import ReconcilePolicy
from domain.status import OperationStatus
from domain.transition import Source
from tests.support.faults import Crash, CrashingEngine, CrashingUnit, Faults

CATALOGUE = OperationCatalogue({"work": OperationType("work", workflow="Work", task_queue="workers")})
OPEN = (ExecutionState.PENDING, ExecutionState.RUNNING)
crash_points = st.one_of(st.none(), st.integers(0, 15))
picks = st.integers(0, 1000)
S, X = OperationStatus, ExecutionState


class AnyInput:
    """The schema is not what is tested here."""

    def validate(self, operation_type: OperationType, value: object) -> None: ...


class Ledger(RuleBasedStateMachine):
    """A model of the world around the ledger: clients, workers, Temporal's users, kill -9, time."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.clock = MemoryClock()
        self.store = MemoryStore()
        self.world = MemoryWorkflowEngine(self.clock)
        self.faults = Faults()
        self.ids = MemoryOperationIds(self.clock)
        self.answered: dict[str, UUID] = {}
        self.mail: list[tuple[UUID, Report]] = []
        self.old_news: list[tuple[UUID, Observation]] = []
        self.losses: Counter[UUID] = Counter()
        self.seen: dict[UUID, Operation] = {}
        self.finality = Finality.ENGINE
        self.wire()

    @initialize(finality=st.sampled_from([Finality.ENGINE, Finality.ENGINE, Finality.WORKFLOW]), busy=st.booleans())
    def choose(self, finality: Finality, busy: bool) -> None:
        self.finality = finality
        self.wire()
        if busy:
            for key in "abc":
                self.submit(key, None)
            self.dispatch(None, 2, 1)

    def wire(self) -> None:
        def units() -> Any:
            return CrashingUnit(self.store.units(), self.faults)

        engine: Any = CrashingEngine(self.world, self.faults)
        self.submitter = SubmitOperation(units, self.clock, self.ids, CATALOGUE, AnyInput())
        self.recorder = RecordEvidence(units, self.clock, self.finality, ReconcilePolicy())
        self.dispatcher = DispatchOperations(units, engine, self.clock, CATALOGUE)
        self.followers = FollowUpOperations(units, engine, self.clock, self.recorder)
        self.reconciler = ReconcileOperations(units, engine, self.recorder)
        self.canceller = CancelOperation(units, self.clock)

    def process(self, work: Awaitable[Any], crash_at: int | None = None) -> Any:
        """Run it in a process of its own, which is killed at that step. None if it was, or if the engine is down."""

        async def life() -> Any:
            try:
                return await work
            except (Crash, EngineUnavailable):
                return None
            finally:
                others = asyncio.all_tasks() - {asyncio.current_task()}
                for task in others:
                    task.cancel()
                await asyncio.gather(*others, return_exceptions=True)

        self.faults.arm(crash_at)
        try:
            return self.runner.run(life())
        finally:
            self.faults.arm(None)

    # What clients do.

    @rule(key=st.sampled_from("abcd"), crash_at=crash_points)
    def submit(self, key: str, crash_at: int | None) -> None:
        """Also the retry of a client that never saw its answer."""
        submission = Submission("default", "work", {"key": key}, idempotency_key=key)
        answer = self.process(self.submitter.submit(submission), crash_at)
        if answer is not None:
            assert self.answered.setdefault(key, answer.operation.id) == answer.operation.id
            assert answer.operation.id in self.rows()

    @precondition(lambda self: self.rows())
    @rule(pick=picks, force=st.booleans(), crash_at=crash_points)
    def cancel(self, pick: int, force: bool, crash_at: int | None) -> None:
        operation_id = self.pick_row(pick)
        try:
            self.process(self.canceller.cancel("default", operation_id, reason="r", force=force), crash_at)
        except OperationAlreadyDone:
            assert self.rows()[operation_id].done

    # What the ledger's own processes do.

    @rule(crash_at=crash_points, limit=st.integers(1, 5), rivals=st.integers(1, 2))
    def dispatch(self, crash_at: int | None, limit: int, rivals: int) -> None:
        async def compete() -> None:
            await asyncio.gather(*(self.dispatcher.step(limit) for _ in range(rivals)))

        self.process(compete(), crash_at)

    @rule(crash_at=crash_points, limit=st.integers(1, 5))
    def follow_up(self, crash_at: int | None, limit: int) -> None:
        self.process(self.followers.step(limit), crash_at)

    @rule(crash_at=crash_points, size=st.integers(1, 3))
    def reconcile(self, crash_at: int | None, size: int) -> None:
        async def whole_pass() -> None:
            after: UUID | None = None
            while True:
                page = await self.reconciler.page(after, size)
                after = page.next_after
                if after is None:
                    return

        self.process(whole_pass(), crash_at)

    @rule(seconds=st.sampled_from([0.0, 0.06, 1.0, 31.0, 100.0]))
    def wait(self, seconds: float) -> None:
        self.clock.advance(timedelta(seconds=seconds))

    # What workers do, and what becomes of their reports.

    @precondition(lambda self: self.open_ids())
    @rule(
        pick=picks,
        what=st.sampled_from(
            ["take_up", "complete", "fail", "continue_as_new", "retry_attempt", "give_way", "time_out"]
        ),
        result=st.sampled_from([None, 0, "", [], {}, {"a": 1}]),
        told=st.booleans(),
    )
    def work(self, pick: int, what: str, result: Any, told: bool) -> None:
        operation_id = self.pick(self.open_ids(), pick)
        if what != "time_out":
            self.world.take_up(operation_id)
            self.post(operation_id, ReportKind.STARTED)
        match what:
            case "take_up":
                pass
            case "complete":
                self.post(operation_id, ReportKind.COMPLETED, result=result)
                if told:  # else reported, but the close is refused or pre-empted (hazard 16)
                    self.world.complete(operation_id, result)
            case "fail":
                self.post(operation_id, ReportKind.FAILED, error=OperationError(ErrorCode.WORKFLOW_FAILED, "boom"))
                self.world.fail(operation_id, "boom")
            case "retry_attempt":
                error = OperationError(ErrorCode.WORKFLOW_FAILED, "attempt failed")
                self.post(operation_id, ReportKind.FAILED, error=error, provisional=True)
                self.world.retry_attempt(operation_id)
            case "give_way":
                self.post(operation_id, ReportKind.FAILED, error=OperationError(ErrorCode.CANCELED, "canceled"))
                self.world.cancel_acknowledged(operation_id)
            case "continue_as_new":
                self.world.continue_as_new(operation_id)
            case _:
                self.world.time_out(operation_id)

    @precondition(lambda self: self.mail)
    @rule(pick=picks, fate=st.sampled_from(["once", "again later", "lost"]), crash_at=crash_points)
    def deliver(self, pick: int, fate: str, crash_at: int | None) -> None:
        """In any order, twice, or never."""
        letter = self.mail[pick % len(self.mail)]
        if fate != "again later":
            self.mail.remove(letter)
        if fate != "lost":
            self.process(self.recorder.report(*letter), crash_at)

    @precondition(lambda self: self.open_ids())
    @rule(pick=picks, fraction=st.floats(0, 1))
    def report_progress(self, pick: int, fraction: float) -> None:
        operation_id = self.pick(self.open_ids(), pick)
        self.world.take_up(operation_id)
        self.post(operation_id, ReportKind.PROGRESS, progress=Progress(fraction, None))

    # What Temporal and its other users do.

    @precondition(lambda self: self.open_ids())
    @rule(pick=picks)
    def terminate(self, pick: int) -> None:
        self.world.terminate_from_outside(self.pick(self.open_ids(), pick), "by hand", "operator")

    @precondition(lambda self: self.executions())
    @rule(pick=picks)
    def lose(self, pick: int) -> None:
        operation_id = self.pick(sorted(self.executions()), pick)
        self.losses[operation_id] += 1
        self.world.lose(operation_id)

    @rule(what=st.sampled_from(["freeze_listing", "thaw_listing", "lose_next_reply"]))
    def weather(self, what: str) -> None:
        getattr(self.world, what)()

    @rule(what=st.sampled_from(["dispatch", "follow_up", "reconcile"]), crash_at=crash_points)
    def meanwhile_down(self, what: str, crash_at: int | None) -> None:
        """The ledger's processes go on while Temporal is away."""
        self.world.go_down()
        step = {"dispatch": lambda: self.dispatch(crash_at, 5, 1), "follow_up": lambda: self.follow_up(crash_at, 5)}
        step.get(what, lambda: self.reconcile(crash_at, 2))()
        self.world.come_back()

    @precondition(lambda self: not self.world._next_refusals)
    @rule(permanent=st.booleans())
    def refuse(self, permanent: bool) -> None:
        (self.world.reject_next if permanent else self.world.fail_next)("no")
        self.dispatch(None, 5, 1)

    @precondition(lambda self: self.rows())
    @rule(pick=picks)
    def ask(self, pick: int) -> None:
        """An observation whose answer takes its time."""
        operation_id, now = self.pick_row(pick), self.clock.now()
        execution = self.executions().get(operation_id)
        observation = Observation(X.NOT_FOUND, now) if execution is None else execution.observed(now)
        self.old_news.append((operation_id, observation))

    @precondition(lambda self: self.old_news)
    @rule(pick=picks, crash_at=crash_points)
    def late_answer(self, pick: int, crash_at: int | None) -> None:
        """Hazard 23: somebody writes an older view over what has happened since."""
        operation_id, observation = self.old_news.pop(pick % len(self.old_news))
        self.process(self.recorder.observation(operation_id, observation, Source.RECONCILIATION), crash_at)

    # What must hold after every step.

    @invariant()
    def final_is_final_and_moves_are_legal(self) -> None:
        """P2."""
        for operation_id, row in self.rows().items():
            before = self.seen.get(operation_id)
            if before is not None and before.done:
                assert (row.status, row.result, row.error, row.finished_at) == (
                    before.status,
                    before.result,
                    before.error,
                    before.finished_at,
                )
            self.seen[operation_id] = row
        assert set(self.seen) == set(self.rows())

    @invariant()
    def history_is_whole(self) -> None:
        """P6: gap-free, every line begins where the last one ended, the last one is the status."""
        for operation_id, row in self.rows().items():
            lines = self.store._tables.history[operation_id]
            assert [line.sequence for line in lines] == list(range(1, row.history_length + 1))
            assert [line.from_status for line in lines] == [None, *[line.to_status for line in lines[:-1]]]
            assert lines[-1].to_status is row.status
            for line in lines[1:]:
                assert line.from_status is not None
                assert line.from_status is line.to_status or line.from_status.may_become(line.to_status)
            assert [line.at for line in lines] == sorted(line.at for line in lines)

    @invariant()
    def one_row_and_one_chain(self) -> None:
        """P1: nothing that is accepted is lost, nothing is started twice, nothing runs without a row."""
        assert set(self.answered.values()) <= set(self.rows())
        assert len({row.input["key"] for row in self.rows().values()}) == len(self.rows())  # type: ignore[index,call-overload]
        for operation_id, starts in Counter(start.operation_id for start in self.world.starts).items():
            assert operation_id in self.rows()
            assert starts <= 1 + self.losses[operation_id]

    @invariant()
    def terminal_means_closed(self) -> None:
        """P3, and what never started was never started."""
        if self.finality is Finality.WORKFLOW:
            return
        for operation_id, row in self.rows().items():
            execution = self.executions().get(operation_id)
            if row.done and execution is not None and not self.losses[operation_id]:
                assert row.started_at is not None
                assert execution.state not in OPEN

    def teardown(self) -> None:
        """P4: when the faults end and every report is lost, asking alone makes the ledger true."""
        self.world.thaw_listing()
        for _ in range(12):
            self.dispatch(None, 100, 1)
            self.follow_up(None, 100)
            self.reconcile(None, 100)
            self.clock.advance(timedelta(seconds=61))
        self.final_is_final_and_moves_are_legal()
        self.history_is_whole()
        self.one_row_and_one_chain()
        self.terminal_means_closed()
        if self.finality is Finality.ENGINE:
            for operation_id, row in self.rows().items():
                self.is_true(operation_id, row)
        self.runner.close()

    def is_true(self, operation_id: UUID, row: Operation) -> None:
        """The row says what Temporal says."""
        execution = self.executions().get(operation_id)
        if execution is None or self.losses[operation_id]:
            assert row.done or execution is not None
            return
        expected = {X.PENDING: S.ACCEPTED, X.RUNNING: S.RUNNING, X.COMPLETED: S.COMPLETED}
        assert row.status is expected.get(execution.state, S.FAILED)
        if row.status is S.COMPLETED:
            assert row.result == execution.result
        if row.error is not None:
            assert execution.error is not None
            assert row.error.code is execution.error.code
        assert not row.cancel_pending

    # Helpers.

    def rows(self) -> dict[UUID, Operation]:
        return self.store._tables.operations

    def executions(self) -> dict[UUID, Any]:
        return self.world._executions

    def open_ids(self) -> list[UUID]:
        return [operation_id for operation_id, execution in self.executions().items() if execution.open]

    def pick(self, ids: list[UUID], pick: int) -> UUID:
        return ids[pick % len(ids)]

    def pick_row(self, pick: int) -> UUID:
        return self.pick(list(self.rows()), pick)

    def post(self, operation_id: UUID, kind: ReportKind, **fields: Any) -> None:
        self.mail.append((operation_id, Report(kind=kind, at=self.clock.now(), **fields)))


TestLedger = Ledger.TestCase
TestLedger.settings = settings(max_examples=100, stateful_step_count=60, deadline=None)
