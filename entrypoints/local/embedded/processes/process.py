"""One command run under a guard, with its log file and its lock."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from domain.errors import StartupError
from entrypoints.local.embedded.processes import guard, locks
from entrypoints.local.embedded.processes.log_files import earlier, keep_short, open_log, tail
from entrypoints.local.embedded.processes.privileges import Identity

LOCK_TIMEOUT = 20.0
"""Seconds that processes of a killed run get to end: their guards need less."""
Stop = tuple[tuple[signal.Signals, float], ...]


@dataclass(frozen=True)
class Command:
    """A command to run. All of its processes hold `lock`, so that the next start can wait until they have ended."""

    argv: tuple[str, ...]
    env: Mapping[str, str]
    log: Path
    lock: Path
    stop: Stop = ((signal.SIGTERM, 10.0),)
    identity: Identity = "same"


class GuardedProcess:
    """A running command. It ends with this process, however this process ends."""

    def __init__(self, command: Command, guard_process: asyncio.subprocess.Process, log_start: int) -> None:
        self.command = command
        self.pid = 0
        """Process id of the command; 0 if it could not be forked."""
        self._guard = guard_process
        self._log_start = log_start
        self._set_aside = False
        """Whether the log was set aside since this start."""

    @classmethod
    async def start(cls, command: Command) -> "GuardedProcess":
        """Starts the command. Raises StartupError if processes of an earlier start do not end."""
        lock = await locks.wait_for_lock(command.lock, LOCK_TIMEOUT)
        if lock is None:
            raise StartupError(
                f"processes of an earlier run still lock {command.lock}: find them with lsof, and stop them"
            )
        try:
            log, log_start = open_log(command.log)
            try:
                guarded = await _spawn_guard(command, log, lock)
            finally:
                os.close(log)
        finally:
            os.close(lock)  # the processes have their own copies
        process = cls(command, guarded, log_start)
        try:
            assert guarded.stdout
            process.pid = int(await guarded.stdout.readline() or 0)
        except BaseException:
            await process.stop()
            raise
        return process

    @property
    def guard_pid(self) -> int:
        return self._guard.pid

    @property
    def running(self) -> bool:
        return self._guard.returncode is None

    async def wait(self) -> int:
        """The exit status: the command's (128 + signal where it was killed), or the guard's if that was killed. The log
        is kept short meanwhile."""
        shortening = asyncio.create_task(keep_short(self.command.log, self._log_begins_anew))
        try:
            return await self._guard.wait()
        finally:
            shortening.cancel()

    def _log_begins_anew(self) -> None:
        self._set_aside = True
        self._log_start = 0

    async def stop(self) -> int:
        """Tells the guard to stop the command. Takes at most the sum of the command's stop seconds."""
        assert self._guard.stdin
        self._guard.stdin.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(sum(seconds for _, seconds in self.command.stop) + 5):
                return await self._guard.wait()
        with contextlib.suppress(ProcessLookupError):
            self._guard.kill()
        return await self._guard.wait()

    def log_tail(self, lines: int = 8) -> str:
        """The last lines written since this start."""
        text = tail(earlier(self.command.log)) if self._set_aside else ""
        text += tail(self.command.log, self._log_start)
        return "\n".join(text.strip().splitlines()[-lines:])


async def leftovers_gone(lock: Path) -> None:
    """Waits until the processes of an earlier start have ended, also of a killed application. Raises StartupError."""
    os.close(await _lock(lock))


async def run(command: Command) -> None:
    """Runs a command to its end. Raises StartupError with the end of its log if it failed."""
    process = await GuardedProcess.start(command)
    try:
        code = await process.wait()
    finally:
        await process.stop()
    if code:
        raise StartupError(f"{Path(command.argv[0]).name} failed with status {code}:\n{process.log_tail()}")


async def _lock(path: Path) -> int:
    descriptor = await locks.wait_for_lock(path, LOCK_TIMEOUT)
    if descriptor is None:
        raise StartupError(f"processes of an earlier run still lock {path}: find them with lsof, and stop them")
    return descriptor


async def _spawn_guard(command: Command, log: int, lock: int) -> asyncio.subprocess.Process:
    stop = ",".join(f"{number.name.removeprefix('SIG')}:{seconds}" for number, seconds in command.stop)
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-S", guard.__file__, "--identity", command.identity, "--stop", stop),
        *("--", *command.argv),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=log,
        env=dict(command.env),
        pass_fds=(lock,),
        start_new_session=True,  # a terminal's Ctrl-C is for the application alone
    )
