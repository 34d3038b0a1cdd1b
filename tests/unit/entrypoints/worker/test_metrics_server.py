"""The worker's metrics page, on a real server."""

import asyncio
import contextlib
import socket

import httpx
import pytest

from domain.errors import StartupError
from entrypoints.scrape import MetricsPage
from entrypoints.worker.metrics_server import MAX_HEAD, ensure_metrics_port, serve_metrics
from tests.support.http.api import Drift, page
from tests.support.http.metrics import metrics_served
from tests.support.ports import free_port


async def test_it_serves_metrics_and_a_sign_of_life_until_it_is_stopped() -> None:
    """And nothing else."""
    stop, port = asyncio.Event(), free_port()
    serving = asyncio.create_task(serve_metrics(MetricsPage(Drift(), page), "127.0.0.1", port, stop))
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
        for _ in range(100):
            try:
                assert (await client.get("/livez")).text == "alive\n"
                break
            except httpx.ConnectError:
                await asyncio.sleep(0.05)
        scraped = await client.get("/metrics")
        assert (scraped.status_code, scraped.text) == (200, "counters\ndrift 1\n")
        assert scraped.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
        assert (await client.head("/metrics")).content == b""
        for method, path in (("GET", "/"), ("POST", "/metrics"), ("GET", "/v1/operations")):
            assert (await client.request(method, path)).status_code == 404
    stop.set()
    await asyncio.wait_for(serving, 60)


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"GET /metrics HTTP/1.1\r\n\r\n", b"200"),
        (b"GET /metrics?name=x HTTP/1.0\r\n\r\n", b"200"),
        (b"GET  /metrics HTTP/1.1\r\n\r\n", b"400"),
        (b"GET /metrics\r\n\r\n", b"400"),
        (b"\x16\x03\x01 \r\n\r\n", b"400"),
        (b"GET /metrics HTTP/1.1\r\nx: " + b"x" * MAX_HEAD + b"\r\n\r\n", b""),
        (b"GET /metr", b""),
    ],
)
async def test_malformed_requests_get_400_or_a_closed_connection(request_bytes: bytes, status: bytes) -> None:
    """And the server goes on serving."""
    async with metrics_served() as port:
        for _ in range(2):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(request_bytes)
            writer.write_eof()
            with contextlib.suppress(ConnectionError):
                assert (await asyncio.wait_for(reader.read(), 60)).partition(b" ")[2][:3] == status
            writer.close()


async def test_a_taken_port_is_found_at_the_start(caplog: pytest.LogCaptureFixture) -> None:
    """With the setting's name; one that is taken later costs the page and not the worker."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(StartupError, match=f"port {port} on 127.0.0.1 is taken.*OPLEDGER_METRICS_PORT"):
            ensure_metrics_port("127.0.0.1", port)
        await serve_metrics(MetricsPage(Drift(), page), "127.0.0.1", port, asyncio.Event())
    assert "metrics are not served" in caplog.text


def test_without_a_port_there_is_nothing_to_find() -> None:
    """It is off unless it is asked for."""
    ensure_metrics_port("127.0.0.1", None)
