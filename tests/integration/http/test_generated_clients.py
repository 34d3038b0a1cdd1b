"""Clients that generators make of the OpenAPI document submit, wait and filter by label on the running API."""

import asyncio
import json
import shutil
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from entrypoints.http.server.slow_readers import HttpServerProtocol
from tests.support import javascript
from tests.support.http.access import Guarded
from tests.support.http.served import served

pytestmark = pytest.mark.tools

PYTHON_CLIENT = Path(__file__).parent / "clients" / "openapi_python_client.py"
Client = Callable[[str, str], Awaitable[str]]
"""Runs with the base URL and an API key, and returns what it printed."""


@pytest.fixture
async def document(tmp_path: Path) -> str:
    """The document of an API with access control."""
    path = tmp_path / "openapi.json"
    path.write_bytes((await Guarded().client.get("/openapi.json")).content)
    return str(path)


async def complete_the_awaited(api: Guarded) -> None:
    """Completes the first operation once a client waits for it."""
    while not api.hub._subscriptions:  # noqa: ASYNC110 -- the hub has no event for it
        await asyncio.sleep(0.01)
    [(_, operation_id)] = api.hub._subscriptions
    await api.complete(str(operation_id), None)


@asynccontextmanager
async def running(api: Guarded) -> AsyncIterator[str]:
    """The API on a port; the base URL."""
    async with served(api.app, HttpServerProtocol) as port:
        completing = asyncio.create_task(complete_the_awaited(api))
        yield f"http://127.0.0.1:{port}"
        completing.cancel()


async def check(client: Client, *, follows: bool = False) -> None:
    """The client waits until the operation is done, and a filter by label gives the labelled operation alone. One that
    follows events too gets them."""
    api = Guarded()
    key = (await api.key())["Authorization"].removeprefix("Bearer ")
    async with running(api) as url:
        said = json.loads(await client(url, key))
    assert said == {
        "submitted": said["submitted"],
        "waited": "COMPLETED",
        "filtered": [said["submitted"]],
        "refused": 400,
        **({"followed": ["operation"]} if follows else {}),
    }


async def test_openapi_python_client_generates_a_working_client(tmp_path: Path, document: str) -> None:
    generator = Path(sys.executable).with_name("openapi-python-client")
    options = ("--path", document, "--meta", "none", "--output-path", "ledger_client")
    await javascript.run(tmp_path, str(generator), "generate", *options)
    script = str(shutil.copy(PYTHON_CLIENT, tmp_path))
    await check(lambda url, key: javascript.run(tmp_path, sys.executable, script, url, key))


async def test_openapi_typescript_generates_a_working_client(tmp_path: Path, document: str) -> None:
    folder = javascript.project(tmp_path, "openapi-fetch.ts")
    await javascript.package(folder, "openapi-typescript", document, "-o", "generated/schema.d.ts")
    await javascript.package(folder, "tsc")
    await check(lambda url, key: javascript.run(folder, "node", "built/openapi-fetch.js", url, key))


async def test_hey_api_generates_a_working_client(tmp_path: Path, document: str) -> None:
    folder = javascript.project(tmp_path, "hey-api.ts")
    await javascript.package(folder, "openapi-ts", "-i", document, "-o", "generated", "--silent")
    await javascript.package(folder, "tsc")
    await check(lambda url, key: javascript.run(folder, "node", "built/hey-api.js", url, key), follows=True)
