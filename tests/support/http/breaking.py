"""A proxy that breaks the first answer to each request, and every connection of a stream."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

_REFUSED: Final = b"HTTP/1.1 %s\r\nretry-after: 0\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
BREAKS: Final = {
    "nothing": None,
    "half": None,
    "429": _REFUSED % b"429 Too Many Requests",
    "503": _REFUSED % b"503 Service Unavailable",
}
"""How an answer is broken. With bytes, they are the answer, and the request does not arrive."""
_EVENT: Final = b"event: operation"


@dataclass
class BreakingProxy:
    """Its address, and the first lines of the requests that it got."""

    url: str = ""
    requests: list[str] = field(default_factory=list)


@asynccontextmanager
async def breaking(port: int, broken: str) -> AsyncIterator[BreakingProxy]:
    """A proxy before the server on this port. `broken`: one of BREAKS."""
    proxy = BreakingProxy()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await _serve(proxy, port, broken, reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the client or the server has closed its connection
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        proxy.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield proxy


async def _serve(
    proxy: BreakingProxy, port: int, broken: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    head = await reader.readuntil(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").strip().split("\r\n")
    lengths = [line.split(":")[1] for line in lines if line.lower().startswith("content-length:")]
    body = await reader.readexactly(int(lengths[0]) if lengths else 0)
    is_first = first not in proxy.requests
    proxy.requests.append(first)
    refusal = BREAKS[broken]
    if is_first and refusal is not None:
        writer.write(refusal)
        return
    above, upward = await asyncio.open_connection("127.0.0.1", port)
    try:
        kept = [line for line in lines if not line.lower().startswith("connection:")]
        upward.write("\r\n".join((first, "connection: close", *kept, "", "")).encode("latin-1") + body)
        if "/events" in first:
            await _pass_events(above, writer, has_event=is_first)
            return
        answer = await above.read()
        length = {"nothing": 0, "half": len(answer) // 2}[broken] if is_first else len(answer)
        writer.write(answer[:length])
    finally:
        upward.close()


async def _pass_events(above: asyncio.StreamReader, writer: asyncio.StreamWriter, *, has_event: bool) -> None:
    """Passes a stream on until it has had the event of an operation, and half of what comes then."""
    while received := await above.read(65_536):
        if has_event:
            writer.write(received[: len(received) // 2])
            return
        writer.write(received)
        has_event = _EVENT in received
