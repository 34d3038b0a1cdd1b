"""The service in examples/deployer beside `opledger up`, run by the commands of its README.md."""

import asyncio
import contextlib
import shlex
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx

from tests.support.eventually import TIMEOUT, eventually
from tests.support.pages import ROOT, block
from tests.support.ports import free_port
from tests.support.stack.commands import OPLEDGER, Stack, environment, run
from tests.support.stack.exchanges import curl

EXAMPLE = ROOT / "examples/deployer"
PAGE = "examples/deployer/README.md"
BIN = OPLEDGER.parent
PORT = "8000"
"""Of the example, as the page has it."""


@contextlib.asynccontextmanager
async def running(stack: Stack, folder: Path, code: str) -> AsyncIterator[None]:
    """A process of the example: a line that exports the address of the ledger, and a line that starts it. Its output is
    shown if the test fails."""
    exported, command = code.splitlines()
    assert exported == "export OPLEDGER_URL=http://127.0.0.1:8080"
    variables = environment(OPLEDGER_URL=stack.ledger.url, TEMPORAL_ADDRESS=stack.temporal_address)
    program, *arguments = shlex.split(command)
    with (folder / f"{arguments[-1]}.log").open("w+") as output:
        process = subprocess.Popen(  # noqa: ASYNC220
            [BIN / program, *arguments], cwd=EXAMPLE, env=variables, stdout=output, stderr=output
        )
        try:
            yield
        finally:
            process.terminate()
            await asyncio.to_thread(process.wait, TIMEOUT)
            output.seek(0)
            print(output.read())


async def test_example_deploys_by_http(stack: Stack, tmp_path: Path) -> None:
    """A deployment by HTTP: submitted to the ledger, started by it, run by the worker, and shown with its progress."""
    port = str(free_port())
    deploy, look, opledger = block(PAGE, "deploy").splitlines()
    async with (
        running(stack, tmp_path, block(PAGE, "worker")),
        running(stack, tmp_path, block(PAGE, "application").replace(PORT, port)),
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=60) as web,
    ):

        async def deployed() -> dict[str, Any] | None:
            with contextlib.suppress(httpx.ConnectError):
                answer = await sent(web, deploy)
                assert answer.status_code == 202, answer.text
                made: dict[str, Any] = answer.json()
                return made
            return None

        made = await eventually(deployed, "the example's web application")

        async def ended() -> dict[str, Any] | None:
            shown: dict[str, Any] = (await web.get(f"/deployments/{made['id']}")).json()
            return shown if shown["status"] in ("COMPLETED", "FAILED") else None

        shown = await eventually(ended, "the end of the deployment")
        assert (shown["status"], shown["progress"], shown["doing"]) == ("COMPLETED", 1.0, "restarting m1")
        assert await stack.ledger.path(made["id"]) == ["ACCEPTED", "RUNNING", "COMPLETED"]
        (listed,) = (await sent(web, look)).json()
        assert listed["id"] == made["id"]
    program, *arguments = shlex.split(opledger)
    assert program == "opledger"
    shown_by_command = await run(*arguments, cwd=tmp_path, OPLEDGER_URL=stack.ledger.url)
    assert (shown_by_command.code, made["id"] in shown_by_command.output) == (0, True), shown_by_command


async def sent(web: httpx.AsyncClient, command: str) -> httpx.Response:
    """Sends the request of a curl command to the example."""
    asked = curl(command.replace("curl -s ", "curl -si "))
    headers = dict(header.split(": ", 1) for header in asked.headers)
    path = asked.url.removeprefix(f"localhost:{PORT}")
    return await web.request("POST" if asked.body else "GET", path, content=asked.body, headers=headers)
