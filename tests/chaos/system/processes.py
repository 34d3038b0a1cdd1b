"""The processes of the system under test, each under a guard, to be killed, paused and started again."""

import asyncio
import os
import signal
from collections.abc import Mapping
from pathlib import Path

from entrypoints.local.embedded.processes.process import Command, GuardedProcess
from tests.support.stack.commands import environment


def send(pid: int, number: signal.Signals) -> None:
    """A signal to one process, never to a group of them (which is what 0 and below stand for)."""
    assert pid > 1, f"no process has the id {pid}"
    os.kill(pid, number)


class ChaosProcess:
    """One command. It ends with the campaign, however the campaign ends."""

    def __init__(self, name: str, argv: tuple[str, ...], folder: Path, variables: Mapping[str, str]) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        self.ended_by_itself: list[int] = []
        """The exit codes of the ends that the campaign did not cause."""
        self._command = Command(argv, environment(**variables), self.log, folder / f"{name}.lock")
        self._process: GuardedProcess | None = None
        self._watch: asyncio.Task[None] | None = None
        self._wanted = False

    async def start(self) -> None:
        """Start it; it need not be ready yet."""
        self._process = await GuardedProcess.start(self._command)
        self._wanted = True
        self._watch = asyncio.create_task(self._look_after(self._process))

    @property
    def pid(self) -> int:
        assert self._process
        return self._process.pid

    async def kill(self) -> None:
        """kill -9."""
        assert self._process
        self._wanted = False
        send(self._process.pid, signal.SIGKILL)
        await self._process.wait()

    def pause(self) -> None:
        """SIGSTOP."""
        send(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT."""
        send(self.pid, signal.SIGCONT)

    async def stop(self) -> None:
        """In order, at the end."""
        self._wanted = False
        if self._process:
            await self._process.stop()
        if self._watch:
            await self._watch

    async def _look_after(self, process: GuardedProcess) -> None:
        code = await process.wait()
        if self._wanted and process is self._process:
            self.ended_by_itself.append(code)
            await asyncio.sleep(1)
            if self._wanted:
                await self.start()
