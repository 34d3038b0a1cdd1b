"""A separate Temporal server that a test can kill, freeze and configure."""

import asyncio
import contextlib
import os
import signal
import subprocess
from pathlib import Path

from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client

from tests.support.eventually import eventually
from tests.support.ports import free_port
from tests.support.temporal.server import TEMPORAL


class OwnServer:
    """Keeps its port and data after a restart. It has the namespaces `default` and `second`, and no search
    attribute."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._port}"

    async def start(self) -> None:
        command = [str(TEMPORAL), "server", "start-dev", "--headless", "--ip", "127.0.0.1", "--port", str(self._port)]
        command += ["--db-filename", str(self._folder / "temporal.db"), "--log-level", "error"]
        command += ["--namespace", "second", "--dynamic-config-value", "frontend.WorkflowPauseEnabled=true"]
        with (self._folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)  # noqa: ASYNC220
        await eventually(self._answers)

    async def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            await asyncio.to_thread(self._process.wait)
            self._process = None

    def hang(self, hanging: bool = True) -> None:
        """Stops (or continues) the process: connections stay open, and nothing answers."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP if hanging else signal.SIGCONT)
        if hanging:
            os.waitpid(self._process.pid, os.WUNTRACED)

    async def _answers(self) -> bool:
        with contextlib.suppress(Exception):
            client = await Client.connect(self.address)
            for namespace in ("default", "second"):
                await client.workflow_service.describe_namespace(DescribeNamespaceRequest(namespace=namespace))
            return True
        return False
