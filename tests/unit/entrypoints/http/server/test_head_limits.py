"""Limits on request heads, on a real socket: they arrive before authentication."""

import asyncio
import time
from typing import ClassVar

import httpx
import pytest

from entrypoints.http.server.head_limits import MAX_HEAD_BYTES
from entrypoints.http.server.slow_readers import HttpServerProtocol
from tests.support.http.api import Api, problem
from tests.support.http.served import served

GET = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n"


class Hurried(HttpServerProtocol):
    """Allows a head little time."""

    head_seconds: ClassVar = 0.3


class Brisk(HttpServerProtocol):
    """Allows a head less time than the waits of the tests take."""

    head_seconds: ClassVar = 1.0


async def exchange(port: int, *pieces: bytes, pause: float = 0.0) -> httpx.Response | None:
    """Sends the pieces and reads until the server closes. Returns the last response, if there is one."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for piece in pieces:
        writer.write(piece)
        await writer.drain()
        await asyncio.sleep(pause)
    received = await asyncio.wait_for(reader.read(), 60)
    writer.close()
    if not received:
        return None
    head, _, body = received[received.rindex(b"HTTP/1.1 ") :].partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    return httpx.Response(int(first.split()[1]), headers=headers, content=body)


def answered(response: httpx.Response | None) -> httpx.Response:
    """Returns the response. Fails if there is none."""
    assert response is not None
    return response


def headers(many: int, size: int) -> bytes:
    """Returns that many headers of that size."""
    return b"".join(b"x-%d: %s\r\n" % (number, b"v" * size) for number in range(many))


@pytest.mark.parametrize(
    "pieces",
    [
        [GET + headers(200, 100_000) + b"\r\n"],
        [GET + headers(1, MAX_HEAD_BYTES) + b"\r\n"],
        [GET + headers(700, 100) + b"\r\n"],
        [GET, b"x: "] + [b"v" * 10_000] * 20,
        [GET] + [headers(1, 10_000)] * 20,
        [b"GET /livez?" + b"q" * MAX_HEAD_BYTES + b" HTTP/1.1\r\nHost: localhost\r\n\r\n"],
        [GET + b"\r\n", *[b"\r\n" * 10_000] * 20],
    ],
    ids=["20 MB", "one", "many", "one that never ends", "in pieces", "URL", "blank lines"],
)
async def test_a_head_that_is_too_large_is_refused(pieces: list[bytes]) -> None:
    """With a problem, whichever part is large; then the connection is closed."""
    async with served(Api().app, HttpServerProtocol) as port:
        answer = answered(await exchange(port, *pieces))
    assert problem(answer, 431)["type"] == "urn:opledger:problem:head-too-large"
    assert answer.headers["connection"] == "close"
    assert "date" in answer.headers


async def test_trailers_that_are_too_large_end_the_connection() -> None:
    """The request is answered, and no more is read."""
    async with served(Api().app, HttpServerProtocol) as port:
        chunked = GET + b"Transfer-Encoding: chunked\r\n\r\n0\r\n"
        assert await exchange(port, chunked, *[headers(1, 10_000)] * 20) is not None


async def test_an_invalid_head_is_a_problem() -> None:
    """400, as an error of the application."""
    async with served(Api().app, HttpServerProtocol) as port:
        assert problem(answered(await exchange(port, b"nonsense\r\n\r\n")), 400)["title"] == "Malformed request"


async def test_heads_within_the_limit_are_accepted() -> None:
    """Several on one connection, and one with a large body."""
    close = b"Connection: close\r\n\r\n"
    async with served(Api().app, HttpServerProtocol) as port:
        head = GET + headers(6, 10_000)
        assert answered(await exchange(port, head + b"\r\n", head[:900], head[900:] + close)).status_code == 200
        body = b" " * 200_000 + b'{"type": "deploy"}'
        post = b"POST /v1/operations HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        sized = b"Content-Length: %d\r\n" % len(body)
        pieces = [body[start : start + 10_000] for start in range(0, len(body), 10_000)]
        assert answered(await exchange(port, post + sized + close, *pieces)).status_code == 202
        chunks = [b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces]
        chunked = post + b"Transfer-Encoding: chunked\r\n" + close
        assert answered(await exchange(port, chunked, *chunks, b"0\r\n\r\n")).status_code == 202


@pytest.mark.parametrize(
    "pieces",
    [[], [GET], [b"G", b"E", b"T", b" /livez"], [b"\r\n"], [GET + b"\r\n" + GET], [GET + b"\r\n", b"\r\n"]],
    ids=["nothing", "unfinished", "byte by byte", "blank line", "the second", "blank line after an answer"],
)
async def test_a_head_that_does_not_end_closes_the_connection(pieces: list[bytes]) -> None:
    """After its time, also if bytes keep arriving."""
    async with served(Api().app, Hurried) as port:
        begun = time.monotonic()
        answer = await exchange(port, *pieces, pause=0.05)
        assert time.monotonic() - begun > 0.25
    assert (answer is not None) is any(piece.startswith(GET + b"\r\n") for piece in pieces)


async def test_the_time_of_a_head_starts_after_the_earlier_response() -> None:
    """A wait takes longer than a head may, and bytes that arrived meanwhile do not end it."""
    async with served(Api().app, Brisk) as port:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
            made = (await client.post("/v1/operations", json={"type": "deploy"})).json()
            for _ in range(2):
                waited = await client.get(f"/v1/operations/{made['id']}?wait=2s")
                assert waited.status_code == 200
            await asyncio.sleep(1.2)
            assert (await client.get("/livez")).status_code == 200
        wait = f"GET /v1/operations/{made['id']}?wait=2s HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
        assert answered(await exchange(port, wait + b"GET")).status_code == 200
