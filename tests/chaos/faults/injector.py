"""Injects the plan's faults at their times. One at a time for each part; everything runs again afterwards."""

import asyncio
import signal
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable
from random import Random

import asyncpg

from entrypoints.local.embedded.postgres import PORT, USER, EmbeddedPostgres
from entrypoints.local.embedded.temporal_server import EmbeddedTemporal
from tests.chaos.faults.callback_faults import TREATMENTS, CallbackFaults
from tests.chaos.plan.kinds import FaultKind
from tests.chaos.plan.plan import Fault, Plan
from tests.chaos.proxies.lost_commits import LostCommits
from tests.chaos.proxies.lost_starts import LostStarts
from tests.chaos.proxies.tcp_proxy import TcpProxy
from tests.chaos.record import Record
from tests.chaos.system.processes import ChaosProcess, send
from tests.chaos.system.system import System
from tests.support.eventually import until

TIMEOUT = 60.0
"""Seconds that a fault which waits for its moment (the next commit, the next start) may wait."""


class Injector:
    """Turns each fault of the plan into a deed, and counts those that took effect."""

    def __init__(self, system: System, plan: Plan, record: Record) -> None:
        self._system = system
        self._plan = plan
        self._record = record
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._callbacks = CallbackFaults(system, record)

    async def run(self, began: float) -> None:
        """All of them; returns when the last has passed. `began`: the load's start on the monotonic clock."""
        async with asyncio.TaskGroup() as group:
            for fault in self._plan.faults:
                group.create_task(self._inject(fault, began))

    def callbacks_given(self) -> None:
        """Count the callback faults that waited for a callback: at the very end, when all have arrived."""
        self._callbacks.count()

    async def _inject(self, fault: Fault, began: float) -> None:
        await asyncio.sleep(max(0.0, began + fault.at - time.monotonic()))
        name, deed = self._deed(fault)
        async with self._locks[name]:
            await deed()

    def _deed(self, fault: Fault) -> tuple[str, Callable[[], Awaitable[None]]]:
        """The part that it happens to, and what happens."""
        system, kind = self._system, fault.kind
        match kind:
            case FaultKind.KILL_API | FaultKind.PAUSE_API:
                return self._process(system.apis[fault.target], fault)
            case FaultKind.KILL_WORKER | FaultKind.PAUSE_WORKER:
                return self._process(system.workers[fault.target], fault)
            case FaultKind.KILL_TEAM:
                assert system.team
                return self._process(system.team, fault)
            case FaultKind.KILL_POSTGRES:
                return "postgres", lambda: self._kill_server(system.postgres, fault)
            case FaultKind.KILL_TEMPORAL:
                return "temporal", lambda: self._kill_server(system.temporal, fault)
            case FaultKind.SESSIONS_ENDED:
                return "postgres", lambda: self._end_sessions(fault)
            case FaultKind.COMMIT_LOST_API | FaultKind.COMMIT_LOST_WORKER:
                commits = system.lost_commits[kind is FaultKind.COMMIT_LOST_WORKER]
                return kind, lambda: self._lose(commits, fault)
            case FaultKind.START_LOST:
                return kind, lambda: self._lose_starts(fault)
            case FaultKind.ENGINE_CUT | FaultKind.ENGINE_MUTED:
                proxy = system.team_engine if fault.number % 4 == 0 else system.engine
                return f"proxy {proxy.port}", lambda: self._disturb(proxy, fault)
            case _:
                return "callbacks" if kind not in TREATMENTS else kind, lambda: self._callbacks.inject(fault)

    def _process(self, process: ChaosProcess, fault: Fault) -> tuple[str, Callable[[], Awaitable[None]]]:
        async def kill() -> None:
            await process.kill()
            self._record.injected[fault.kind] += 1
            await asyncio.sleep(fault.seconds)
            await process.start()
            await asyncio.sleep(1)

        async def pause() -> None:
            process.pause()
            try:
                await asyncio.sleep(fault.seconds)
            finally:
                process.resume()
            self._record.injected[fault.kind] += 1

        return process.name, pause if fault.kind in (FaultKind.PAUSE_API, FaultKind.PAUSE_WORKER) else kill

    async def _kill_server(self, server: EmbeddedPostgres | EmbeddedTemporal, fault: Fault) -> None:
        send(server.pid, signal.SIGKILL)
        self._record.injected[fault.kind] += 1
        await server.stop()
        await asyncio.sleep(fault.seconds)
        await server.start()

    async def _end_sessions(self, fault: Fault) -> None:
        connection = await asyncpg.connect(
            host=self._system.socket, port=PORT, user=USER, database="opledger", timeout=10
        )
        try:
            pids = await self._sessions(connection)
            if fault.target:  # some of them only
                pids = Random(fault.number).sample(pids, (len(pids) + 1) // 2)
            ended = await connection.fetch("SELECT pg_terminate_backend(pid) FROM unnest($1::int[]) AS pid", pids)
        finally:
            await connection.close()
        if ended:
            self._record.injected[fault.kind] += 1

    async def _sessions(self, connection: asyncpg.Connection) -> list[int]:
        """The service's. Just after the server was killed there are none: then once it is back."""
        query = "SELECT pid FROM pg_stat_activity WHERE application_name = 'opledger' AND datname = 'opledger'"
        for _ in range(100):
            if found := await connection.fetch(query):
                return [row["pid"] for row in found]
            await asyncio.sleep(0.1)
        return []

    async def _lose(self, losses: LostCommits | LostStarts, fault: Fault) -> None:
        """Lose the answer to the next one to three, as they come."""
        before = losses.lost
        losses.armed += 1 + fault.number % 3

        async def done() -> bool:
            if losses.lost == before and not losses.armed:
                losses.armed = 1  # the one that it was meant for went down with its connection
            return losses.lost > before

        if await until(done, TIMEOUT):
            self._record.injected[fault.kind] += 1

    async def _lose_starts(self, fault: Fault) -> None:
        """As well where Temporal is away for a while then: what was started may be over when it is started again."""
        await self._lose(self._system.lost_starts, fault)
        if fault.number % 2:
            proxy = self._system.engine
            async with self._locks[f"proxy {proxy.port}"]:
                proxy.down()
                await asyncio.sleep(fault.seconds)
                await proxy.up()

    async def _disturb(self, proxy: TcpProxy, fault: Fault) -> None:
        if fault.kind is FaultKind.ENGINE_CUT:
            proxy.down()
            await asyncio.sleep(fault.seconds)
            await proxy.up()
        else:
            proxy.mute(True)
            await asyncio.sleep(fault.seconds)
            if fault.number % 2:
                proxy.cut()  # what was answered meanwhile is lost
            proxy.mute(False)
        self._record.injected[fault.kind] += 1
