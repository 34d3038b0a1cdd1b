"""The HTTP API on the memory adapters, for tests."""

import asyncio
from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from typing import Any
from uuid import UUID

import httpx
from dependency_injector import providers
from litestar import Litestar
from litestar.events import SimpleEventEmitter

from adapters.memory.access.stream_tickets import MemoryStreamTickets
from adapters.memory.clock import MemoryClock
from adapters.memory.engine.workflow_engine import MemoryWorkflowEngine
from adapters.memory.metrics import MemoryMetrics
from adapters.memory.store import MemoryStore
from application.access.api_key_admin import ManageKeys
from application.operate.drift import ReadDrift
from application.operate.health import CheckHealth
from application.ports.engine.callback_reader import CallbackMessage
from application.ports.monitoring.drift_report import DriftReport
from application.ports.monitoring.metrics import CallbackOutcome
from application.ports.monitoring.probe import Probe
from application.ports.sign_in import SignInProvider
from application.ports.storage.stream_tickets import StreamTickets
from application.track.receive_callback import ReceiveCallback
from application.watch.change_hub import ChangeHub
from application.watch.waiter_limit import WaiterLimit
from domain.access.callback_token import CallbackKeys
from domain.access.principal import Principal
from domain.access.scope import ALL_SCOPES
from domain.json_value import JsonValue
from domain.operation.attention import AttentionKind
from domain.operation.follow_up import start_failed
from domain.operation.lifecycle import complete, fail, start
from domain.operation.operation import Cause, Operation
from domain.operation.operation_error import ErrorCode, OperationError
from domain.operation.operation_type import OperationCatalogue, OperationType
from domain.operation.transition import Source
from entrypoints.http.app import add_services, create_routes
from entrypoints.http.responses.pages import Pages
from entrypoints.http.security.authentication import Access
from entrypoints.settings.proxy import ProxyRules
from entrypoints.settings.settings import Settings
from entrypoints.ui.dashboard import dashboard
from entrypoints.ui.request import Temporal
from entrypoints.wiring.api import ApiServices
from entrypoints.wiring.memory import MemoryAdapters, MemoryEngine
from entrypoints.wiring.services import joined
from entrypoints.wiring.worker import WorkerServices
from tests.support.randomness import counting

KEY = b"a key for tests, and long enough"
MACHINE: dict[str, JsonValue] = {
    "type": "object",
    "properties": {"machine": {"type": "string", "maxLength": 8}, "seconds": {"type": "integer", "maximum": 3600}},
    "required": ["machine"],
    "additionalProperties": False,
}
CATALOGUE = OperationCatalogue(
    {
        "deploy": OperationType("deploy", "Deploy", "queue"),
        "build": OperationType("build", "Build", "queue"),
        "reboot": OperationType("reboot", "Reboot", "queue", input_schema=MACHINE),
    }
)


KEYS = CallbackKeys({"first": "a secret for tests, and long enough"})


class Receiver(ReceiveCallback):
    """Keeps what arrives, and sends the given answers."""

    def __init__(self) -> None:
        self.received: list[tuple[UUID, str, CallbackMessage]] = []
        self.answer: CallbackOutcome | Exception = CallbackOutcome.APPLIED

    async def receive(self, operation_id: UUID, tenant: str, message: CallbackMessage) -> CallbackOutcome:
        self.received.append((operation_id, tenant, message))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


class Drift(ReadDrift):
    """One stalled operation, or a database that is away."""

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.watermark_age: timedelta | None = None
        self.worker_age: timedelta | None = None

    async def read(self) -> DriftReport:
        if self.error is not None:
            raise self.error
        return DriftReport(None, {AttentionKind.STALLED: 1}, self.watermark_age, self.worker_age)


def page(drift: DriftReport | None) -> bytes:
    """A stand-in for the metrics adapter's page."""
    return b"counters\n" if drift is None else b"counters\ndrift %d\n" % sum(drift.attention.values())


