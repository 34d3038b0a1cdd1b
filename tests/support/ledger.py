"""The whole ledger on fakes, and an engine that a test can listen to and interfere with."""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from temporalio.converter import DataConverter

from adapters.memory.clock import MemoryClock
from adapters.memory.engine.callbacks import PendingCallback
from adapters.memory.engine.workflow_engine import MemoryWorkflowEngine
from adapters.memory.metrics import MemoryMetrics
from adapters.memory.operation_ids import MemoryOperationIds
from adapters.memory.store import MemoryStore
from adapters.temporal.callback_reader import TemporalCallbackReader
from application.batching.claim_loop import ClaimResult
from application.batching.group_commit import GroupCommit
from application.control.cancel import CancelOperation
from application.converge.close_poll import PollCloses
from application.converge.follow_up import FollowUpOperations
from application.converge.inquiry import Inquiry
from application.converge.reconcile import ReconciledPage, ReconcileOperations
from application.converge.start_watch import WatchStarts
from application.converge.verify import VerifyOperations
from application.dispatch.completion_callbacks import CompletionCallbacks
from application.dispatch.dispatch import DispatchOperations
from application.ports.metrics import CallbackOutcome
from application.ports.workflow_engine import (
    CompletionCallback,
    EngineUnavailable,
    IndexPage,
    StartRequest,
    WorkflowEngine,
)
from application.submit.submission import Submission
from application.submit.submit import SubmitOperations
from application.track.receive_callback import ReceiveCallback
from application.track.receive_report import ReceiveReport
from application.track.record import Recorded, RecordEvidence
from application.watch.read import ReadOperations
from domain.access.callback_token import TOKEN_HEADER, CallbackKeys
from domain.errors import Fault
from domain.evidence.finality import Finality
from domain.evidence.observation import Observation
from domain.evidence.reconciliation import ReconcilePolicy
from domain.operation.chain import Chain, Run, RunOrigin
from domain.operation.operation import Operation
from domain.operation.operation_type import OperationCatalogue, OperationType
from domain.operation.report import Report, ReportKind
from domain.operation.status import OperationStatus
from domain.operation.transition import Transition
from tests.support.claims import run_once
from tests.support.faults import Crash, CrashingEngine, CrashingUnit, Faults

WORK = OperationType("work", workflow="Work", task_queue="workers")
CATALOGUE = OperationCatalogue({"work": WORK, "other": OperationType("other", "Other", "workers")})
CALLBACK_URL = "http://ledger.test"
KEYS = CallbackKeys({"k1": "s" * 32})
CLOSE_POLL = timedelta(seconds=2)
VERIFY_EVERY = timedelta(hours=1)
LEASE = timedelta(seconds=31)
"""A little longer than what a claim is good for."""


class AnyInput:
    """Takes every input."""

    def faults(self, operation_type: OperationType, value: object) -> Sequence[Fault]:
        return ()


