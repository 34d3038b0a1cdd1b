"""Raw HTTP on a real socket: bytes that no client library sends."""

import asyncio
from collections.abc import Iterable

import httpx

TIMEOUT = 30.0
"""Seconds that no answer takes."""


class Connection:
    """One connection to this machine."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, port: int) -> "Connection":
        """A new one."""
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    async def send(self, *pieces: bytes) -> None:
        """Send the pieces one by one. Errors of a closed connection are ignored."""
        try:
            for piece in pieces:
                self._writer.write(piece)
                await self._writer.drain()
        except ConnectionError:
            pass

    async def answer(self) -> httpx.Response:
        """The next response."""
        return await asyncio.wait_for(self._answer(), TIMEOUT)

    async def closed(self) -> bytes:
        """What comes before the server closes the connection."""
        try:
            return await asyncio.wait_for(self._reader.read(), TIMEOUT)
        except ConnectionError:
            return b""

    def close(self) -> None:
        """Hang up."""
        self._writer.close()

    async def _answer(self) -> httpx.Response:
        first, *lines = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").strip().split("\r\n")
        headers = httpx.Headers([(name, value) for name, _, value in (line.partition(": ") for line in lines)])
        if "transfer-encoding" in headers:
            body = await self._chunks()
        elif "content-length" in headers:
            body = await self._reader.readexactly(int(headers["content-length"]))
        elif first.split()[1] in {"100", "204", "304"}:
            body = b""
        else:
            body = await self._reader.read()
        kept = [(name, value) for name, value in headers.multi_items() if name != "transfer-encoding"]
        return httpx.Response(int(first.split()[1]), headers=kept, content=body)

    async def _chunks(self) -> bytes:
        body = b""
        while size := int(await self._reader.readline(), 16):
            body += await self._reader.readexactly(size)
            await self._reader.readline()
        await self._reader.readline()
        return body


async def ask(port: int, *pieces: bytes) -> httpx.Response:
    """The response to a request on a connection of its own."""
    connection = await Connection.open(port)
    try:
        await connection.send(*pieces)
        return await connection.answer()
    finally:
        connection.close()


def head(method: str, target: str, headers: Iterable[tuple[str, str]] = (), version: str = "1.1") -> bytes:
    """A request's head with a Host header."""
    lines = [f"{method} {target} HTTP/{version}", "Host: localhost", *(f"{name}: {value}" for name, value in headers)]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def chunked(*chunks: bytes, trailers: Iterable[tuple[str, str]] = ()) -> bytes:
    """A body in chunks, with trailers."""
    end = "".join(f"{name}: {value}\r\n" for name, value in trailers).encode("latin-1")
    return b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n" + end + b"\r\n"
