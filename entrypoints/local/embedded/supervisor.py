"""Keeps parts running: starts tiers of them, starts again what died, stops all in reverse order."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from domain.errors import StartupError
from entrypoints.local.embedded.part import Part, launch
from entrypoints.local.embedded.process import GuardedProcess

What = Literal["starting", "ready", "died", "gave_up", "stopping", "stopped"]
STEADY = 5.0
"""Seconds after which a part that was ready counts as having worked."""
LONGEST_PAUSE = 5.0


@dataclass(frozen=True)
class Event:
    """Something that happened to a part."""

    part: str
    what: What
    detail: str = ""
    seconds: float | None = None
    """How long it took, where that says something."""


OnEvent = Callable[[Event], None]


def ignore(_: Event) -> None:
    """For who wants no events."""


class Supervisor:
    """`start` a tier, and another; `pids` while they run; `wait` for the first part that cannot be kept; `stop`."""

    def __init__(self, on_event: OnEvent = ignore, *, max_failures: int = 5) -> None:
        """`max_failures`: in a row, each a start that failed or a death within five seconds of being ready."""
        self._on_event = on_event
        self._max_failures = max_failures
        self._running: dict[str, GuardedProcess] = {}
        self._tiers: list[dict[str, asyncio.Task[None]]] = []
        self._given_up: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @property
    def pids(self) -> dict[str, int]:
        """The parts' own processes, by name; without those that are down just now."""
        return {name: process.pid for name, process in self._running.items()}

    @property
    def guard_pids(self) -> dict[str, int]:
        return {name: process.guard_pid for name, process in self._running.items()}

    async def start(self, *parts: Part) -> None:
        """Start these at the same time; return when all are ready. Raises StartupError."""
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
        """Until a part cannot be kept running: raises StartupError then."""
        await asyncio.shield(self._given_up)

    async def stop(self) -> None:
        """Stop the latest tier first, a tier's parts together. Bounded by the parts' stop times."""
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
            self._on_event(Event(name, "stopping"))
            began = time.monotonic()
            await process.stop()
            self._on_event(Event(name, "stopped", seconds=time.monotonic() - began))

    async def _keep(self, part: Part, first_ready: asyncio.Future[None]) -> None:
        failures = 0
        while True:
            began = time.monotonic()
            try:
                why = await self._run_once(part, first_ready)
            except (StartupError, OSError) as error:
                why, lived = str(error), 0.0
                self._on_event(Event(part.name, "died", why))
            else:
                lived = time.monotonic() - began
                self._on_event(Event(part.name, "died", why, lived))
            failures = 1 if lived > STEADY else failures + 1
            if failures >= self._max_failures:
                self._give_up(part, why)
                return
            await asyncio.sleep(0 if failures == 1 else min(0.1 * 2 ** (failures - 2), LONGEST_PAUSE))

    async def _run_once(self, part: Part, first_ready: asyncio.Future[None]) -> str:
        """From start to death; returns what is known of the death."""
        self._on_event(Event(part.name, "starting"))
        began = time.monotonic()
        process = await launch(part)
        self._running[part.name] = process
        self._on_event(Event(part.name, "ready", f"pid {process.pid}", time.monotonic() - began))
        if not first_ready.done():
            first_ready.set_result(None)
        code = await process.wait()
        self._running.pop(part.name, None)
        tail = process.log_tail()
        return f"{part.name} ended with status {code}" + (f"; its log ends:\n{tail}" if tail else "")

    def _not_by_accident(self, task: asyncio.Task[None]) -> None:
        """A mistake in the supervision itself ends the application rather than leaving it half-watched."""
        error = None if task.cancelled() else task.exception()
        if error and not self._given_up.done():
            self._given_up.set_exception(error)

    def _give_up(self, part: Part, why: str) -> None:
        self._on_event(Event(part.name, "gave_up", why))
        if not self._given_up.done():
            error = StartupError(f"{part.name} cannot be kept running ({self._max_failures} failures in a row): {why}")
            self._given_up.set_exception(error)
