"""A TCP proxy that refuses, cuts, stalls or loses a chosen answer on demand."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Watch:
    """Looks at one connection's bytes; this one sees nothing."""

    def request(self, data: bytes) -> None:
        """Called with what the client sends, before it is passed on."""

    def swallow(self, data: bytes) -> bool:
        """Called with what the server sends: whether to cut the connection instead of passing it on."""
        return False


class TcpProxy:
    """Listens on one port of this machine for its whole life, unless it is down."""

    def __init__(self, connect: Callable[[], Awaitable[Streams]], watch: Callable[[], Watch] = Watch) -> None:
        self._connect = connect
        self._watch = watch
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._replies_pass = asyncio.Event()
        self._replies_pass.set()
        self.port = 0

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    async def up(self) -> None:
        """Listen, again on the same port."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    def down(self) -> None:
        """Refuse connections, and cut those there are."""
        if self._server is not None:
            self._server.close()
            self._server = None
        self.cut()

    def cut(self) -> None:
        """Cut every connection."""
        for writer in list(self._writers):
            writer.transport.abort()

    def mute(self, muted: bool) -> None:
        """Requests go through, answers do not, and nothing is closed."""
        (self._replies_pass.clear if muted else self._replies_pass.set)()

    async def close(self) -> None:
        """The end."""
        self.down()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, back = await self._connect()
        except OSError:
            writer.transport.abort()
            return
        watch = self._watch()
        ends = {writer, back}
        self._writers |= ends
        for pump in (self._requests(reader, back, watch, ends), self._replies(there, writer, watch, ends)):
            self._tasks.add(task := asyncio.create_task(pump))
            task.add_done_callback(self._tasks.discard)

    async def _requests(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, watch: Watch, ends: set[asyncio.StreamWriter]
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                watch.request(data)
                writer.write(data)
                await writer.drain()
        self._end(ends)

    async def _replies(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, watch: Watch, ends: set[asyncio.StreamWriter]
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                await self._replies_pass.wait()
                if watch.swallow(data):
                    break
                writer.write(data)
                await writer.drain()
        self._end(ends, abort=True)

    def _end(self, ends: set[asyncio.StreamWriter], *, abort: bool = False) -> None:
        for writer in ends:
            if abort:
                writer.transport.abort()
            else:
                writer.close()
        self._writers -= ends
