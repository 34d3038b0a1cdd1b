"""What it costs to let many wait, and how soon a change reaches them, beside letting them ask again and again.

    python -m benchmarks.waiters [--waiters 5000] [--changes 10] [--seconds 30] [--poll 2]

The API is a process of its own on embedded PostgreSQL (durable), and the clients are sockets of this process, over
loopback: streams of one operation, and waits for one (`?wait=60s`). Each change is committed by this process, as a
worker would, and its time runs from before the commit until a client's socket can be read. Memory is what the API
process grows by, sockets' buffers in the kernel apart. For the comparison the same number of clients, with connections
kept open, ask each `--poll` seconds for an operation that does not change.
"""

import argparse
import asyncio
import contextlib
import os
import resource
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import cast
from uuid import UUID

import psutil
import uvloop

from adapters.postgres.change_feed import PostgresChangeFeed
from adapters.postgres.engine import connector, create_engine
from adapters.postgres.migrations import migrate
from adapters.postgres.notifications import Announcer, Listener
from adapters.postgres.operation_queries import PostgresOperationQueries
from adapters.postgres.unit_of_work import PostgresUnitsOfWork
from adapters.system.clock import SystemClock
from application.services.change_hub import ChangeHub
from application.services.read import ReadOperations
from application.services.wait import WaitForOperation, Wish
from domain.evidence import Progress
from domain.lifecycle import accept
from domain.operation import Cause, Change
from domain.transition import Source
from entrypoints.embedded.data_folder import opened
from entrypoints.embedded.net import free_port
from entrypoints.embedded.postgres import EmbeddedPostgres

OPERATION = UUID(int=1)
AT_ONCE = 100
PAUSE = 0.5
"""Seconds between two changes."""
KIB = 1024


