"""opledger's commands as a user starts them: to run, to talk to, to kill, and to look for what they leave behind."""

import asyncio
import contextlib
import itertools
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import psutil
from temporalio.client import Client

from tests.support.eventually import TIMEOUT, eventually
from tests.support.ports import free_port
from tests.support.stack.ledger import Ledger

OPLEDGER = Path(sys.executable).with_name("opledger")
MARK = "E2E_FAMILY"
"""A variable by which the descendants of a process are found, also when their parents are gone."""
_FOREIGN = ("OPLEDGER_", "TEMPORAL_", "DATABASE_URL", "PG", "COLUMNS")
_numbers = itertools.count(1)


def environment(**values: str) -> dict[str, str]:
    """This process's environment, without what would lead opledger to other servers or settings."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}
    return {**kept, "TEMPORAL_CONFIG_FILE": os.devnull, "COLUMNS": "200", **values}


@dataclass(frozen=True)
class Ended:
    """What a command that has ended said."""

    code: int
    output: str
    errors: str

    @property
    def complaint(self) -> str:
        """The one clear line of a command that ended with exit code 1; anything else is an AssertionError."""
        assert self.code == 1, self
        assert self.errors.startswith("opledger: "), self
        assert len(self.errors.splitlines()) == 1, self
        return self.errors.strip()


async def run(*arguments: str, cwd: Path, **variables: str) -> Ended:
    """Run a command to its end."""
    process = await asyncio.create_subprocess_exec(
        OPLEDGER,
        *arguments,
        cwd=cwd,
        env=environment(**variables),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(TIMEOUT):
            output, errors = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    assert process.returncode is not None
    return Ended(process.returncode, output.decode(), errors.decode())


class Service:
    """A command that runs until it is stopped."""

    def __init__(self, *arguments: str, cwd: Path, **variables: str) -> None:
        self.output = cwd / f"output-{next(_numbers)}-{arguments[0]}"
        self._mark = str(uuid4())
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [OPLEDGER, *arguments],
                cwd=cwd,
                env=environment(**{MARK: self._mark}, **variables),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )

    @property
    def said(self) -> str:
        return self.output.read_text()

    async def until_said(self, words: str) -> str:
        """Wait for the words; the whole output so far. An early end is an AssertionError."""

        async def check() -> bool:
            found = words in self.said
            assert found or self.process.poll() is None, f"ended with {self.process.returncode}:\n{self.said}"
            return found

        await eventually(check, f"{words!r} of {self.process.args!r}")
        return self.said

    def family(self) -> list[psutil.Process]:
        """It and all that it has started, directly or not, as far as they run."""
        found = [process for process in psutil.process_iter() if self._of_family(process)]
        with contextlib.suppress(psutil.NoSuchProcess):
            found += psutil.Process(self.process.pid).children(recursive=True)
        return list(set(found))

    def _of_family(self, process: psutil.Process) -> bool:
        with contextlib.suppress(psutil.Error, OSError):
            return not gone(process) and process.environ().get(MARK) == self._mark
        return False

    async def nobody_left(self) -> None:
        """Until none of the family runs."""

        async def check() -> bool:
            return not self.family()

        await eventually(check, "the end of every process")

    async def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send the signal and wait for the end; the exit code."""
        self.process.send_signal(number)
        return await self.ended()

    async def ended(self, within: float = TIMEOUT) -> int:
        """Wait for the end; the exit code."""
        return await asyncio.to_thread(self.process.wait, within)

    def kill(self) -> None:
        """kill -9, if it runs at all, paused or not."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


class Stack:
    """`opledger up` on one data folder and the same ports, started as often as wanted."""

    def __init__(self, folder: Path, *flags: str, **variables: str) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.port = free_port()
        self.temporal_port = free_port()
        self.temporal_address = f"127.0.0.1:{self.temporal_port}"
        ports = ("--port", self.port, "--temporal-port", self.temporal_port, "--ui-port", free_port())
        self.arguments = ("up", "--data-dir", str(self.data), *map(str, ports), *flags)
        self.variables = variables
        self.ledger = Ledger(f"http://127.0.0.1:{self.port}")
        self._service: Service | None = None
        self._client: Client | None = None

    @property
    def service(self) -> Service:
        assert self._service
        return self._service

    async def start(self) -> None:
        """Start it; return when it is ready."""
        self._service = Service(*self.arguments, cwd=self.folder, **self.variables)
        await self._service.until_said("opledger is ready")

    async def temporal(self) -> Client:
        """A client of its Temporal, which outlives restarts."""
        if self._client is None:
            self._client = await Client.connect(self.temporal_address, identity="operator@console")
        return self._client

    def pids(self) -> dict[str, int]:
        """The parts that run just now."""
        status: dict[str, Any] = json.loads((self.data / "run.json").read_text())
        found: dict[str, int] = status["pids"]
        return found

    def kill(self, part: str) -> int:
        """kill -9 of a part; its process id."""
        pid = self.pids()[part]
        os.kill(pid, signal.SIGKILL)
        return pid

    async def until_back(self, part: str, killed: int) -> None:
        """Until the supervisor has another process for the part."""

        async def check() -> bool:
            return self.pids().get(part, killed) != killed

        await eventually(check, f"a new {part}")

    async def close(self) -> None:
        if self._service:
            self._service.kill()
        await self.ledger.close()


@contextlib.asynccontextmanager
async def running(folder: Path, *flags: str, **variables: str) -> AsyncIterator[Stack]:
    """One that is ready inside the block, and gone with all its processes after it."""
    await asyncio.to_thread(folder.mkdir)
    stack = Stack(folder, *flags, **variables)
    await stack.start()
    yield stack
    family = stack.service.family()
    await stack.close()
    await asyncio.to_thread(psutil.wait_procs, family, 30)


def gone(process: psutil.Process) -> bool:
    """Orphans of a killed parent stay as zombies until init looks."""
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
