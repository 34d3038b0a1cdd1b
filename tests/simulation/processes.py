"""Processes of the ledger. Each may be killed or paused at any step while the others continue."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from application.ports.clock import Clock
from application.ports.engine.workflow_engine import EngineUnavailable
from tests.support.ledger.faults import Crash, Faults

SETTLED = 12
"""Turns of the loop after which what a process does beside a branch that stands still has come to its end."""
STUCK = 10_000


@dataclass(frozen=True, slots=True)
class Fate:
    """A fault of a process, and the step at which it occurs."""

    killed: bool
    at: int


@dataclass(eq=False, slots=True)
class Process:
    """A process of the ledger that does one piece of work."""

    begun_at: datetime
    fate: Fate | None
    ahead: timedelta = timedelta()
    """Offset of the process's clock."""
    left: int = 0
    main: asyncio.Task[Any] | None = None
    tasks: list[asyncio.Task[Any]] = field(default_factory=list)
    still: asyncio.Future[None] | None = None
    """Set when the paused branch may continue."""
    stood_still: bool = False

    def meet(self, fate: Fate | None) -> None:
        """Sets the fault that the process meets from here on."""
        self.fate, self.left = fate, fate.at if fate is not None else 0


CURRENT: ContextVar[Process | None] = ContextVar("process", default=None)


class ProcessClock:
    """The clock of each process, which may run ahead."""

    def __init__(self, true: Clock) -> None:
        self._true = true

    def now(self) -> datetime:
        process = CURRENT.get()
        return self._true.now() if process is None else self._true.now() + process.ahead


class Fates(Faults):
    """Counts the steps of each process by itself. A process stands still only where it holds no lock of `unit`: others
    would wait for it."""

    def __init__(self, unit: Any = None) -> None:
        super().__init__()
        self._unit = unit

    async def around(self, call: Callable[[], Awaitable[Any]]) -> Any:
        """Lets the fault occur before the call, or after it took effect and before the caller has its result."""
        process = CURRENT.get()
        if process is None or process.fate is None:
            return await call()
        await _meet(process, self._free)
        answer = await call()
        await _meet(process, self._free)
        return answer

    def _free(self) -> bool:
        return self._unit is None or not self._unit._locks._held


async def _meet(process: Process, free: Callable[[], bool]) -> None:
    fate = process.fate
    if fate is None:
        return
    if process.left > 0:
        process.left -= 1
    elif fate.killed:
        raise Crash
    elif free():
        process.fate, process.stood_still = None, True
        process.still = asyncio.get_running_loop().create_future()
        await process.still


class Processes:
    """The running processes, on one event loop. No process waits for real time."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._loop = asyncio.new_event_loop()
        self._loop.set_task_factory(_belonging)
        self.still: list[Process] = []

    def run(self, work: Coroutine[Any, Any, Any], fate: Fate | None = None, ahead: timedelta = timedelta()) -> Any:
        """Returns the result; None if the process was killed or is paused, or if the engine was unavailable."""
        process = Process(self._now(), None, ahead)
        process.meet(fate)
        return self._go_on(process, work)

    def resume(self, process: Process, fate: Fate | None) -> None:
        """Continues a paused process."""
        self.still.remove(process)
        process.meet(fate)
        waiting, process.still = process.still, None
        if waiting is not None and not waiting.done():
            waiting.set_result(None)
        self._go_on(process)

    def kill(self, process: Process) -> None:
        """Kills a paused process."""
        self.still.remove(process)
        self._loop.run_until_complete(_end(process))

    def close(self) -> None:
        """Kills all processes."""
        for process in list(self.still):
            self.kill(process)
        self._loop.close()

    def _go_on(self, process: Process, work: Coroutine[Any, Any, Any] | None = None) -> Any:
        try:
            answer, done = self._loop.run_until_complete(_live(process, work))
        except (Crash, EngineUnavailable):
            return None
        if not done:
            self.still.append(process)
        return answer


async def _live(process: Process, work: Coroutine[Any, Any, Any] | None) -> tuple[Any, bool]:
    if work is not None:
        CURRENT.set(process)
        process.main = asyncio.ensure_future(work)
    main = process.main
    assert main is not None
    turns = 0
    while not main.done():
        await asyncio.sleep(0)
        turns += 1
        assert turns < STUCK, "a process waits for ever"
        if process.still is not None and turns > SETTLED:
            return None, False
    await _end(process)
    return main.result(), True


async def _end(process: Process) -> None:
    """Cancels every task of the process."""
    own = [task for task in process.tasks if task is not asyncio.current_task()]
    while left := [task for task in own if not task.done()]:
        for task in left:
            task.cancel()
        await asyncio.sleep(0)
    for task in own:
        if not task.cancelled():
            task.exception()


def _belonging(loop: asyncio.AbstractEventLoop, work: Any, **options: Any) -> Any:
    """A task, known to the process that made it."""
    task: asyncio.Task[Any] = asyncio.Task(work, loop=loop, **options)
    process = CURRENT.get()
    if process is not None:
        process.tasks.append(task)
    return task
