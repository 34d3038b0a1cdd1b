"""A ledger's HTTP API that records what the plugin sends: a real server, without a database."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import uvicorn

from opledger import UpdateKind
from tests.support.eventually import eventually
from tests.support.ports import free_port

KEY = "a-good-key"
Answer = tuple[int, dict[str, Any], dict[str, str]]
"""Status, body, headers."""


def problem(status: int, detail: str, **headers: str) -> Answer:
    """A problem document."""
    return status, {"type": "about:blank", "title": "refused", "status": status, "detail": detail}, headers


@dataclass(frozen=True)
class Request:
    """A request that arrived."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]


@dataclass
class LedgerApi:
    """Answers 401 to another key than `KEY`, and otherwise as `behave` says."""

    url: str
    requests: list[Request] = field(default_factory=list)
    accepted: list[Request] = field(default_factory=list)
    behave: Callable[[Request], Answer | None] = lambda request: None
    """Returns None to accept the request."""
    named: str | None = None
    """Operation that the answer to a report of a start names."""
    hanging: asyncio.Event | None = None
    """While it is not set, requests get no answer."""

    async def answer(self, request: Request) -> Answer:
        """Records the request, and answers it."""
        self.requests.append(request)
        if self.hanging is not None:
            await self.hanging.wait()
        if request.headers.get("authorization") != f"Bearer {KEY}":
            return problem(401, "the API key is not valid")
        refused = self.behave(request)
        if refused is not None and not 200 <= refused[0] < 300:
            return refused
        self.accepted.append(request)
        if refused is not None:
            return refused
        if request.path == "/v1/operations:record":
            return 201, {**request.body, "id": str(uuid4()), "status": "ACCEPTED", "origin": "CLIENT"}, {}
        names = self.named is not None and request.body.get("kind") == "dispatched"
        return 200, {"outcome": "recorded"} | ({"operation_id": self.named} if names else {}), {}

    def reports(self, operation_id: str) -> list[dict[str, Any]]:
        """The accepted reports of an operation, in order."""
        return [
            one.body for one in self.accepted if one.path == "/v1/reports" and one.body["operation_id"] == operation_id
        ]

    def kinds(self, operation_id: str) -> list[str]:
        """Their kinds."""
        return [report["kind"] for report in self.reports(operation_id)]

    def fractions(self, operation_id: str) -> list[float]:
        """Reported fractions, in order."""
        return [one["progress"]["fraction"] for one in self.reports(operation_id) if one["kind"] == UpdateKind.PROGRESS]

    def recorded(self) -> list[Request]:
        """The accepted requests to record an operation."""
        return [one for one in self.accepted if one.path == "/v1/operations:record"]


@contextlib.asynccontextmanager
async def ledger_api() -> AsyncIterator[LedgerApi]:
    """Serves the API on a free port."""
    port = free_port()
    api = LedgerApi(f"http://127.0.0.1:{port}")

    async def app(scope: Any, receive: Any, send: Any) -> None:
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        headers = {name.decode().lower(): value.decode() for name, value in scope["headers"]}
        status, content, extra = await api.answer(Request(scope["path"], headers, json.loads(body)))
        raw = [(name.encode(), value.encode()) for name, value in {"content-type": "application/json", **extra}.items()]
        await send({"type": "http.response.start", "status": status, "headers": raw})
        await send({"type": "http.response.body", "body": json.dumps(content).encode()})

    server = uvicorn.Server(uvicorn.Config(app, "127.0.0.1", port, lifespan="off", log_level="warning"))
    serving = asyncio.create_task(server._serve())
    await eventually(lambda: server.started)
    try:
        yield api
    finally:
        server.should_exit = True
        server.force_exit = True
        await serving
