"""Many waiters for one operation over HTTP: streams, long polling, or polling."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import psutil

from benchmarks.harness.client import AT_ONCE, TIMEOUT, Client, connected
from benchmarks.harness.measurement import quantile
from benchmarks.harness.stage import processor
from benchmarks.waiting.writer import Writer

IDLE_SECONDS: Final = 2.0
"""Seconds without a change."""
NOTIFIED_SECONDS: Final = 1.0
"""Seconds after a change in which the API notifies all clients and completes its other work."""
CHANGE_EVERY: Final = 10.0
"""Seconds between two changes in the stated load: more often than most operations change."""
POLL: Final = 2.0
POLLED_SECONDS: Final = 2.0
_WARM_UP: Final = 50
_WARM_UPS: Final = 10
_REST: Final = 0.05
_LOOK: Final = 0.002


@dataclass(frozen=True)
class Crowd:
    """Clients of one API process, and the operation that they wait for."""

    server: psutil.Process
    writer: Writer
    port: int
    clients: Sequence[Client]
    before: int
    """Resident memory of the process before the clients connected."""

    @property
    def path(self) -> str:
        """Path of the operation."""
        return f"/v1/operations/{self.writer.operation_id}"

    def kib_each(self) -> float:
        """Growth of the process per client."""
        return (self.server.memory_info().rss - self.before) / len(self.clients) / 1024

    async def open_streams(self) -> None:
        """Opens one stream per client."""
        for start in range(0, len(self.clients), AT_ONCE):
            await _asked(self.clients[start : start + AT_ONCE], f"{self.path}/events")
        await at_rest(self.server)

    async def begin_to_wait(self) -> None:
        """Opens one wait per client and returns once the server holds them all. A wait has no response, but the server
        has read it once it has answered a later request. The waits are opened in groups: the server refuses those for
        which the database is not free within five seconds."""
        for start in range(0, len(self.clients), AT_ONCE):
            for client in self.clients[start : start + AT_ONCE]:
                client.ask(f"{self.path}?wait=55s", f'If-None-Match: "{self.writer.version}"')
            await self._answered()
        await at_rest(self.server)

    async def _answered(self) -> None:
        """Waits for an answer on a new connection: of more than 5,000, the server closes the longest idle one."""
        (probe,) = await connected(self.port, 1)
        await _asked([probe], self.path)
        probe.close()

    async def notify(self) -> float:
        """Changes the operation. Returns the p99 notification latency in ms."""
        begin = await self.writer.change()
        arrived = await _arrivals(self.clients, after=begin)
        return quantile([at - begin for at in arrived], 0.99) * 1000

    async def follow(self) -> tuple[float, float]:
        """With streams: returns their load in percent of a processor, and the notification latency in ms."""
        used, begin = processor(self.server), time.perf_counter()
        await asyncio.sleep(IDLE_SECONDS)
        idle = (processor(self.server) - used) / (time.perf_counter() - begin)
        used, begin = processor(self.server), time.perf_counter()
        delay = await self.notify()
        await asyncio.sleep(max(0.0, begin + NOTIFIED_SECONDS - time.perf_counter()))
        change = processor(self.server) - used - idle * (time.perf_counter() - begin)
        return (idle + change / CHANGE_EVERY) * 100, delay

    async def wait(self) -> tuple[float]:
        """With one long poll per client: returns the notification latency in ms."""
        await self.begin_to_wait()
        return (await self.notify(),)

    async def poll(self) -> tuple[float, float]:
        """All clients poll every `POLL` seconds, spread evenly. Returns the load in percent of a processor, and the
        answered requests per second: fewer than were due if the process is saturated."""
        loop = asyncio.get_running_loop()
        end, answered = loop.time() + POLLED_SECONDS, 0

        async def ask_again(number: int, client: Client) -> None:
            nonlocal answered
            await asyncio.sleep(POLL * number / len(self.clients))
            while (now := loop.time()) < end:
                client.ask(self.path)
                await client.wait_for_data()
                answered += loop.time() < end
                await asyncio.sleep(max(0.0, now + POLL - loop.time()))

        asking = [asyncio.create_task(ask_again(*numbered)) for numbered in enumerate(self.clients)]
        used, begin = processor(self.server), time.perf_counter()
        await asyncio.sleep(POLLED_SECONDS)
        load = (processor(self.server) - used) / (time.perf_counter() - begin) * 100
        asked = answered / POLLED_SECONDS
        async with asyncio.timeout(TIMEOUT):
            await asyncio.gather(*asking)
        return load, asked


async def crowd(server: psutil.Process, port: int, writer: Writer, many: int) -> Crowd:
    """Connects `many` clients to a process that has answered a request."""
    warm = await connected(port, _WARM_UP)
    for _ in range(_WARM_UPS):
        await _asked(warm, f"/v1/operations/{writer.operation_id}")
    for client in warm:
        client.close()
    before = server.memory_info().rss
    return Crowd(server, writer, port, await connected(port, many), before)


async def at_rest(server: psutil.Process) -> None:
    """Waits until the process is idle. Raises TimeoutError."""
    async with asyncio.timeout(TIMEOUT):
        quiet = 0
        while quiet < 5:
            used = processor(server)
            await asyncio.sleep(_REST)
            quiet = quiet + 1 if processor(server) - used < _REST / 4 else 0


async def _asked(clients: Sequence[Client], path: str) -> None:
    begin = time.perf_counter()
    for client in clients:
        client.ask(path)
    await _arrivals(clients, after=begin)


async def _arrivals(clients: Sequence[Client], after: float) -> list[float]:
    """Returns the time of the first data after that time, by client. Raises TimeoutError. A task for each client would
    delay the reads of this process."""
    async with asyncio.timeout(TIMEOUT):
        for client in clients:
            while client.arrived < after:  # noqa: ASYNC110
                await asyncio.sleep(_LOOK)
    return [client.arrived for client in clients]
