"""Supervises parts: starts them in tiers, restarts those that die, stops them in reverse order."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from domain.errors import StartupError
from entrypoints.local.embedded.part import Part, launch
from entrypoints.local.embedded.processes.process import GuardedProcess

What = Literal["starting", "ready", "died", "gave_up", "stopping", "stopped"]
STABLE_SECONDS = 5.0
"""A part that dies later than this after its start does not count as a repeated failure."""
MAX_PAUSE = 5.0


@dataclass(frozen=True)
class SupervisorEvent:
    """Something that happened to a part."""

    part: str
    what: What
    detail: str = ""
    seconds: float | None = None
    """Duration of the start, the stop or the life, where there is one."""


OnEvent = Callable[[SupervisorEvent], None]


def ignore(_: SupervisorEvent) -> None:
    """Ignores the event."""


class Supervisor:
    """Call `start` for each tier, `wait` for the first part that cannot be kept running, then `stop`."""

    def __init__(self, on_event: OnEvent = ignore, *, max_failures: int = 5) -> None:
        """`max_failures`: consecutive failed starts, or deaths within STABLE_SECONDS."""
        self._on_event = on_event
        self._max_failures = max_failures
        self._running: dict[str, GuardedProcess] = {}
        self._tiers: list[dict[str, asyncio.Task[None]]] = []
        self._given_up: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @property
    def pids(self) -> dict[str, int]:
        """Process ids by part, of the parts that run."""
        return {name: process.pid for name, process in self._running.items()}

    @property
    def guard_pids(self) -> dict[str, int]:
        return {name: process.guard_pid for name, process in self._running.items()}

    async def start(self, *parts: Part) -> None:
        """Starts these parts concurrently and returns when all are ready. Raises StartupError."""
        self._tiers.append({})
        ready: list[asyncio.Future[None]] = []
        for part in parts:
            ready.append(asyncio.get_running_loop().create_future())
            self._tiers[-1][part.name] = task = asyncio.create_task(self._keep(part, ready[-1]))
            task.add_done_callback(self._not_by_accident)
        pending = set(ready)
        while pending and not self._given_up.done():
            _, pending = await asyncio.wait({*pending, self._given_up}, return_when=asyncio.FIRST_COMPLETED)
            pending.discard(self._given_up)
        if self._given_up.done():
            self._given_up.result()

    async def wait(self) -> None:
        """Waits until a part cannot be kept running, then raises StartupError."""
        await asyncio.shield(self._given_up)

    async def stop(self) -> None:
        """Stops the tiers in reverse order, the parts of a tier concurrently. Bounded by the parts' stop timeouts."""
        while self._tiers:
            tier = self._tiers.pop()
            for task in tier.values():
                task.cancel()
            await asyncio.gather(*tier.values(), return_exceptions=True)
            await asyncio.gather(*(self._stop(name) for name in tier))
        if self._given_up.done():
            self._given_up.exception()
        else:
            self._given_up.cancel()

    async def _stop(self, name: str) -> None:
        if process := self._running.pop(name, None):
            self._on_event(SupervisorEvent(name, "stopping"))
            began = time.monotonic()
            await process.stop()
            self._on_event(SupervisorEvent(name, "stopped", seconds=time.monotonic() - began))

    async def _keep(self, part: Part, first_ready: asyncio.Future[None]) -> None:
        failures = 0
        while True:
            began = time.monotonic()
            try:
                why = await self._run_once(part, first_ready)
            except (StartupError, OSError) as error:
                why, lived = str(error), 0.0
                self._on_event(SupervisorEvent(part.name, "died", why))
            else:
                lived = time.monotonic() - began
                self._on_event(SupervisorEvent(part.name, "died", why, lived))
            failures = 1 if lived > STABLE_SECONDS else failures + 1
            if failures >= self._max_failures:
                self._give_up(part, why)
                return
            await asyncio.sleep(0 if failures == 1 else min(0.1 * 2 ** (failures - 2), MAX_PAUSE))

    async def _run_once(self, part: Part, first_ready: asyncio.Future[None]) -> str:
        """Runs the part until its process ends; returns the reason."""
        self._on_event(SupervisorEvent(part.name, "starting"))
        began = time.monotonic()
        process = await launch(part)
        self._running[part.name] = process
        self._on_event(SupervisorEvent(part.name, "ready", f"pid {process.pid}", time.monotonic() - began))
        if not first_ready.done():
            first_ready.set_result(None)
        code = await process.wait()
        self._running.pop(part.name, None)
        tail = process.log_tail()
        return f"{part.name} ended with status {code}" + (f"; its log ends:\n{tail}" if tail else "")

    def _not_by_accident(self, task: asyncio.Task[None]) -> None:
        """Ends the application on an error of the supervisor itself, instead of leaving a part without supervision."""
        error = None if task.cancelled() else task.exception()
        if error and not self._given_up.done():
            self._given_up.set_exception(error)

    def _give_up(self, part: Part, why: str) -> None:
        self._on_event(SupervisorEvent(part.name, "gave_up", why))
        if not self._given_up.done():
            error = StartupError(f"{part.name} cannot be kept running ({self._max_failures} failures in a row): {why}")
            self._given_up.set_exception(error)
