"""A TCP proxy in front of a server that can cut connections, hold back replies, or lose one reply."""

import asyncio
import contextlib

from tests.support.ports import free_port

LOSE_AFTER = 2.0
"""Seconds between a request and the cut of its connection, in which the request takes effect."""


class Proxy:
    """Listens on the same port for its whole life, unless it is down."""

    def __init__(self, target: str) -> None:
        host, port = target.rsplit(":", 1)
        self._target = (host, int(port))
        self._port = free_port()
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._replies_pass = asyncio.Event()
        self._replies_pass.set()
        self._cut_after_request = False

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._port}"

    async def up(self) -> None:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", self._port)

    async def down(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        self._cut()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def mute(self, muted: bool = True) -> None:
        """Forwards requests and holds back replies, without closing connections."""
        (self._replies_pass.clear if muted else self._replies_pass.set)()

    def lose_next_reply(self) -> None:
        """Forwards the next request, and cuts the connection before its reply."""
        self.mute()
        self._cut_after_request = True

    def _cut(self) -> None:
        for writer in list(self._writers):
            writer.close()
        self._replies_pass.set()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(*self._target)
        self._writers |= {writer, back}
        for task in (self._pump(reader, back, requests=True), self._pump(there, writer, requests=False)):
            self._tasks.add(started := asyncio.create_task(task))
            started.add_done_callback(self._tasks.discard)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, requests: bool) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                if requests and self._cut_after_request:
                    self._cut_after_request = False
                    asyncio.get_running_loop().call_later(LOSE_AFTER, self._cut)
                if not requests:
                    await self._replies_pass.wait()
                if writer.is_closing():
                    break
                writer.write(data)
                await writer.drain()
        writer.close()
        self._writers.discard(writer)
