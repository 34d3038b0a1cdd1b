"""Run a real Temporal server for the length of a test session."""

import asyncio
import contextlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client

from tests.support.ports import free_port

UNHURRIED = {"frontend.keepAliveMaxConnectionAge": "24h"}
"""By default the server closes each connection after five minutes. A request that meets this fails, and what tests ask
of the server around the product is not repeated."""
MAX_CALLBACKS = 20
"""Completion callbacks of one execution, on servers that tests limit."""
TEMPORAL = Path(sys.executable).parent / "temporal"


@contextlib.asynccontextmanager
async def temporal_server(
    *, dynamic_config: Mapping[str, Any] | None = None, ready_within: float = 60
) -> AsyncIterator[str]:
    """Start a server on a free port, give its address once it answers, stop it at the end.

    Args:
        dynamic_config: The server's own settings, as values that become JSON.
        ready_within: Seconds to wait for it.

    Raises:
        RuntimeError: it ended, or did not answer in time; with what it wrote.
    """
    address = f"127.0.0.1:{(port := free_port())}"
    command = [str(TEMPORAL), "server", "start-dev", "--headless", "--ip", "127.0.0.1", "--port", str(port)]
    command += ["--log-level", "error"]
    for name in ("OperationUUID", "Team"):
        command += ["--search-attribute", f"{name}=Keyword"]
    for key, value in {**UNHURRIED, **(dynamic_config or {})}.items():
        command += ["--dynamic-config-value", f"{key}={json.dumps(value)}"]
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)  # noqa: ASYNC220
        try:
            if not await _answers(process, address, time.monotonic() + ready_within):
                output.seek(0)
                raise RuntimeError(f"no Temporal server at {address}:\n{output.read()}")
            yield address
        finally:
            process.terminate()
            try:
                await asyncio.to_thread(process.wait, 15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


async def _answers(process: subprocess.Popen[bytes], address: str, deadline: float) -> bool:
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(Exception):
            client = await Client.connect(address)
            await client.workflow_service.describe_namespace(DescribeNamespaceRequest(namespace="default"))
            return True
        await asyncio.sleep(0.2)
    return False
