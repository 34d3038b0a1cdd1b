"""Parts of the running application, and their start."""

import asyncio
import time
from typing import Protocol

from domain.errors import StartupError
from entrypoints.local.embedded.processes.process import Command, GuardedProcess

POLL = 0.02


class Part(Protocol):
    """A server, or a process of the application."""

    @property
    def name(self) -> str: ...

    @property
    def start_seconds(self) -> float:
        """Seconds within which the part must become ready."""
        ...

    async def prepare(self) -> None:
        """Prepares a start. Called before each one. Raises StartupError."""
        ...

    def command(self) -> Command: ...

    async def ready(self) -> bool:
        """Returns whether the part is ready. Raises nothing."""
        ...


async def launch(part: Part) -> GuardedProcess:
    """Starts a part and returns when it is ready. Raises StartupError with the log's last lines; no process remains."""
    await part.prepare()
    process = await GuardedProcess.start(part.command())
    try:
        deadline = time.monotonic() + part.start_seconds
        while not await part.ready() or not process.running:
            if not process.running:
                raise StartupError(_why(part, process, f"ended with status {await process.wait()} at start"))
            if time.monotonic() > deadline:
                raise StartupError(_why(part, process, f"was not ready after {part.start_seconds:.0f} s"))
            await asyncio.sleep(POLL)
    except BaseException:
        await process.stop()
        raise
    return process


def _why(part: Part, process: GuardedProcess, what: str) -> str:
    tail = process.log_tail()
    log = process.command.log
    return f"{part.name} {what}; the end of {log}:\n{tail}" if tail else f"{part.name} {what}; {log} is empty"