class Client(asyncio.Protocol):
    """A connection that notes when something arrives."""

    def __init__(self) -> None:
        self.arrived = 0.0
        self.bytes = 0
        self._something = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Kept for writing."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """When, and how much."""
        self.arrived = time.perf_counter()
        self.bytes += len(data)
        self._something.set()

    def ask(self, path: str, *headers: str) -> None:
        """Send a GET."""
        self._something.clear()
        lines = [f"GET {path} HTTP/1.1", "Host: ledger", *headers, "", ""]
        self._transport.write("\r\n".join(lines).encode())

    def forget(self) -> None:
        """What arrived so far does not count."""
        self._something.clear()

    async def something(self) -> float:
        """When something arrived."""
        await self._something.wait()
        return self.arrived

    def close(self) -> None:
        """Hang up."""
        self._transport.abort()


async def main(waiters: int, changes: int, seconds: float, poll: float) -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with tempfile.TemporaryDirectory(prefix="opledger-bench-") as place, opened(Path(place, "data")) as folder:
        async with EmbeddedPostgres(folder) as postgres:
            await postgres.create_database()
            await migrate(postgres.url)
            writer = Writer(postgres.url)
            try:
                await writer.accept()
                print(f"{waiters:,} waiters, {changes} changes; times are from the commit to the waiter")
                await inside(postgres.url, writer, waiters, changes)
                async with api(postgres.url) as (server, port):
                    await measure(server, port, writer, waiters, changes, seconds, poll)
            finally:
                await writer.close()


async def inside(url: str, writer: "Writer", waiters: int, changes: int) -> None:
    """The same without HTTP: what waits in this process."""
    engine, listener = create_engine(url), Listener(connector(url))
    hub = ChangeHub(PostgresChangeFeed(engine, listener))
    wait = WaitForOperation(ReadOperations(partial(PostgresOperationQueries, engine)), hub)
    arrived: list[float] = []

    async def one() -> None:
        await wait.wait("default", OPERATION, Wish(60))
        arrived.append(time.perf_counter())

    async def all_waiting() -> list[asyncio.Task[None]]:
        tasks = []
        for number in range(waiters):
            tasks.append(asyncio.create_task(one()))
            if number % AT_ONCE == 0:
                await asyncio.sleep(PAUSE / 10)
        await asyncio.sleep(PAUSE)
        return tasks

    delays: list[float] = []
    before = psutil.Process().memory_info().rss
    for number in range(changes):
        tasks = await all_waiting()
        if number == 0:
            grown = (psutil.Process().memory_info().rss - before) / waiters / KIB
        arrived.clear()
        begin = await writer.change()
        await asyncio.gather(*tasks)
        delays += [at - begin for at in arrived]
    print(f"{'inside, idle:':<19} {grown:6.1f} KiB each")
    print(f"{'inside, changing:':<19} {spread(delays)}")
    hub.close()
    listener.close()
    await engine.dispose()


async def measure(
    server: psutil.Process, port: int, writer: "Writer", waiters: int, changes: int, seconds: float, poll: float
) -> None:
    path = f"/v1/operations/{OPERATION}"
    warm = await connected(port, 50)
    await answers(warm, path)
    before = server.memory_info().rss
    clients = [*warm, *await connected(port, waiters - len(warm))]
    await answers(clients, path)
    idle = server.memory_info().rss
    print(f"connections alone:  {(idle - before) / waiters / KIB:6.1f} KiB each")
    for name, follow in (("streams", f"{path}/events"), ("waits", f"{path}?wait=60s")):
        await begun(clients, follow, writer, streams=name == "streams")
        await asyncio.sleep(1)
        grown = (server.memory_info().rss - before) / waiters / KIB
        used = processor(server)
        await asyncio.sleep(seconds / 3)
        load = (processor(server) - used) / (seconds / 3)
        print(f"{name + ', idle:':<19} {grown:6.1f} KiB each with the connection, {load:.1%} of a processor")
        delays, used = list[float](), 0.0
        for _ in range(changes):
            for client in clients:
                client.forget()
            used -= processor(server)
            begin = await writer.change()
            delays += [at - begin for at in await asyncio.gather(*(client.something() for client in clients))]
            await asyncio.sleep(PAUSE)
            used += processor(server)
            if name == "waits":
                await begun(clients, follow, writer, streams=False)
        cost = used / len(delays) * 1e6
        print(f"{name + ', changing:':<19} {spread(delays)}, {cost:.0f} us of a processor for each client")
        if name == "streams":
            for client in clients:
                client.close()
            await asyncio.sleep(1)
            clients = await connected(port, waiters)
    for client in clients:
        client.close()
    clients = await connected(port, waiters)
    await polled(server, clients, path, seconds, poll)


async def polled(server: psutil.Process, clients: list[Client], path: str, seconds: float, poll: float) -> None:
    """All ask, evenly over time, for as long as was said."""
    used, begin = processor(server), time.perf_counter()
    asked = 0

    async def ask_again(number: int, client: Client) -> None:
        nonlocal asked
        await asyncio.sleep(poll * number / len(clients))
        while time.perf_counter() - begin < seconds:
            next_time = time.perf_counter() + poll
            client.ask(path)
            await client.something()
            asked += 1
            await asyncio.sleep(max(0.0, next_time - time.perf_counter()))

    await asyncio.gather(*(ask_again(number, client) for number, client in enumerate(clients)))
    took = time.perf_counter() - begin
    load = (processor(server) - used) / took
    asking = f"{asked / took:,.0f} of {len(clients) / poll:,.0f} questions a second"
    print(f"{f'polled each {poll:g} s:':<19} {load:.1%} of a processor, {asking}")


async def connected(port: int, many: int) -> list[Client]:
    """So many connections."""
    loop, made = asyncio.get_running_loop(), list[Client]()
    while len(made) < many:
        batch = min(AT_ONCE, many - len(made))
        pairs = await asyncio.gather(*(loop.create_connection(Client, "127.0.0.1", port) for _ in range(batch)))
        made += [client for _, client in pairs]
    return made


async def answers(clients: list[Client], path: str) -> None:
    """Each asks once and is answered."""
    for start in range(0, len(clients), AT_ONCE):
        batch = clients[start : start + AT_ONCE]
        for client in batch:
            client.ask(path)
        await asyncio.gather(*(client.something() for client in batch))


async def begun(clients: list[Client], path: str, writer: "Writer", *, streams: bool) -> None:
    """All are waiting. A stream says so itself; of a wait it is assumed, and one that comes late is answered late."""
    for start in range(0, len(clients), AT_ONCE):
        batch = clients[start : start + AT_ONCE]
        for client in batch:
            client.ask(path, f'If-None-Match: "{writer.version}"')
        if streams:
            await asyncio.gather(*(client.something() for client in batch))
    await asyncio.sleep(PAUSE if streams else PAUSE + len(clients) / 400)


class Writer:
    """Commits changes as a worker does."""

    def __init__(self, url: str) -> None:
        self._engine = create_engine(url)
        self._announcer = Announcer(connector(url))
        self._units = PostgresUnitsOfWork(self._engine, self._announcer.announce)
        self._clock = SystemClock()
        self.version = 1

    async def accept(self) -> None:
        """The operation that all wait for."""
        cause = Cause(Source.CLIENT, "accepted", self._clock.now())
        async with self._units() as unit:
            await unit.operations.add(
                accept(OPERATION, tenant="default", type_name="x", value={"n": 1}, labels={}, cause=cause)
            )
            await unit.commit()

    async def change(self) -> float:
        """Change it; when that began."""
        async with self._units() as unit:
            operation = await unit.operations.get(OPERATION)
            assert operation is not None
            progress = Progress(None, f"after version {self.version}")
            changed = replace(operation, progress=progress, updated_at=self._clock.now())
            self.version = (await unit.operations.save(Change(changed))).version
            begin = time.perf_counter()
            await unit.commit()
        return begin

    async def close(self) -> None:
        """Disconnect."""
        await self._announcer.close()
        await self._engine.dispose()


@contextlib.asynccontextmanager
async def api(url: str) -> AsyncIterator[tuple[psutil.Process, int]]:
    """The API's process, and its port."""
    port = free_port("127.0.0.1")
    environment = {**os.environ, "DATABASE_URL": url, "OPLEDGER_LOG_LEVEL": "error"}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "entrypoints.cli.main", "api", "--port", str(port)), env=environment
    )
    try:
        while True:
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                break
            await asyncio.sleep(0.1)
        yield psutil.Process(process.pid), port
    finally:
        process.terminate()
        await process.wait()


def processor(server: psutil.Process) -> float:
    """Seconds of processor time so far."""
    times = server.cpu_times()
    return times.user + times.system


def spread(delays: list[float]) -> str:
    ordered = sorted(delays)
    return ", ".join(
        f"{name} {ordered[min(len(ordered) - 1, int(len(ordered) * part))] * 1000:.0f} ms"
        for name, part in (("p50", 0.5), ("p99", 0.99), ("max", 1.0))
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--waiters", type=int, default=5_000)
    parser.add_argument("--changes", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--poll", type=float, default=2)
    uvloop.run(main(**vars(parser.parse_args())))
