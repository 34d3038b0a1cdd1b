"""The API on a real server in a process of its own."""

import asyncio
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from domain.errors import StartupError
from entrypoints.http.server.shutdown import GracefulShutdown
from entrypoints.http.server.uvicorn_server import serve
from tests.support.http.api import Api, problem
from tests.support.ports import free_port

ROOT = Path(__file__).resolve().parents[5]
PROGRAM = """
import asyncio, sys
from litestar import get
from entrypoints.http.app import create_app
from entrypoints.http.server.uvicorn_server import run
from tests.support.http.api import KEY, Api

@get("/slow", scope="public", include_in_schema=False)
async def slow() -> str:
    print("slow", flush=True)
    await asyncio.sleep(1)
    return "done"

api = Api()
app = api.app
app.register(slow)
came_up = run(app, "127.0.0.1", int(sys.argv[1]), drain_seconds=5)
print("stopped", came_up, flush=True)
"""


@asynccontextmanager
async def served() -> AsyncIterator[tuple[asyncio.subprocess.Process, httpx.AsyncClient]]:
    """Yields the server's process and a client."""
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PROGRAM, str(port), cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
            for _ in range(600):
                try:
                    await client.get("/livez")
                    break
                except httpx.ConnectError:
                    await asyncio.sleep(0.1)
            yield process, client
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def test_a_real_server_answers_and_stops() -> None:
    """A large upload is 413, no response has a `server` header, SIGTERM lets an open request finish, and the calling
    program continues."""
    async with served() as (process, client):
        assert "server" not in (await client.get("/livez")).headers
        made = await client.post("/v1/operations", json={"type": "deploy"})
        assert made.status_code == 202
        headers = {"content-type": "application/json"}
        problem(await client.post("/v1/operations", content=b" " * 20_000_000, headers=headers), 413)

        async def pieces() -> AsyncIterator[bytes]:
            for _ in range(600):
                yield b" " * 65_536

        problem(await client.post("/v1/operations", content=pieces(), headers=headers), 413)
        slow = asyncio.create_task(client.get("/slow"))
        assert process.stdout is not None
        assert await process.stdout.readline() == b"slow\n"
        process.send_signal(signal.SIGTERM)
        assert (await slow).text == "done"
        assert await process.stdout.readline() == b"stopped True\n"
        assert await process.wait() == 0


async def answering(client: httpx.AsyncClient) -> None:
    """Waits until the server responds."""
    for _ in range(100):
        try:
            assert (await client.get("/livez")).status_code == 200
            return
        except httpx.ConnectError:
            await asyncio.sleep(0.05)
    raise AssertionError("the server did not come up")


async def test_an_event_stops_the_server() -> None:
    """Without signal handlers, for a program that has its own."""
    before = signal.getsignal(signal.SIGTERM)
    stop = asyncio.Event()
    port = free_port()
    serving = asyncio.create_task(serve(Api().app, "127.0.0.1", port, stop))
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
        await answering(client)
    assert signal.getsignal(signal.SIGTERM) is before
    stop.set()
    assert await asyncio.wait_for(serving, 60) is True


async def test_shutdown_fails_readiness_before_it_stops_accepting_requests() -> None:
    """A load balancer sees the 503 while requests are still answered; then the server ends."""
    stopping, told, closing, port = GracefulShutdown(), asyncio.Event(), asyncio.Event(), free_port()
    leaving = asyncio.create_task(stopping.run(told, timedelta(seconds=5), closing.set))
    serving = asyncio.create_task(serve(Api(required=[stopping]).app, "127.0.0.1", port, closing))
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
        await answering(client)
        assert (await client.get("/readyz")).status_code == 200
        told.set()
        await asyncio.sleep(0)
        assert problem(await client.get("/readyz"), 503)["detail"] == "Failed checks: process."
        assert (await client.post("/v1/operations", json={"type": "deploy"})).status_code == 202
    assert await asyncio.wait_for(serving, 60) is True
    await leaving


async def test_a_port_that_is_taken_is_a_startup_error() -> None:
    """With one line, instead of an exit within uvicorn."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        with pytest.raises(StartupError, match=f"cannot listen on 127.0.0.1:{port}"):
            await serve(Api().app, "127.0.0.1", port, asyncio.Event())
