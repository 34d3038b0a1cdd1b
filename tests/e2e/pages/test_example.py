"""The service in examples/deployer beside `opledger up`: its web application and its worker as processes."""

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx

from tests.support.eventually import PATIENCE, eventually
from tests.support.pages import ROOT
from tests.support.ports import free_port
from tests.support.stack.commands import Stack, environment

EXAMPLE = ROOT / "examples/deployer"


@contextlib.asynccontextmanager
async def running(stack: Stack, log: Path, *arguments: str) -> AsyncIterator[None]:
    """A process of the example, whose output is shown if the test fails."""
    variables = environment(OPLEDGER_URL=stack.ledger.url, TEMPORAL_ADDRESS=stack.temporal_address)
    with log.open("w+") as output:
        process = subprocess.Popen(  # noqa: ASYNC220
            [sys.executable, "-m", *arguments], cwd=EXAMPLE, env=variables, stdout=output, stderr=output
        )
        try:
            yield
        finally:
            process.terminate()
            await asyncio.to_thread(process.wait, PATIENCE)
            output.seek(0)
            print(output.read())


async def test_example_deploys(stack: Stack, tmp_path: Path) -> None:
    """A deployment by HTTP: submitted to the ledger, started by it, run by the worker, and shown with its progress."""
    port = free_port()
    application = ("uvicorn", "--factory", "deployer.app:create_app", "--port", str(port))
    async with (
        running(stack, tmp_path / "worker.log", "deployer.worker"),
        running(stack, tmp_path / "app.log", *application),
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=60) as web,
    ):

        async def deployed() -> dict[str, Any] | None:
            with contextlib.suppress(httpx.ConnectError):
                answer = await web.post("/deployments", json={"machine": "example-1", "version": "1.2"})
                assert answer.status_code == 202, answer.text
                made: dict[str, Any] = answer.json()
                return made
            return None

        made = await eventually(deployed, "the example's web application")

        async def ended() -> dict[str, Any] | None:
            shown: dict[str, Any] = (await web.get(f"/deployments/{made['id']}")).json()
            return shown if shown["status"] in ("COMPLETED", "FAILED") else None

        shown = await eventually(ended, "the end of the deployment")
        assert (shown["status"], shown["progress"], shown["doing"]) == ("COMPLETED", 1.0, "restarting example-1")
        assert await stack.ledger.path(made["id"]) == ["ACCEPTED", "RUNNING", "COMPLETED"]
        (listed,) = (await web.get("/deployments", params={"machine": "example-1"})).json()
        assert listed["id"] == made["id"]
