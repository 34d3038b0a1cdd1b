"""A page of the documentation whose blocks are run beside `opledger up`."""

import asyncio
import contextlib
import shlex
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx

from tests.support.eventually import TIMEOUT
from tests.support.pages import block
from tests.support.stack.commands import Stack, environment
from tests.support.stack.exchanges import Reader, differences
from tests.support.temporal.server import TEMPORAL


class Page:
    """Does what a page's blocks say, with the addresses of the stack."""

    def __init__(self, name: str, stack: Stack, folder: Path) -> None:
        """`name`: path of the page. `folder`: for the scripts of the page."""
        self._name = name
        self._stack = stack
        self._folder = folder
        self._reader = Reader(stack.ledger.http)

    async def send(self, name: str) -> httpx.Response:
        """Sends the request of a block."""
        return await self._reader.send(block(self._name, name))

    def remember(self, answer: httpx.Response) -> None:
        """What later requests may name, such as `$ID`."""
        self._reader.remember(answer)

    async def ask(self, name: str, shown: str) -> httpx.Response:
        """Sends the request of a block. A GET is repeated until the answer is as the other block shows it."""
        answer = block(self._name, shown)
        deadline = time.monotonic() + TIMEOUT
        while found := differences(answer, seen := await self.send(name)):
            assert seen.request.method == "GET", found
            assert time.monotonic() < deadline, found
            await asyncio.sleep(0.1)
        return seen

    async def start(self, name: str) -> None:
        """A client without the plugin starts a workflow."""
        program, *arguments = shlex.split(block(self._name, name))
        assert program == "temporal"
        await self._run(str(TEMPORAL), *arguments, "--address", self._stack.temporal_address)

    async def run(self, name: str) -> str:
        """Runs a script of the page to its end. Returns what it printed."""
        return await self._run(sys.executable, self._script(name))

    @contextlib.asynccontextmanager
    async def running(self, name: str) -> AsyncIterator[None]:
        """Runs a script of the page meanwhile."""
        with (self._folder / f"{name}.log").open("w+") as log:
            process = subprocess.Popen(  # noqa: ASYNC220
                [sys.executable, self._script(name)], env=environment(), stdout=log, stderr=log
            )
            try:
                yield
            finally:
                process.terminate()
                await asyncio.to_thread(process.wait, TIMEOUT)
                log.seek(0)
                print(log.read())

    def _script(self, name: str) -> str:
        addresses = {"127.0.0.1:7233": self._stack.temporal_address, "localhost:8080": f"localhost:{self._stack.port}"}
        code = block(self._name, name)
        for shown, used in addresses.items():
            code = code.replace(shown, used)
        (self._folder / name).write_text(code)
        return str(self._folder / name)

    async def _run(self, *command: str) -> str:
        process = await asyncio.create_subprocess_exec(
            *command, env=environment(), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
        )
        output, _ = await process.communicate()
        assert process.returncode == 0, output.decode()
        return output.decode()