class NamedCaller:
    """The caller that the test names, with all scopes."""

    controlled = False

    def __init__(self, api: "Api") -> None:
        self._api = api

    async def principal(self, authorization: Sequence[str]) -> Principal:
        return Principal(self._api.tenant, self._api.actor, ALL_SCOPES)

    async def still(self, authorization: Sequence[str]) -> Principal:
        return await self.principal(authorization)

    async def owner(self, principal: Principal, *, counted: bool) -> Principal:
        return await self.principal(())

    async def recheck(self, principal: Principal) -> None:
        pass


@cache
def _routes(with_dashboard: bool) -> Litestar:
    """The routes, which take a tenth of a second to make. Each test has a copy with its own services."""
    pages = dashboard(key=KEY, clock=MemoryClock(), temporal=Temporal()) if with_dashboard else None
    return create_routes(pages)


def _with_routes(made: Litestar) -> Litestar:
    """An application with these routes, and a state and a lifespan of its own."""
    app = copy(made)
    app.asgi_router = copy(made.asgi_router)
    app.asgi_router.app = app
    app.event_emitter = SimpleEventEmitter(())
    return app


@dataclass
class Api:
    """An application with a database of its own, and a client of it."""

    clock: MemoryClock = field(default_factory=MemoryClock)
    store: MemoryStore = field(default_factory=lambda: MemoryStore(MemoryClock()))
    required: Sequence[Probe] = ()
    optional: Sequence[Probe] = ()
    catalogue: OperationCatalogue = CATALOGUE
    tenant: str = "default"
    actor: str | None = None
    access: Access | None = None
    """In place of tenant and actor."""
    callback_keys: CallbackKeys | None = KEYS
    receiver: Receiver = field(default_factory=Receiver)
    metrics: MemoryMetrics = field(default_factory=MemoryMetrics)
    drift: Drift = field(default_factory=Drift)
    answers: list[tuple[str, str, int, float]] = field(default_factory=list)
    heartbeat: float = 15.0
    proxies: ProxyRules = field(default_factory=ProxyRules)
    origins: frozenset[str] = frozenset()
    tickets: StreamTickets = field(default_factory=MemoryStreamTickets)
    waiters: WaiterLimit = field(default_factory=lambda: WaiterLimit(1000, each=1000))
    keys: ManageKeys | None = None
    with_dashboard: bool = False
    """Whether the application has the dashboard too."""
    temporal: Temporal = field(default_factory=lambda: Temporal("default", "http://localhost:8233"))
    sign_in: SignInProvider | None = None

    def __post_init__(self) -> None:
        self.world: MemoryWorkflowEngine
        """The engine, as workers and other clients see it."""
        self.worker: WorkerServices
        """The services of the worker process, on the same adapters."""
        self.hub = ChangeHub(self.store.feed, self.clock, self.metrics)
        self.app = self.application()
        transport = httpx.ASGITransport(app=self.app, raise_app_exceptions=False)  # type: ignore[arg-type]
        self.client = httpx.AsyncClient(transport=transport, base_url="http://localhost")

    def application(self) -> Litestar:
        """The application."""
        self.reader = self.access or NamedCaller(self)
        self.services = self._container().http_services()
        app = _with_routes(_routes(self.with_dashboard))
        pages: Pages | None = None
        if self.with_dashboard:
            pages = dashboard(key=KEY, clock=self.clock, temporal=self.temporal, sign_in=self.sign_in)
        add_services(
            app,
            self.services,
            page_token_key=KEY,
            access=self.reader,
            proxies=self.proxies,
            origins=self.origins,
            pages=pages,
        )
        return app

    def _container(self) -> ApiServices:
        """The API's own, on this test's memory adapters, with what a test sets in the place of services."""
        adapters = MemoryAdapters(
            clock=providers.Object(self.clock),
            store=providers.Object(self.store),
            metrics=providers.Object(self.metrics),
            stream_tickets=providers.Object(self.tickets),
            random_bytes=providers.Object(counting()),
            answered=providers.Object(lambda *answer: self.answers.append(answer)),
        )
        temporal = MemoryEngine(clock=adapters.clock)
        self.world = temporal.engine()
        parts = joined(Settings(), self.catalogue, adapters, temporal)
        parts["services"].override_providers(
            callback_keys=providers.Object(self.callback_keys), drift=providers.Object(self.drift)
        )
        self.worker = WorkerServices(**parts)
        container = ApiServices(
            **parts,
            access=providers.Object(self.reader),
            keys=providers.Object(self.keys),
            health=providers.Object(CheckHealth(self.required, self.optional)),
            receiver=providers.Object(self.receiver),
            waiter_limit=providers.Object(self.waiters),
            hub=providers.Object(self.hub),
        )
        container.stream.add_kwargs(heartbeat=self.heartbeat)
        return container

    async def submit(self, **body: Any) -> dict[str, Any]:
        """Submit, and give what was answered."""
        answer = await self.client.post("/v1/operations", json={"type": "deploy", **body})
        assert answer.status_code == 202, answer.text
        made: dict[str, Any] = answer.json()
        return made

    async def start(self, operation_id: str) -> Operation:
        """Let its workflow start."""
        return await self._change(operation_id, lambda operation, cause: start(operation, cause))

    async def complete(self, operation_id: str, result: JsonValue) -> Operation:
        """Let its workflow complete."""
        await self.start(operation_id)
        return await self.complete_started(operation_id, result)

    async def complete_started(self, operation_id: str, result: JsonValue) -> Operation:
        """The same, after it has started."""
        return await self._change(operation_id, lambda operation, cause: complete(operation, result, cause))

    async def fail(self, operation_id: str, code: ErrorCode) -> Operation:
        """Let its workflow start and fail, or, with START_REJECTED, not start."""
        if code is not ErrorCode.START_REJECTED:
            await self.start(operation_id)
        return await self._change(operation_id, lambda row, cause: fail(row, OperationError(code, "boom"), cause))

    async def trouble(self, operation_id: str) -> Operation:
        """Let its start fail, so that it needs attention and is retried in an hour."""
        later = self.clock.now() + timedelta(hours=1)
        return await self._change(operation_id, lambda row, cause: start_failed(row, "no", cause, retry_at=later))

    async def _change(self, operation_id: str, change: Any) -> Operation:
        async with self.store.units() as unit:
            operation = await unit.operations.get(UUID(operation_id))
            assert operation is not None
            saved = await unit.operations.save(change(operation, Cause(Source.WORKFLOW, "test", self.clock.now())))
            await unit.commit()
        return saved


