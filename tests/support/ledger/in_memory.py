"""The whole ledger on fakes, with an engine whose calls a test can observe and change."""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from dependency_injector import providers

from adapters.memory.clock import MemoryClock
from adapters.memory.engine.callbacks import PendingCallback
from adapters.memory.engine.workflow_engine import MemoryWorkflowEngine
from adapters.memory.metrics import MemoryMetrics
from adapters.memory.store import MemoryStore
from application.adopt.adopt import Adopted
from application.adopt.watch_rules import WatchRules
from application.batching.step_result import StepResult
from application.converge.reconcile import ReconciledPage
from application.ports.engine.executions import Attached, Execution, InputRead
from application.ports.engine.index import IndexEntry, IndexPage, StartPage, Watch
from application.ports.engine.workflow_engine import (
    CompletionCallback,
    EngineUnavailable,
    StartRequest,
    WorkflowEngine,
)
from application.ports.monitoring.metrics import CallbackOutcome
from application.submit.retry import RetryOperation
from application.submit.submission import Submission
from application.submit.submit import SubmitOperations
from application.track.record import Recorded
from domain.access.callback_token import TOKEN_HEADER, CallbackKeys
from domain.evidence.finality import Finality
from domain.evidence.observation import Observation
from domain.operation.chain import Chain, Run, RunOrigin
from domain.operation.operation import Operation
from domain.operation.operation_type import OperationCatalogue, OperationType
from domain.operation.report import Report, ReportKind
from domain.operation.start.arguments import Arguments
from domain.operation.status import OperationStatus
from domain.operation.transition import Transition
from entrypoints.settings.settings import Settings
from entrypoints.wiring.api import ApiServices
from entrypoints.wiring.memory import MemoryAdapters, MemoryEngine, in_memory
from entrypoints.wiring.services import Services
from entrypoints.wiring.worker import WorkerServices
from tests.support.chains import own_chain
from tests.support.ledger.claims import run_once
from tests.support.ledger.faults import Crash, CrashingEngine, CrashingUnit, Faults

