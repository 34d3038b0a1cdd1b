"""Starts the servers: embedded PostgreSQL (durable) and Temporal, and the API and the worker as processes."""

import asyncio
import contextlib
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Final

import psutil

from adapters.postgres.schema.migrations import migrate
from entrypoints.local.demo_types import DEMO_TYPES
from entrypoints.local.embedded.data_folder import DataFolder, opened
from entrypoints.local.embedded.postgres import EmbeddedPostgres
from entrypoints.local.embedded.temporal_server import EmbeddedTemporal
from entrypoints.net import free_port, http_status

OPLEDGER = (sys.executable, "-m", "entrypoints.cli.main")
PLANNED_ONCE = "plan_cache_mode=auto"
"""In a URL's query: PostgreSQL's default, for alternatives that have not chosen otherwise as the ledger has."""
TYPES: Final = {"OPLEDGER_OPERATIONS": str(DEMO_TYPES)}
"""Variables of the API and the worker."""
READY_WITHIN = 60.0
"""Timeout in seconds of a start."""
_FOREIGN = ("OPLEDGER_", "TEMPORAL_", "DATABASE_URL", "PG")


@contextlib.contextmanager
def data_folder() -> Iterator[DataFolder]:
    """Yields a temporary folder on disk."""
    with tempfile.TemporaryDirectory(prefix="opledger-bench-") as place, opened(Path(place, "data")) as folder:
        yield folder


@contextlib.asynccontextmanager
async def database(folder: DataFolder) -> AsyncIterator[str]:
    """Runs a PostgreSQL server with an empty ledger. Yields its URL."""
    async with EmbeddedPostgres(folder) as postgres:
        await postgres.create_database()
        await migrate(postgres.url)
        yield postgres.url


@contextlib.asynccontextmanager
async def temporal(folder: DataFolder, *dynamic_config: str) -> AsyncIterator[str]:
    """Runs a Temporal server. Yields its address."""
    async with EmbeddedTemporal(folder, dynamic_config=dynamic_config) as server:
        yield server.address


@contextlib.asynccontextmanager
async def process(*command: str, **variables: str) -> AsyncIterator[psutil.Process]:
    """Runs a Python process, and stops it at the end of the block."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}
    environment = {**kept, "TEMPORAL_CONFIG_FILE": os.devnull, "OPLEDGER_LOG_LEVEL": "error", **variables}
    started = await asyncio.create_subprocess_exec(*command, env=environment)
    try:
        yield psutil.Process(started.pid)
    finally:
        if started.returncode is None:
            started.terminate()
        await started.wait()


@contextlib.asynccontextmanager
async def server(*command: str, ready: str, port: int, **variables: str) -> AsyncIterator[psutil.Process]:
    """Runs a process that serves HTTP on the port. Waits until the path `ready` returns 200. Raises TimeoutError."""
    async with process(*command, **variables) as started:
        async with asyncio.timeout(READY_WITHIN):
            while await http_status("127.0.0.1", port, ready) != 200:
                if not started.is_running() or started.status() == psutil.STATUS_ZOMBIE:
                    raise RuntimeError(f"{' '.join(command)} ended before it was ready")
                await asyncio.sleep(0.05)
        yield started


@contextlib.asynccontextmanager
async def api(database_url: str, **variables: str) -> AsyncIterator[tuple[psutil.Process, int]]:
    """Runs the API with the highest rate limit for one client. Yields its port."""
    port = free_port("127.0.0.1")
    unlimited = {"OPLEDGER_RATE_LIMIT": "1000000", "OPLEDGER_RATE_BURST": "1000000"}
    command = (*OPLEDGER, "api", "--port", str(port))
    async with server(
        *command, ready="/livez", port=port, DATABASE_URL=database_url, **unlimited, **{**TYPES, **variables}
    ) as it:
        yield it, port


@contextlib.asynccontextmanager
async def worker(database_url: str, temporal_address: str, **variables: str) -> AsyncIterator[psutil.Process]:
    """Runs the worker."""
    addresses = {"DATABASE_URL": database_url, "TEMPORAL_ADDRESS": temporal_address}
    async with process(*OPLEDGER, "worker", **addresses, **{**TYPES, **variables}) as started:
        yield started


def processor(of: psutil.Process) -> float:
    """Returns the CPU seconds of a process."""
    times = of.cpu_times()
    return float(times.user + times.system)
