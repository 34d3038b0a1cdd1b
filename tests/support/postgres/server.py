"""A real PostgreSQL for the session, and a migrated database for each test that asks for one."""

import asyncio
import contextlib
import itertools
import os
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.connection.engine import create_engine
from adapters.postgres.schema.migrations import migrate
from entrypoints.local.embedded.data_folder import opened
from entrypoints.local.embedded.postgres import EmbeddedPostgres
from tests.support.places import in_memory

TEMPLATE = "migrated"
# Not for production: what a crash would lose is thrown away anyway.
UNSAFE = {"fsync": "off", "full_page_writes": "off", "autovacuum": "off"}
# The user has the name of the ledger's schema, which PostgreSQL would search first: no statement may depend on that.
SETTINGS = {**UNSAFE, "search_path": "public"}
_numbers = itertools.count(1)


@pytest.fixture(scope="session")
async def postgres_server() -> AsyncIterator[EmbeddedPostgres]:
    """The server, with the databases `postgres` and, migrated, `TEMPLATE`."""
    with (
        tempfile.TemporaryDirectory(prefix="opledger-test-", dir=in_memory()) as place,
        opened(Path(place, "data")) as folder,
    ):
        async with EmbeddedPostgres(folder, durable=False, settings=SETTINGS) as server:
            await server.create_database(TEMPLATE)
            await migrate(server.url_for(TEMPLATE))
            yield server


@pytest.fixture
async def empty_database_url(postgres_server: EmbeddedPostgres) -> AsyncIterator[str]:
    """URL of a database of the test's own with nothing in it."""
    async with own_database(postgres_server, template=None) as url:
        yield url


@pytest.fixture
async def database_url(postgres_server: EmbeddedPostgres) -> AsyncIterator[str]:
    """URL of a migrated database of the test's own."""
    async with own_database(postgres_server) as url:
        yield url


@pytest.fixture
async def postgres_engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    """A pool of connections to that database."""
    engine = create_engine(database_url)
    yield engine
    await engine.dispose()


@contextlib.asynccontextmanager
async def over_tcp(url: str, *, hang_up_at: bytes | None = None) -> AsyncIterator[str]:
    """The same database's URL with a host and a port. A connection ends when the client sends `hang_up_at`."""
    parts = urlsplit(url)
    place = dict(parse_qsl(parts.query))

    async def forward(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        with contextlib.closing(target):
            while (data := await source.read(2**16)) and (hang_up_at is None or hang_up_at not in data):
                target.write(data)

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answers, to_server = await asyncio.open_unix_connection(f"{place['host']}/.s.PGSQL.{place['port']}")
        await asyncio.gather(forward(reader, to_server), forward(answers, writer))

    async with await asyncio.start_server(connected, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        yield f"postgresql://{parts.username}@127.0.0.1:{port}{parts.path}?ssl=disable"


@contextlib.asynccontextmanager
async def own_database(
    server: EmbeddedPostgres, name: str | None = None, *, template: str | None = TEMPLATE
) -> AsyncIterator[str]:
    """URL of a database that is dropped at the end: migrated, or empty without `template`."""
    name = name or f"test_{os.getpid()}_{next(_numbers)}"
    await server.create_database(name, template=template)
    try:
        yield server.url_for(name)
    finally:
        await server.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