@dataclass
class RawAnswer:
    """What an ASGI application answered."""

    status: int
    headers: dict[str, str]
    body: bytes


async def raw(
    app: Litestar,
    method: str,
    path: str,
    *,
    query: bytes = b"",
    headers: Sequence[tuple[bytes, bytes]] = (),
    chunks: Sequence[bytes] = (b"",),
) -> tuple[RawAnswer, int]:
    """Makes one request with nothing between it and the application; returns the answer, and how many of the chunks it
    took. The client stays until it has the answer; without any chunk it leaves at once."""
    sent = list(chunks)
    messages: list[Any] = []
    read = 0
    answered = asyncio.Event()

    async def receive() -> Any:
        if not sent:
            if chunks:
                await answered.wait()
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": sent.pop(0), "more_body": bool(sent)}

    async def send(message: Any) -> None:
        nonlocal read
        if not messages:
            read = len(chunks) - len(sent)
        messages.append(message)
        if message["type"] == "http.response.body" and not message.get("more_body", False):
            answered.set()

    await app(scope_of(method, path, query, headers), receive, send)
    head = messages[0]
    body = b"".join(message.get("body", b"") for message in messages[1:])
    named = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in head["headers"]}
    return RawAnswer(head["status"], named, body), read


def scope_of(method: str, path: str, query: bytes, headers: Sequence[tuple[bytes, bytes]]) -> Any:
    """What a server says of the request."""
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode("utf-8", "surrogatepass"),
        "query_string": query,
        "root_path": "",
        "headers": list(headers),
        "server": ("ledger", 80),
        "client": ("test", 1),
    }


def problem(answer: httpx.Response, status: int) -> dict[str, Any]:
    """The answer as a problem of that status, after checking that it is one."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert (
        {"type", "title", "status", "detail"}
        <= body.keys()
        <= {"type", "title", "status", "detail", "errors", "checks", "operation_id"}
    )
    assert body["status"] == status
    return body
