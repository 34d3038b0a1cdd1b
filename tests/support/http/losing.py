"""An application behind a server that loses answers: it has handled the request, and the client does not know."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import httpx

from tests.support.http.api import Api

_Write = Callable[[bytes], None]
_TURNS = ("nothing", "all", "half", "all")
"""How much of each answer arrives."""


@asynccontextmanager
async def losing_answers(api: Api) -> AsyncIterator[str]:
    """Yields the server's URL."""
    turns = itertools.cycle(_TURNS)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await _serve_one(api, reader, writer.write, next(turns)):
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the client has closed the connection
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def _serve_one(api: Api, reader: asyncio.StreamReader, write: _Write, turn: str) -> bool:
    """Answers a request. Returns whether the connection stays open."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.strip().split("\r\n")
    method, target, _ = first.split(" ")
    headers = dict(line.split(": ", 1) for line in lines)
    named = {name.lower(): value for name, value in headers.items()}
    body = await reader.readexactly(int(named.get("content-length", 0)))
    del named["host"]
    answer = await api.client.request(method, target, headers=named, content=body)
    if turn == "nothing":
        return False
    raw = _raw(answer)
    if turn == "half":
        write(raw[: len(raw) // 2])
        return False
    write(raw)
    return True


def _raw(answer: httpx.Response) -> bytes:
    """The bytes of a response."""
    skipped = ("content-length", "transfer-encoding")
    lines = [f"{name}: {value}\r\n" for name, value in answer.headers.items() if name not in skipped]
    head = f"HTTP/1.1 {answer.status_code} \r\n{''.join(lines)}content-length: {len(answer.content)}\r\n\r\n"
    return head.encode("latin-1") + answer.content