class WatchedEngine:
    """Passes every call on, after noting it and doing what the test asked for at that point."""

    def __init__(self, inner: WorkflowEngine) -> None:
        self._inner = inner
        self.calls: defaultdict[str, list[Any]] = defaultdict(list)
        self.before: dict[tuple[str, UUID | None], Callable[[], Awaitable[None]]] = {}
        """By name of the call and operation, or None for any: awaited before the call. May raise."""
        self.after: dict[tuple[str, UUID | None], Callable[[], Awaitable[None]]] = {}
        """Awaited after the call took effect, before its answer is given."""

    def break_for(self, call: str, operation_id: UUID | None, error: Exception) -> None:
        """The call raises the error, for that operation or for any."""

        async def fail() -> None:
            raise error

        self.before[(call, operation_id)] = fail

    async def start(self, request: StartRequest) -> str:
        run_id: str = await self._watched("start", request.operation_id, lambda: self._inner.start(request))
        return run_id

    async def observe(self, chain: Chain, *, likely_closed: bool = False) -> Observation:
        answer: Observation = await self._watched(
            "observe", chain.operation_id, lambda: self._inner.observe(chain, likely_closed=likely_closed)
        )
        return answer

    async def origin(self, run: Run) -> RunOrigin | None:
        origin: RunOrigin | None = await self._watched("origin", None, lambda: self._inner.origin(run))
        return origin

    async def changed_since(
        self, since: datetime, page: bytes | None = None, *, closed_only: bool = False
    ) -> IndexPage:
        answer: IndexPage = await self._watched(
            "changed_since", None, lambda: self._inner.changed_since(since, page, closed_only=closed_only)
        )
        return answer

    async def with_problems(self) -> frozenset[UUID]:
        answer: frozenset[UUID] = await self._watched("with_problems", None, self._inner.with_problems)
        return answer

    async def cancel(self, chain: Chain, reason: str) -> None:
        await self._watched("cancel", chain.operation_id, lambda: self._inner.cancel(chain, reason))

    async def terminate(self, chain: Chain, reason: str) -> None:
        await self._watched("terminate", chain.operation_id, lambda: self._inner.terminate(chain, reason))

    async def ping(self) -> None:
        await self._inner.ping()

    async def check_callback(self, callback: CompletionCallback) -> None:
        await self._watched("check_callback", None, lambda: self._inner.check_callback(callback))

    async def _watched(self, name: str, operation_id: UUID | None, call: Callable[[], Awaitable[Any]]) -> Any:
        self.calls[name].append(operation_id)
        await self._hook(self.before, name, operation_id)
        answer = await call()
        await self._hook(self.after, name, operation_id)
        return answer

    async def _hook(
        self, hooks: dict[Any, Callable[[], Awaitable[None]]], name: str, operation_id: UUID | None
    ) -> None:
        for key in {(name, operation_id), (name, None)}:
            if key in hooks:
                await hooks[key]()


