"""Runs the server of a peer."""

import contextlib
import sys
from collections.abc import AsyncIterator

from benchmarks.harness.stage import server
from entrypoints.local.embedded.postgres import EmbeddedPostgres
from entrypoints.net import free_port


@contextlib.asynccontextmanager
async def served(
    name: str, postgres: EmbeddedPostgres, scheme: str, ready: str, **variables: str
) -> AsyncIterator[tuple[int, str]]:
    """Runs a peer's server on an empty database. Yields its port, and the database's URL for this process."""
    await postgres.create_database(name)
    port, url = free_port("127.0.0.1"), postgres.url_for(name, scheme)
    command = (sys.executable, "-m", "benchmarks.peers.front", name, "--port", str(port))
    variables = {"DATABASE_URL": url, "PREFECT_SERVER_DATABASE_CONNECTION_URL": url, **variables}
    async with server(*command, ready=ready, port=port, **variables):
        yield port, postgres.url_for(name)
