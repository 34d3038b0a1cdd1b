"""A part of the running application: what it takes to start one, and starting it until it is ready."""

import asyncio
import time
from typing import Protocol

from domain.errors import StartupError
from entrypoints.local.embedded.processes.process import Command, GuardedProcess

POLL = 0.02


class Part(Protocol):
    """A server or a process of ours."""

    @property
    def name(self) -> str: ...

    @property
    def start_seconds(self) -> float:
        """How long it may take to become ready."""
        ...

    async def prepare(self) -> None:
        """Whatever has to be done before each start. Raises StartupError."""
        ...

    def command(self) -> Command: ...

    async def ready(self) -> bool:
        """Whether it answers as it should. Raises nothing."""
        ...


async def launch(part: Part) -> GuardedProcess:
    """Start a part; return when it is ready. Raises StartupError, with the log's last lines, and leaves nothing."""
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
