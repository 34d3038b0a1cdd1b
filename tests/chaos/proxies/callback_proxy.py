"""Stands between Temporal and the APIs: passes callbacks on, refuses, delays, doubles and loses them."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

import httpx

from tests.chaos.plan.kinds import FaultKind

HOP_BY_HOP = {"host", "connection", "content-length", "transfer-encoding", "keep-alive", "te", "upgrade"}
TOKEN = "Opledger-Callback-Token"
SHARE = 0.25
"""Of the callbacks that arrive while a treatment waits, how many get it: five failures in a row would have the server
keep all callbacks back for a minute."""


@dataclass(frozen=True)
class Callback:
    """One request as it arrived."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    @property
    def operation_id(self) -> str:
        return self.target.rpartition("/")[2]


@dataclass
class Treatment:
    """What some of the next callbacks get."""

    kind: FaultKind
    seconds: float
    left: int
    untouched: bool = True


class CallbackProxy:
    """An HTTP server on one port, which spreads over the APIs."""

    def __init__(self, apis: Sequence[str], dice: Random) -> None:
        self._apis = apis
        self._dice = dice
        self._http = httpx.AsyncClient(timeout=10, trust_env=False)
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._later: set[asyncio.Task[None]] = set()
        self.treatments: list[Treatment] = []
        self.given: Counter[FaultKind] = Counter()
        self.statuses: Counter[int] = Counter()
        self.tokens: dict[str, str] = {}
        """The token that each operation's callbacks carried, as anybody on the way could read it."""
        self.lost: set[str] = set()
        """The operations of which a callback was lost."""
        self.port = 0

    @property
    def waiting(self) -> bool:
        """Whether a treatment has found no callback yet, or a callback is still to be delivered late."""
        return bool(self._later) or any(treatment.untouched for treatment in self.treatments)

    async def up(self) -> None:
        """Listen, again on the same port."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    def down(self) -> None:
        """Refuse connections, and cut those there are."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in list(self._writers):
            writer.transport.abort()

    async def close(self) -> None:
        """The end; what is still to be delivered late is dropped."""
        self.down()
        for task in list(self._later):
            task.cancel()
        await asyncio.gather(*self._later, return_exceptions=True)
        await self._http.aclose()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, ValueError):
            while callback := await _read(reader):
                self.tokens[callback.operation_id] = dict(callback.headers).get(TOKEN, "")
                status = await self._treat(callback)
                self.statuses[status] += 1
                writer.write(f"HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n".encode())
                await writer.drain()
        self._writers.discard(writer)
        writer.close()

    async def _treat(self, callback: Callback) -> int:
        treatment = self._chosen()
        if treatment is None:
            return await self._forward(callback)
        match treatment.kind:
            case FaultKind.CALLBACK_REFUSED:
                return 503
            case FaultKind.CALLBACK_UNACKNOWLEDGED:
                await self._forward(callback)
                return 500
            case FaultKind.CALLBACK_SLOW:
                await asyncio.sleep(treatment.seconds)
                return await self._forward(callback)
            case FaultKind.CALLBACK_DUPLICATED:
                first, _ = await asyncio.gather(self._forward(callback), self._forward(callback))
                return first
            case FaultKind.CALLBACK_LATE:
                self._later.add(task := asyncio.create_task(self._deliver_later(callback, treatment.seconds)))
                task.add_done_callback(self._later.discard)
                return 200
            case FaultKind.CALLBACK_LOST:
                self.lost.add(callback.operation_id)
                return 200
        raise AssertionError(treatment)

    def _chosen(self) -> Treatment | None:
        waiting = [treatment for treatment in self.treatments if treatment.left]
        if not waiting or self._dice.random() > SHARE:
            return None
        chosen = self._dice.choice(waiting)
        chosen.left -= 1
        chosen.untouched = False
        self.given[chosen.kind] += 1
        return chosen

    async def _deliver_later(self, callback: Callback, seconds: float) -> None:
        await asyncio.sleep(seconds * self._dice.uniform(0.5, 1))
        for _ in range(60):  # answered 200 already: only this proxy repeats it
            if await self._forward(callback) not in (500, 502, 503):
                return
            await asyncio.sleep(0.5)
        self.lost.add(callback.operation_id)

    async def _forward(self, callback: Callback) -> int:
        """To either API, to the other one where the first cannot be reached."""
        for url in self._dice.sample(self._apis, len(self._apis)):
            try:
                answer = await self._http.request(
                    callback.method, url + callback.target, headers=list(callback.headers), content=callback.body
                )
            except httpx.TransportError:
                continue
            return answer.status_code
        return 503


async def _read(reader: asyncio.StreamReader) -> Callback | None:
    """The next request; None at the connection's end."""
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    except asyncio.IncompleteReadError:
        return None
    method, target, _ = head[0].split(" ", 2)
    pairs = [(name.strip(), value.strip()) for name, _, value in (line.partition(":") for line in head[1:] if line)]
    by_name = {name.lower(): value for name, value in pairs}
    if by_name.get("transfer-encoding", "").lower() == "chunked":
        body = await _chunks(reader)
    else:
        body = await reader.readexactly(int(by_name.get("content-length", "0")))
    kept = tuple((name, value) for name, value in pairs if name.lower() not in HOP_BY_HOP)
    return Callback(method, target, kept, body)


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    body = b""
    while size := int((await reader.readline()).split(b";")[0], 16):
        body += await reader.readexactly(size)
        await reader.readline()
    while (await reader.readline()).strip():
        pass
    return body
