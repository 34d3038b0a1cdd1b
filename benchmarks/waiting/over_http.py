"""Many that wait for one operation over HTTP: by a stream or a long request each, or by asking again and again."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import psutil

from benchmarks.harness.client import AT_ONCE, PATIENCE, Client, connected
from benchmarks.harness.measurement import quantile
from benchmarks.harness.stage import processor
from benchmarks.waiting.writer import Writer

IDLE_SECONDS: Final = 2.0
"""For which nothing changes."""
TOLD_SECONDS: Final = 1.0
"""From a change on: all have been told, and whatever else it makes the API do is done."""
CHANGE_EVERY: Final = 10.0
"""Seconds between two changes, in the load that is stated: more often than most operations have news."""
POLL: Final = 2.0
POLLED_SECONDS: Final = 2.0
_WARM_UP: Final = 50
_WARM_UPS: Final = 10
_REST: Final = 0.05
_LOOK: Final = 0.002


@dataclass(frozen=True)
class Crowd:
    """Clients of one API process, and whom they wait for."""

    server: psutil.Process
    writer: Writer
    port: int
    clients: Sequence[Client]
    before: int
    """Resident memory of the process before they connected."""

    @property
    def path(self) -> str:
        """Of the operation."""
        return f"/v1/operations/{self.writer.operation_id}"

    def kib_each(self) -> float:
        """What the process has grown by."""
        return (self.server.memory_info().rss - self.before) / len(self.clients) / 1024

    async def open_streams(self) -> None:
        """Every client follows the operation."""
        for start in range(0, len(self.clients), AT_ONCE):
            await _asked(self.clients[start : start + AT_ONCE], f"{self.path}/events")
        await at_rest(self.server)

    async def begin_to_wait(self) -> None:
        """Every client waits for the next version. A wait says nothing: it is under way when a question that was asked
        after it is answered. All at once, those that the database is not free for within five seconds are refused."""
        for start in range(0, len(self.clients), AT_ONCE):
            for client in self.clients[start : start + AT_ONCE]:
                client.ask(f"{self.path}?wait=55s", f'If-None-Match: "{self.writer.version}"')
            await self._answered()
        await at_rest(self.server)

    async def _answered(self) -> None:
        """On a connection of its own: the server closes the longest idle one of more than 5,000."""
        (probe,) = await connected(self.port, 1)
        await _asked([probe], self.path)
        probe.close()

    async def told(self) -> float:
        """Change the operation: the milliseconds from its commit until 99 of 100 have heard."""
        begin = await self.writer.change()
        arrived = await _arrivals(self.clients, after=begin)
        return quantile([at - begin for at in arrived], 0.99) * 1000

    async def follow(self) -> tuple[float, float]:
        """With streams: the percentage of a processor that they take, and the milliseconds of a change."""
        used, begin = processor(self.server), time.perf_counter()
        await asyncio.sleep(IDLE_SECONDS)
        idle = (processor(self.server) - used) / (time.perf_counter() - begin)
        used, begin = processor(self.server), time.perf_counter()
        delay = await self.told()
        await asyncio.sleep(max(0.0, begin + TOLD_SECONDS - time.perf_counter()))
        change = processor(self.server) - used - idle * (time.perf_counter() - begin)
        return (idle + change / CHANGE_EVERY) * 100, delay

    async def wait(self) -> tuple[float]:
        """With a long request each: the milliseconds of a change."""
        await self.begin_to_wait()
        return (await self.told(),)

    async def poll(self) -> tuple[float, float]:
        """All ask every `POLL` seconds, evenly over time: the percentage of a processor, and questions a second that
        were answered, which is less than what was wanted where the process has nothing left."""
        loop = asyncio.get_running_loop()
        end, answered = loop.time() + POLLED_SECONDS, 0

        async def ask_again(number: int, client: Client) -> None:
            nonlocal answered
            await asyncio.sleep(POLL * number / len(self.clients))
            while (now := loop.time()) < end:
                client.ask(self.path)
                await client.something()
                answered += loop.time() < end
                await asyncio.sleep(max(0.0, now + POLL - loop.time()))

        asking = [asyncio.create_task(ask_again(*numbered)) for numbered in enumerate(self.clients)]
        used, begin = processor(self.server), time.perf_counter()
        await asyncio.sleep(POLLED_SECONDS)
        load = (processor(self.server) - used) / (time.perf_counter() - begin) * 100
        asked = answered / POLLED_SECONDS
        async with asyncio.timeout(PATIENCE):
            await asyncio.gather(*asking)
        return load, asked


async def crowd(server: psutil.Process, port: int, writer: Writer, many: int) -> Crowd:
    """So many clients of a process that has answered before."""
    warm = await connected(port, _WARM_UP)
    for _ in range(_WARM_UPS):
        await _asked(warm, f"/v1/operations/{writer.operation_id}")
    for client in warm:
        client.close()
    before = server.memory_info().rss
    return Crowd(server, writer, port, await connected(port, many), before)


async def at_rest(server: psutil.Process) -> None:
    """Until the process has next to nothing to do. Raises TimeoutError."""
    async with asyncio.timeout(PATIENCE):
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
    """When each heard something after that time. Raises TimeoutError: one that hears nothing is not waited for for
    ever. A task for each would keep this process from reading what has arrived."""
    async with asyncio.timeout(PATIENCE):
        for client in clients:
            while client.arrived < after:  # noqa: ASYNC110
                await asyncio.sleep(_LOOK)
    return [client.arrived for client in clients]
