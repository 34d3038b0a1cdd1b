"""The ledger in memory: the containers of production on the adapters in memory, in a thread of its own."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, TypeVar
from uuid import UUID

from dependency_injector import providers
from litestar.types import ASGIApp, Message
from msgspec import UNSET, UnsetType

from application.ports.engine.workflow_engine import StartRequest
from application.ports.storage.operation_view import OperationView
from domain.errors import OperationNotFound, StartupError
from domain.evidence.reported_execution import ReportedExecution
from domain.operation.operation import MISSING
from domain.operation.report import Progress, Report, ReportKind
from domain.operation.start.arguments import Arguments
from domain.operation.status import OperationStatus
from entrypoints.serve_api import application
from entrypoints.settings.settings import Settings
from entrypoints.testing.access import TenantsByName
from entrypoints.testing.due_work import DueWork
from entrypoints.testing.loop_thread import LoopThread
from entrypoints.testing.transport import InProcessTransport
from entrypoints.wiring.api import ApiServices, served
from entrypoints.wiring.catalogue import checked_catalogue
from entrypoints.wiring.memory import MemoryAdapters, MemoryEngine, foreign_start, in_memory
from entrypoints.wiring.worker import WorkerServices
from opledger.testing import Ledger, OperationRef

_T = TypeVar("_T")
_READS: Final = ("GET", "HEAD", "OPTIONS")
_CALLBACK_KEYS: Final = "memory:" + 32 * "0"
"""Callbacks come from the engine in the same process."""


@contextmanager
def open_ledger(operations: Path) -> Iterator[Ledger]:
    """A ledger with the operation types of the file. Raises ValueError: the file cannot be used."""
    thread = LoopThread()
    try:
        try:
            ledger = InMemoryLedger(operations, thread)
        except StartupError as error:
            raise ValueError(str(error)) from None
        thread.run(ledger.open())
        try:
            yield ledger
        finally:
            thread.run(ledger.close())
    finally:
        thread.close()


class InMemoryLedger(Ledger):
    """The services of the API and the worker, as production wires them. Everything runs in the thread's event loop."""

    def __init__(self, operations: Path, thread: LoopThread) -> None:
        """Raises StartupError."""
        self._settings = Settings(
            operations=str(operations), callback_url=self.url, callback_keys=_CALLBACK_KEYS, close_poll=None
        )
        parts = in_memory(self._settings, checked_catalogue(self._settings))
        adapters: MemoryAdapters = parts["adapters"]
        temporal: MemoryEngine = parts["temporal"]
        self._access = TenantsByName()
        self._api = ApiServices(**parts, access=providers.Object(self._access))
        self._worker, self._temporal = WorkerServices(**parts), temporal
        self._clock, self._engine = adapters.clock(), temporal.engine()
        self._thread = thread
        self._closing = AsyncExitStack()
        self._plans: dict[str, Callable[[StartRequest], None]] = {}

    async def open(self) -> None:
        """Builds the application."""
        parts = await self._closing.enter_async_context(served(self._api, self._settings))
        self._app: ASGIApp = application(parts, self._settings)
        self._work = DueWork(self._worker, self._temporal, self._app, self.url)
        self._work.on_start = self._on_start
        self._transport = InProcessTransport(self._settled, self._thread)

    async def close(self) -> None:
        """Ends waits and streams."""
        await self._closing.aclose()

    @property
    def transport(self) -> InProcessTransport:
        return self._transport

    @property
    def now(self) -> datetime:
        return self._clock.now()

    def advance(self, *, days: float = 0, hours: float = 0, minutes: float = 0, seconds: float = 0) -> datetime:
        by = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
        if by < timedelta():
            raise ValueError("the clock moves forward only")
        return self._thread.run(self._work.advance(by))

    def start_elsewhere(
        self,
        workflow: str,
        workflow_id: str,
        input: Any | UnsetType = UNSET,  # noqa: A002
        *,
        parent: OperationRef | None = None,
        reports: bool = False,
        task_queue: str | None = None,
        search_attributes: Mapping[str, str] | None = None,
    ) -> None:
        declared = self._api.catalogue().of_workflow(workflow)
        queue = task_queue or ("" if declared is None else declared.task_queue)
        spread = declared is not None and declared.arguments is Arguments.SPREAD
        arguments = () if input is UNSET else input if spread else (input,)
        fields = foreign_start(workflow, queue, arguments, search_attributes or {})

        async def act() -> None:
            if parent is None:
                self._engine.start_from_outside(workflow_id, fields)
            else:
                found = await self._found(parent)
                self._engine.start_child(workflow_id, self._engine.latest_run(found.workflow_id), fields)
            if reports:
                self._engine.pick_up(workflow_id)
                await self._report_foreign(workflow_id, workflow, queue)
            await self._work.do()

        self._thread.run(act())

    async def _report_foreign(self, workflow_id: str, workflow: str, queue: str) -> None:
        """The first report of a workflow that the ledger did not start."""
        run = self._engine.latest_run(workflow_id)
        execution = ReportedExecution(
            self._temporal.namespace(), workflow_id, run.run_id, run.run_id, workflow, queue, self.now
        )
        report = Report(ReportKind.STARTED, self.now)
        await self._worker.reports().receive(execution.adopted_id, report, run, execution=execution)

    def start(self, operation: OperationRef) -> None:
        self._act(operation, lambda _workflow_id: None, starts=True)

    def report_progress(self, operation: OperationRef, fraction: float | None, message: str | None = None) -> None:
        async def act() -> None:
            found = await self._found(operation)
            await self._started(found)
            report = Report(ReportKind.PROGRESS, self.now, progress=Progress(fraction, message))
            await self._report(found, report)
            await self._work.do()

        self._thread.run(act())

    def complete(self, operation: OperationRef, result: Any = None) -> None:
        self._act(operation, lambda workflow_id: self._engine.complete(workflow_id, result), starts=True)

    def fail(self, operation: OperationRef, message: str) -> None:
        self._act(operation, lambda workflow_id: self._engine.fail(workflow_id, message), starts=True)

    def cancel(self, operation: OperationRef) -> None:
        self._act(operation, self._engine.cancel_acknowledged, starts=True)

    def time_out(self, operation: OperationRef) -> None:
        self._act(operation, lambda workflow_id: self._engine.time_out(workflow_id, "execution"))

    def terminate(self, operation: OperationRef, reason: str = "", actor: str = "") -> None:
        self._act(operation, lambda workflow_id: self._engine.terminate_from_outside(workflow_id, reason, actor))

    def lose(self, operation: OperationRef) -> None:
        self._act(operation, self._engine.lose)

    def stall(self, operation: OperationRef, reason: str) -> None:
        self._act(operation, lambda workflow_id: self._engine.stall(workflow_id, reason), starts=True)

    def recover(self, operation: OperationRef) -> None:
        self._act(operation, self._engine.unstall)

    def go_down(self) -> None:
        self._engine.go_down()

    def come_back(self) -> None:
        self._engine.come_back()

    def always_complete(self, type: str, result: Any | Callable[[Any], Any] = None) -> None:  # noqa: A002
        def complete(request: StartRequest) -> None:
            value = None if request.input is MISSING else request.input
            self._engine.complete(request.workflow_id, result(value) if callable(result) else result)

        self._plan(type, complete)

    def always_fail(self, type: str, message: str) -> None:  # noqa: A002
        self._plan(type, lambda request: self._engine.fail(request.workflow_id, message))

    def _plan(self, name: str, end: Callable[[StartRequest], None]) -> None:
        """Raises LookupError: the type is not declared."""
        if name not in self._api.catalogue().types:
            raise LookupError(self._api.catalogue().unknown(name))
        self._plans[name] = end

    def _on_start(self, request: StartRequest) -> None:
        if request.type.name in self._plans:
            self._engine.pick_up(request.workflow_id)
            self._plans[request.type.name](request)

    def _act(self, operation: OperationRef, event: Callable[[str], object], *, starts: bool = False) -> None:
        """Lets the event happen, and the ledger take notice. `starts`: the workflow starts first, if it waits."""

        async def act() -> None:
            found = await self._found(operation)
            if starts:
                await self._started(found)
            event(found.workflow_id)
            await self._work.do()

        self._thread.run(act())

    async def _found(self, operation: OperationRef) -> OperationView:
        """The operation, of any tenant. Raises LookupError."""
        operation_id = UUID(str(getattr(operation, "id", operation)))
        for tenant in [*self._access.tenants]:
            with suppress(OperationNotFound):
                found = await self._api.read().get(tenant, operation_id)
                break
        else:
            raise LookupError(f"there is no operation {operation_id}")
        if not self._engine.knows(found.workflow_id):
            later = "" if found.start_at is None else f"; it starts at {found.start_at.isoformat()}"
            raise LookupError(f"operation {operation_id} ({found.status}) has no workflow{later}")
        return found

    async def _started(self, operation: OperationView) -> None:
        if operation.status is OperationStatus.ACCEPTED:
            self._engine.pick_up(operation.workflow_id)
            await self._report(operation, Report(ReportKind.STARTED, self.now))

    async def _report(self, operation: OperationView, report: Report) -> None:
        await self._worker.reports().receive(operation.id, report, self._engine.latest_run(operation.workflow_id))

    async def _settled(self, scope: Any, receive: Any, send: Any) -> None:
        """The application. A request that may change something is answered after the ledger has done what is due."""
        if scope["method"] in _READS:
            await self._app(scope, receive, send)
            return
        messages: list[Message] = []

        async def keep(message: Message) -> None:
            messages.append(message)

        await self._app(scope, receive, keep)
        await self._work.do()
        for message in messages:
            await send(message)
