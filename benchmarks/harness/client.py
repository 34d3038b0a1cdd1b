"""HTTP clients of low cost, so that the server is measured."""

import asyncio
import re
import time
from collections.abc import Iterable, Sequence
from typing import Final, cast

AT_ONCE: Final = 100
"""Connections that are opened concurrently."""
TIMEOUT: Final = 60.0
"""Timeout in seconds of a server's answer."""
_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


class Client(asyncio.Protocol):
    """A connection that is kept open, for one request at a time."""

    def __init__(self) -> None:
        self.arrived = 0.0
        """Time of the last received data, on `time.perf_counter`."""
        self._answer: asyncio.Future[bytes] | None = None
        self._kept = b""
        self._data = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keeps the transport for writing."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Notes the time, and completes the answer."""
        self.arrived = time.perf_counter()
        self._data.set()
        if self._answer is not None:
            self._kept += data
            if whole(self._kept):
                answer, self._answer = self._answer, None
                kept, self._kept = self._kept, b""
                if not answer.done():
                    answer.set_result(kept)

    def connection_lost(self, error: Exception | None) -> None:
        """Passes the failure to the request that waits for an answer."""
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error or ConnectionError("the server hung up"))

    def ask(self, path: str, *headers: str) -> None:
        """Sends a GET. The answer is only noted."""
        self._data.clear()
        self._transport.write(request("GET", path, *headers))

    def send(self, whole_request: bytes) -> "asyncio.Future[bytes]":
        """Sends a request. Returns the bytes of the answer, head included."""
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(whole_request)
        return self._answer

    async def wait_for_data(self) -> None:
        """Waits until data has arrived since the last request."""
        await self._data.wait()

    def close(self) -> None:
        """Closes the connection."""
        self._transport.abort()


def request(method: str, path: str, *headers: str, body: bytes = b"") -> bytes:
    """Returns the bytes of a request."""
    about = (f"Content-Length: {len(body)}", "Content-Type: application/json") if body else ()
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: localhost", *headers, *about, "", ""]).encode() + body


def whole(answer: bytes) -> bool:
    """Whether an answer with a Content-Length is complete."""
    end = answer.find(b"\r\n\r\n")
    if end < 0:
        return False
    length = _LENGTH.search(answer, 0, end)
    if length is None:
        raise ValueError(f"an answer without Content-Length: {answer[:end]!r}")
    return len(answer) - end - 4 >= int(length[1])


def status(answer: bytes) -> int:
    """Returns the status of an answer."""
    return int(answer[9:12])


async def connected(port: int, many: int) -> list[Client]:
    """Opens `many` connections."""
    loop, made = asyncio.get_running_loop(), list[Client]()
    while len(made) < many:
        batch = min(AT_ONCE, many - len(made))
        pairs = await asyncio.gather(*(loop.create_connection(Client, "127.0.0.1", port) for _ in range(batch)))
        made += [client for _, client in pairs]
    return made


async def timed(clients: Sequence[Client], requests: Iterable[bytes], expected: int) -> tuple[float, list[float]]:
    """Sends all requests over the connections, one at a time on each. Returns the seconds of all, and of each. Raises
    RuntimeError on an answer with another status, and TimeoutError."""
    took: list[float] = []
    remaining = iter(requests)

    async def one(client: Client) -> None:
        for whole_request in remaining:
            begin = time.perf_counter()
            answer = await client.send(whole_request)
            took.append(time.perf_counter() - begin)
            if status(answer) != expected:
                raise RuntimeError(f"answered {answer[:400]!r}")

    begin = time.perf_counter()
    async with asyncio.timeout(TIMEOUT):
        await asyncio.gather(*map(one, clients))
    return time.perf_counter() - begin, took
