"""Runs the application as `opledger up` does, callbacks included, and another team's worker."""

import contextlib
import json
import os
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.harness.client import Client, connected, request, timed
from benchmarks.tracking.team_worker import team_worker
from entrypoints.cli.stack import migrate
from entrypoints.local.embedded.options import Options, Running
from entrypoints.local.embedded.up import running

OPERATIONS = Path(__file__).with_name("operations.toml")
CONNECTIONS = 16
"""Connections of the client that submits, each with one request at a time."""


@contextlib.asynccontextmanager
async def application(**variables: str) -> AsyncIterator[Running]:
    """Runs the application on a temporary data folder."""
    foreign = {name: "" for name in os.environ if name.startswith("OPLEDGER_")}
    ours = {"TEMPORAL_CONFIG_FILE": os.devnull, "OPLEDGER_LOG_LEVEL": "error", "OPLEDGER_OPERATIONS": str(OPERATIONS)}
    with tempfile.TemporaryDirectory(prefix="opledger-bench-") as place:
        options = Options(data_dir=Path(place, "data"), port=None, env={**foreign, **ours, **variables})
        async with running(options, migrate=migrate) as it, team_worker(it.temporal_address):
            yield it


@contextlib.asynccontextmanager
async def connections(to: Running) -> AsyncIterator[list[Client]]:
    """Yields connections to the API, which closes one that is idle for a minute."""
    clients = await connected(urlsplit(to.api_url).port or 0, CONNECTIONS)
    try:
        yield clients
    finally:
        for client in clients:
            client.close()


async def submit(clients: list[Client], type_name: str, many: int) -> None:
    """Submits `many` operations, one per request. Raises RuntimeError if one is refused."""
    body = json.dumps({"type": type_name, "input": 1}).encode()
    await timed(clients, [request("POST", "/v1/operations", body=body)] * many, 202)