WORK = OperationType("work", workflow="Work", task_queue="workers")
CATALOGUE = OperationCatalogue({"work": WORK, "other": OperationType("other", "Other", "workers")})
ORDER = OperationType("order", "Order", "shop", adopt=True, labels={"team": "shop"})
ADOPTING = OperationCatalogue({"work": WORK, "order": ORDER})
"""The ledger starts workflows of the one type, other clients those of the other type."""
NAMESPACE = "default"
CALLBACK_URL = "http://ledger.test"
SECRET = "s" * 32
CALLBACK_KEYS = f"k1:{SECRET}"
KEYS = CallbackKeys({"k1": SECRET})
CLOSE_POLL = timedelta(seconds=2)
WATCH_EVERY = timedelta(seconds=1)
LEASE = timedelta(seconds=31)
"""A little longer than the lease of a claim."""


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

    async def describe(self, workflow_id: str, run_id: str | None = None) -> Execution | None:
        found: Execution | None = await self._watched(
            "describe", None, lambda: self._inner.describe(workflow_id, run_id)
        )
        return found

    async def input_of(self, chain: Chain, arguments: Arguments, max_bytes: int) -> InputRead:
        read: InputRead = await self._watched(
            "input_of", chain.operation_id, lambda: self._inner.input_of(chain, arguments, max_bytes)
        )
        return read

    async def attach_callback(self, execution: Execution, callback: CompletionCallback) -> Attached:
        attached: Attached = await self._watched(
            "attach_callback", None, lambda: self._inner.attach_callback(execution, callback)
        )
        return attached

    async def changed_since(
        self,
        since: datetime,
        page: bytes | None = None,
        *,
        closed_only: bool = False,
        watched: Collection[str] = (),
    ) -> IndexPage:
        answer: IndexPage = await self._watched(
            "changed_since",
            None,
            lambda: self._inner.changed_since(since, page, closed_only=closed_only, watched=watched),
        )
        return answer

    async def started_since(
        self,
        since: datetime,
        watches: Collection[Watch],
        page: bytes | None = None,
        *,
        until: datetime | None = None,
    ) -> StartPage:
        answer: StartPage = await self._watched(
            "started_since", None, lambda: self._inner.started_since(since, watches, page, until=until)
        )
        return answer

    async def selects(self, watch: Watch, run_id: str) -> bool:
        answer: bool = await self._watched("selects", None, lambda: self._inner.selects(watch, run_id))
        return answer

    async def with_problems(self, *, watched: Collection[str] = ()) -> list[IndexEntry]:
        answer: list[IndexEntry] = await self._watched(
            "with_problems", None, lambda: self._inner.with_problems(watched=watched)
        )
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
    """The services of the API and the worker as production wires them, on adapters in memory. `world` is the engine's
    own side: what workers and outsiders do."""

    def __init__(
        self,
        finality: Finality = Finality.ENGINE,
        catalogue: OperationCatalogue = CATALOGUE,
        *,
        callbacks: bool = False,
        index_page: int = 1000,
        **settings: Any,
    ) -> None:
        url = CALLBACK_URL if callbacks else None
        given = Settings(finality=finality, callback_url=url, callback_keys=CALLBACK_KEYS, **settings)
        self.parts = in_memory(given, catalogue)
        self.adapters: MemoryAdapters = self.parts["adapters"]
        self.temporal: MemoryEngine = self.parts["temporal"]
        self.services: Services = self.parts["services"]
        self.clock: MemoryClock = self.adapters.clock()
        self.store: MemoryStore = self.adapters.store()
        self.metrics: MemoryMetrics = self.adapters.metrics()
        self.temporal.engine.add_kwargs(page_size=index_page)
        self.override()
        self.restart(catalogue)

    def override(self) -> None:
        """Puts points where the process may be killed around the database and the engine, and lets the test listen to
        the engine."""
        self.faults = Faults()
        self.world: MemoryWorkflowEngine = self.temporal.engine()
        self.engine = WatchedEngine(CrashingEngine(self.world, self.faults))
        self.temporal.engine.override(providers.Object(self.engine))
        self.adapters.units.override(providers.Object(self.units))

    def override_services(self) -> None:
        """Changes what the containers of the API and the worker provide."""

    def restart(self, catalogue: OperationCatalogue) -> None:
        """Starts the API and the worker, with this catalogue."""
        parts = {**self.parts, "catalogue": providers.Object(catalogue)}
        self.api, self.worker = ApiServices(**parts), WorkerServices(**parts)
        self.override_services()
        self.worker.close_poll.add_kwargs(pause=timedelta())
        self.worker.watch_rules.add_kwargs(pause=timedelta())
        self.submitter = self.api.submit()
        self.canceller = self.api.cancel()
        self.reader = self.api.read()
        self.receiver = self.api.receiver()
        self.recorder = self.services.recorder()
        self.dispatcher = self.worker.dispatcher()
        self.follow_ups = self.worker.follow_ups()
        self.cancel_children = self.worker.cancel_children()
        self.verifier = self.worker.verifier()
        self.reports = self.worker.reports()
        self.reconciler = self.worker.reconciler()
        self.close_poll = self.worker.close_poll()
        self.start_watch = self.worker.start_watch()
        self.adopter = self.api.adopter()
        self.watch_rules = self.worker.watch_rules()

    def units(self) -> Any:
        """Units of work whose process may be killed."""
        return CrashingUnit(self.store.units(), self.faults)

    def new_submitter(self) -> SubmitOperations:
        """The service of one more process: a batch belongs to a process."""
        self.api.submit.reset()
        return self.api.submit()

    def new_retrier(self) -> RetryOperation:
        """The service of one more process, which submits by a `new_submitter`."""
        self.new_submitter()
        self.api.retry.reset()
        return self.api.retry()

    def new_watcher(self) -> WatchRules:
        """The watch of one more worker, which has seen nothing."""
        self.worker.watch_rules.reset()
        return self.worker.watch_rules()

    # What clients and workers do.

    async def submit(self, value: Any = None, **fields: Any) -> UUID:
        """Submits an operation. Returns its id."""
        submission = Submission("default", fields.pop("type", "work"), value, **fields)
        return (await self.submitter.submit(submission)).operation.id

    async def adopt(self, workflow_id: str, run_id: str | None = None, **fields: Any) -> Adopted:
        """Adopts an execution for a client."""
        tenant, kind = fields.pop("tenant", "default"), fields.pop("type", "order")
        return await self.adopter.adopt(tenant, kind, workflow_id, run_id, **fields)

    async def dispatched(self, value: Any = None) -> UUID:
        """Returns a new operation whose workflow is started and waits for a worker."""
        operation_id = await self.submit(value)
        await self.dispatch(100)
        return operation_id

    async def running(self) -> UUID:
        """Returns a new operation whose workflow has reported its start."""
        operation_id = await self.dispatched()
        self.world.pick_up(operation_id)
        await self.report(operation_id, ReportKind.STARTED)
        return operation_id

    async def report(self, operation_id: UUID, kind: ReportKind, **fields: Any) -> Recorded:
        """Receives a report of the workflow, made now."""
        return await self.reports.receive(
            operation_id, Report(kind, self.clock.now(), **fields), self.run_of(operation_id)
        )

    def run_of(self, operation_id: UUID) -> Run:
        """The latest run under the operation's workflow id; an unknown one where there is none."""
        known = self.world.knows(operation_id)
        return self.world.latest_run(operation_id) if known else Run(str(operation_id), "unknown")

    async def observed(self, operation_id: UUID) -> Observation:
        """Returns the engine's observation of the operation's chain, without the hooks of the test."""
        row = self.rows().get(operation_id)
        return await self.world.observe(own_chain(operation_id) if row is None else row.chain)

    async def cancel(self, operation_id: UUID, *, force: bool = False, **fields: Any) -> Operation:
        """Cancels an operation for a client."""
        return await self.canceller.cancel("default", operation_id, reason="no need", force=force, **fields)

    # What the ledger does by itself.

    async def watch(self) -> StepResult:
        """Makes one round of the watch rules when it is due."""
        self.clock.advance(WATCH_EVERY)
        return await self.watch_rules.step(1)

    async def dispatch(self, limit: int) -> StepResult:
        """Start the workflows of up to `limit` due operations."""
        return await run_once(self.dispatcher, limit)

    async def follow_up(self, limit: int) -> StepResult:
        """Follow up to `limit` due operations up."""
        return await run_once(self.follow_ups, limit)

    async def pass_cancellations_on(self, limit: int = 100) -> StepResult:
        """Pass up to `limit` due cancellation requests on to the children."""
        return await run_once(self.cancel_children, limit)

    async def verify(self, limit: int) -> StepResult:
        """Verify up to `limit` due operations."""
        return await run_once(self.verifier, limit)

    async def whole_pass(self) -> list[ReconciledPage]:
        """Reconcile what has changed."""
        pages = [await self.reconciler.page()]
        while pages[-1].cursor is not None:
            pages.append(await self.reconciler.page(pages[-1].cursor))
        return pages

    async def call_back(self, pending: PendingCallback) -> CallbackOutcome:
        """Receives a completion callback of the engine."""
        tenant = KEYS.verify(pending.operation_id, pending.callback.headers[TOKEN_HEADER])
        assert tenant is not None
        return await self.receiver.receive(pending.operation_id, tenant, pending.message)

    async def killed(self, work: Awaitable[Any], at_step: int) -> bool:
        """Runs the work in a process that is killed at that step. Returns whether it reached the step."""
        self.faults.arm(at_step)
        try:
            await work
        except Crash:
            return True
        finally:
            self.faults.arm(None)
        return False

    def pass_time(self, **amount: float) -> None:
        """Moves the clock."""
        self.clock.advance(timedelta(**amount))

    # What is stored.

    def rows(self) -> dict[UUID, Operation]:
        """Returns all operations."""
        return dict(self.store._tables.operations)

    def row(self, operation_id: UUID) -> Operation:
        """Returns the stored operation."""
        return self.rows()[operation_id]

    def status(self, operation_id: UUID) -> OperationStatus:
        """Returns the operation's status."""
        return self.row(operation_id).status

    def history(self, operation_id: UUID) -> list[Transition]:
        """Returns the operation's history, which must have no gap (P6)."""
        lines = list(self.store._tables.history[operation_id])
        assert [line.sequence for line in lines] == list(range(1, len(lines) + 1))
        assert [line.from_status for line in lines] == [None, *(line.to_status for line in lines[:-1])]
        return lines

    def statuses(self, operation_id: UUID) -> list[OperationStatus]:
        """Returns the statuses of the operation's history."""
        lines = self.history(operation_id)
        return [line.to_status for line in lines if line.to_status is not line.from_status]


DOWN = EngineUnavailable("the engine cannot be reached")
