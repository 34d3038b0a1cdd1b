"""httpx transport to an ASGI application in another thread, for synchronous and asynchronous clients. Unlike that of
httpx it passes on the parts of a response as they come, so that event streams work."""

import asyncio
import queue
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeAlias

import httpx
from litestar.types import ASGIApp

from entrypoints.testing.loop_thread import LoopThread

_Part: TypeAlias = "dict[str, Any] | bytes | Exception | None"
"""Start of the response; a chunk of its body; an error of the application; the end."""
_Deliver: TypeAlias = Callable[[_Part], object]


class InProcessTransport(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """Takes requests to the application. An error that the application does not handle is raised by the request."""

    def __init__(self, app: ASGIApp, thread: LoopThread) -> None:
        self._app = app
        self._thread = thread

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.read()
        inbox: queue.SimpleQueue[_Part] = queue.SimpleQueue()
        exchange = self._exchange(request, inbox.put)
        with exchange.left_on_error():
            stream = _SyncBody(exchange, inbox, _read_timeout(request))
            return _response(stream.next(), stream)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        loop = asyncio.get_running_loop()
        inbox: asyncio.Queue[_Part] = asyncio.Queue()

        def deliver(part: _Part) -> None:
            with suppress(RuntimeError):  # the client's loop has ended
                loop.call_soon_threadsafe(inbox.put_nowait, part)

        exchange = self._exchange(request, deliver)
        with exchange.left_on_error():
            stream = _AsyncBody(exchange, inbox, _read_timeout(request))
            return _response(await stream.next(), stream)

    def _exchange(self, request: httpx.Request, deliver: _Deliver) -> "_Exchange":
        exchange = _Exchange(request, deliver, self._thread)
        self._thread.begin(exchange.run(self._app))
        return exchange


class _Exchange:
    """One request, in the application's loop."""

    def __init__(self, request: httpx.Request, deliver: _Deliver, thread: LoopThread) -> None:
        self._request = request
        self._deliver = deliver
        self._thread = thread
        self._is_read = False
        self._left = asyncio.Event()

    async def run(self, app: ASGIApp) -> None:
        try:
            await app(self._scope(), self._receive, self._send)
        except Exception as error:
            self._deliver(error)
        finally:
            self._deliver(None)

    def leave(self) -> None:
        """The client reads no more."""
        with suppress(RuntimeError):  # the application's loop has ended
            self._thread.loop.call_soon_threadsafe(self._left.set)

    @contextmanager
    def left_on_error(self) -> Iterator[None]:
        """Ends the request if the client abandons it: its task is cancelled, or its timeout is over."""
        try:
            yield
        except BaseException:
            self.leave()
            raise

    def _scope(self) -> Any:
        url = self._request.url
        return {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": self._request.method,
            "scheme": url.scheme,
            "path": url.path,
            "raw_path": url.raw_path.partition(b"?")[0],
            "query_string": url.query,
            "root_path": "",
            "headers": [(name.lower(), value) for name, value in self._request.headers.raw],
            "server": (url.host, url.port),
            "client": ("127.0.0.1", 0),
        }

    async def _receive(self) -> Any:
        if not self._is_read:
            self._is_read = True
            return {"type": "http.request", "body": self._request.content, "more_body": False}
        await self._left.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self._deliver(message)
            return
        if message.get("body"):
            self._deliver(message["body"])
        if not message.get("more_body", False):
            self._deliver(None)
            self._left.set()


class _SyncBody(httpx.SyncByteStream):
    def __init__(self, exchange: _Exchange, inbox: "queue.SimpleQueue[_Part]", timeout: float | None) -> None:
        self._exchange = exchange
        self._inbox = inbox
        self._timeout = timeout

    def next(self) -> _Part:
        try:
            return _checked(self._inbox.get(timeout=self._timeout))
        except queue.Empty:
            raise httpx.ReadTimeout(f"no answer for {self._timeout} s") from None

    def __iter__(self) -> Iterator[bytes]:
        with self._exchange.left_on_error():
            while isinstance(part := self.next(), bytes):
                yield part

    def close(self) -> None:
        self._exchange.leave()


class _AsyncBody(httpx.AsyncByteStream):
    def __init__(self, exchange: _Exchange, inbox: "asyncio.Queue[_Part]", timeout: float | None) -> None:
        self._exchange = exchange
        self._inbox = inbox
        self._timeout = timeout

    async def next(self) -> _Part:
        try:
            async with asyncio.timeout(self._timeout):
                return _checked(await self._inbox.get())
        except TimeoutError:
            raise httpx.ReadTimeout(f"no answer for {self._timeout} s") from None

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with self._exchange.left_on_error():
            while isinstance(part := await self.next(), bytes):
                yield part

    async def aclose(self) -> None:
        self._exchange.leave()


def _checked(part: _Part) -> _Part:
    if isinstance(part, Exception):
        raise part
    return part


def _response(start: _Part, stream: "_SyncBody | _AsyncBody") -> httpx.Response:
    if not isinstance(start, dict):
        raise httpx.RemoteProtocolError("the application ended without an answer")
    return httpx.Response(start["status"], headers=start.get("headers", []), stream=stream)


def _read_timeout(request: httpx.Request) -> float | None:
    timeout: float | None = request.extensions.get("timeout", {}).get("read")
    return timeout