class FakeLedger:
    """Every service on the memory adapters; `world` is the engine's own side: what workers and outsiders do."""

    world_class: type[MemoryWorkflowEngine] = MemoryWorkflowEngine
    faults_class: type[Faults] = Faults
    changes_class: type[GroupCommit] = GroupCommit

    def __init__(
        self,
        finality: Finality = Finality.ENGINE,
        catalogue: OperationCatalogue = CATALOGUE,
        *,
        callbacks: bool = False,
        index_page: int = 1000,
    ) -> None:
        self.clock = MemoryClock()
        self.store = MemoryStore(self.clock)
        self.world = self.world_class(self.clock, page_size=index_page)
        self.faults = self.faults_class()
        self.engine = WatchedEngine(CrashingEngine(self.world, self.faults))
        self.catalogue = catalogue
        self.metrics = MemoryMetrics()
        self.changes = self.changes_class(self.units)
        base_url = CALLBACK_URL if callbacks else None
        self.callbacks = CompletionCallbacks(base_url, KEYS, self.clock, self.metrics)
        self.recorder = RecordEvidence(self.changes, self.clock, finality, ReconcilePolicy(), self.metrics)
        self.ids = MemoryOperationIds(self.clock)
        self.submitter = self.new_submitter()
        self.dispatcher = DispatchOperations(
            self.units,
            self.changes,
            self.engine,
            self.clock,
            catalogue,
            self.callbacks,
            self.metrics,
            finality=finality,
        )
        self.follow_ups = FollowUpOperations(self.units, self.changes, self.engine, self.clock, self.recorder)
        self.verifier = VerifyOperations(self.units, self.engine, self.clock, self.recorder, VERIFY_EVERY)
        self.reports = ReceiveReport(self.recorder, self.engine, self.metrics)
        inquiry = Inquiry(self.units, self.changes, self.engine, self.clock, self.recorder)
        self.reconciler = ReconcileOperations(self.units, self.engine, self.clock, inquiry, self.metrics)
        self.close_poll = PollCloses(self.units, self.engine, inquiry, CLOSE_POLL, pause=timedelta())
        self.start_watch = WatchStarts(self.units, self.clock, catalogue, inquiry)
        reader = TemporalCallbackReader(DataConverter.default, "default")
        self.receiver = ReceiveCallback(
            self.units, self.changes, self.engine, self.clock, reader, self.recorder, self.metrics
        )
        self.canceller = CancelOperation(self.changes, self.clock)
        self.reader = ReadOperations(self.store.queries)

    def units(self) -> Any:
        """Units of work whose process may be killed."""
        return CrashingUnit(self.store.units(), self.faults)

    def new_submitter(self) -> SubmitOperations:
        """The service of one more process: a batch belongs to a process."""
        return SubmitOperations(self.units, self.clock, self.ids, self.catalogue, AnyInput())

    # What clients and workers do.

    async def submit(self, value: Any = None, **fields: Any) -> UUID:
        """A new operation's id."""
        submission = Submission("default", fields.pop("type", "work"), value, **fields)
        return (await self.submitter.submit(submission)).operation.id

    async def dispatched(self, value: Any = None) -> UUID:
        """A new operation whose workflow is started and waits for a worker."""
        operation_id = await self.submit(value)
        await self.dispatch(100)
        return operation_id

    async def running(self) -> UUID:
        """A new operation whose workflow runs and has said so."""
        operation_id = await self.dispatched()
        self.world.pick_up(operation_id)
        await self.report(operation_id, ReportKind.STARTED)
        return operation_id

    async def report(self, operation_id: UUID, kind: ReportKind, **fields: Any) -> Recorded:
        """What the workflow says of itself, now."""
        return await self.reports.receive(
            operation_id, Report(kind, self.clock.now(), **fields), self.run_of(operation_id)
        )

    def run_of(self, operation_id: UUID) -> Run:
        """The latest run under the operation's workflow id; one that nobody knows where there is none."""
        known = operation_id in self.world._executions
        return self.world.latest_run(operation_id) if known else Run(str(operation_id), "unknown")

    async def observed(self, operation_id: UUID) -> Observation:
        """The engine's word on the chain of the operation, past all hooks."""
        row = self.rows().get(operation_id)
        return await self.world.observe(Chain(operation_id) if row is None else row.chain)

    async def cancel(self, operation_id: UUID, *, force: bool = False, **fields: Any) -> Operation:
        """What a client asks for."""
        return await self.canceller.cancel("default", operation_id, reason="no need", force=force, **fields)

    # What the ledger does by itself.

    async def dispatch(self, limit: int) -> ClaimResult:
        """Start the workflows of up to `limit` due operations."""
        return await run_once(self.dispatcher, limit)

    async def follow_up(self, limit: int) -> ClaimResult:
        """Follow up to `limit` due operations up."""
        return await run_once(self.follow_ups, limit)

    async def verify(self, limit: int) -> ClaimResult:
        """Verify up to `limit` due operations."""
        return await run_once(self.verifier, limit)

    async def whole_pass(self) -> list[ReconciledPage]:
        """Reconcile what has changed."""
        pages = [await self.reconciler.page()]
        while pages[-1].cursor is not None:
            pages.append(await self.reconciler.page(pages[-1].cursor))
        return pages

    async def call_back(self, pending: PendingCallback) -> CallbackOutcome:
        """The engine's call arrives."""
        tenant = KEYS.verify(pending.operation_id, pending.callback.headers[TOKEN_HEADER])
        assert tenant is not None
        return await self.receiver.receive(pending.operation_id, tenant, pending.message)

    async def killed(self, work: Awaitable[Any], at_step: int) -> bool:
        """Run it in a process that is killed at that step; whether it got that far."""
        self.faults.arm(at_step)
        try:
            await work
        except Crash:
            return True
        finally:
            self.faults.arm(None)
        return False

    def pass_time(self, **amount: float) -> None:
        """Let time pass."""
        self.clock.advance(timedelta(**amount))

    # What is stored.

    def rows(self) -> dict[UUID, Operation]:
        """All operations."""
        return dict(self.store._tables.operations)

    def row(self, operation_id: UUID) -> Operation:
        """The operation as it is stored."""
        return self.rows()[operation_id]

    def status(self, operation_id: UUID) -> OperationStatus:
        """Its status."""
        return self.row(operation_id).status

    def history(self, operation_id: UUID) -> list[Transition]:
        """Its history, after a look whether that is whole (P6)."""
        lines = list(self.store._tables.history[operation_id])
        assert [line.sequence for line in lines] == list(range(1, len(lines) + 1))
        assert [line.from_status for line in lines] == [None, *(line.to_status for line in lines[:-1])]
        return lines

    def statuses(self, operation_id: UUID) -> list[OperationStatus]:
        """The statuses that it went through."""
        lines = self.history(operation_id)
        return [line.to_status for line in lines if line.to_status is not line.from_status]


DOWN = EngineUnavailable("the engine cannot be reached")
