"""A ledger, and clients of it."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import httpx
import pytest

from entrypoints.http.server.slow_readers import HttpServerProtocol
from opledger import AsyncClient
from tests.support.http.api import Api
from tests.support.http.clients import clients
from tests.support.http.losing import losing_answers
from tests.support.http.served import served


@pytest.fixture
def api() -> Api:
    """An application on memory adapters."""
    return Api()


@pytest.fixture
async def url(api: Api) -> AsyncIterator[str]:
    """Its address."""
    async with served(api.app, HttpServerProtocol) as port:
        yield f"http://127.0.0.1:{port}"


@pytest.fixture(params=["sync", "async", "in process", "answers lost"])
async def client(request: pytest.FixtureRequest, api: Api) -> AsyncIterator[Any]:
    """A client of each kind, in turn: over a socket, in the process of the application, and over a socket of a server
    that loses its first answer to each request."""
    async with AsyncExitStack() as open_places:
        if request.param == "in process":
            made: Any = AsyncClient("http://localhost", transport=httpx.ASGITransport(app=api.app))  # type: ignore[arg-type]
        elif request.param == "answers lost":
            made = clients(await open_places.enter_async_context(losing_answers(api)), timeout=10.0)["async"]
        else:
            port = await open_places.enter_async_context(served(api.app, HttpServerProtocol))
            made = clients(f"http://127.0.0.1:{port}", timeout=10.0)[request.param]
        yield made
        await made.close()
