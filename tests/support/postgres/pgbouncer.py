"""A real pgbouncer in front of an embedded PostgreSQL."""

import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

import asyncpg
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.connection.driver import DatabaseSettings
from adapters.postgres.connection.engine import create_engine
from entrypoints.local.embedded.data_folder import DataFolder
from entrypoints.local.embedded.part import launch
from entrypoints.local.embedded.postgres import PORT, USER, EmbeddedPostgres
from entrypoints.local.embedded.processes import privileges
from entrypoints.local.embedded.processes.process import Command, GuardedProcess, leftovers_gone
from tests.support.ports import free_port

POOLED = DatabaseSettings(transaction_pooling=True)
DEFAULT_IGNORED = "extra_float_digits"
"""Of the startup parameters that pgbouncer refuses; it is what its manual suggests for JDBC."""


class PgBouncer:
    """Pools transactions on `size` server connections for each database; `async with`, or a `Part`."""

    start_seconds = 30.0

    def __init__(
        self, folder: DataFolder, *, size: int, name: str = "pgbouncer", ignored: str = DEFAULT_IGNORED
    ) -> None:
        """`folder`: of the PostgreSQL behind it. `ignored`: startup parameters that it accepts and drops."""
        self.name = name
        self._folder = folder
        self._size = size
        self._ignored = ignored
        self._port = free_port()
        self._process: GuardedProcess | None = None

    def url_for(self, database: str) -> str:
        """The URL of a database of that server, through the pooler."""
        return f"postgresql://{USER}@127.0.0.1:{self._port}/{quote(database)}?sslmode=disable"

    async def __aenter__(self) -> "PgBouncer":
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        self._process = await launch(self)

    async def stop(self) -> None:
        if self._process:
            await self._process.stop()

    async def prepare(self) -> None:
        await leftovers_gone(self._folder.lock_of(self.name))
        self._config.write_text(
            "[databases]\n"
            f"* = host={self._folder.socket_folder()} port={PORT} user={USER}\n"
            "[pgbouncer]\n"
            f"listen_addr = 127.0.0.1\nlisten_port = {self._port}\nunix_socket_dir =\n"
            "auth_type = any\npool_mode = transaction\nmax_client_conn = 500\n"
            f"default_pool_size = {self._size}\nignore_startup_parameters = {self._ignored}\n"
            f"admin_users = {USER}\n"
        )

    def command(self) -> Command:
        return Command(
            argv=(pgbouncer_binary(), str(self._config)),
            env=os.environ,
            log=self._folder.logs / f"{self.name}.log",
            lock=self._folder.lock_of(self.name),
            identity=privileges.identity_for_postgres(),  # it refuses root, too
        )

    async def ready(self) -> bool:
        try:
            connection = await asyncpg.connect(self.url_for("postgres"), timeout=5, statement_cache_size=0)
            await connection.execute("SELECT 1")
            await connection.close()
        except (OSError, asyncpg.PostgresError):
            return False
        return True

    @property
    def _config(self) -> Path:
        return self._folder.path / f"{self.name}.ini"


def pgbouncer_binary() -> str:
    """Where it is. Raises RuntimeError with what to install."""
    found = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if found is None:
        raise RuntimeError("these tests need pgbouncer: install it, on Debian with `apt-get install pgbouncer`")
    return found


@pytest.fixture(scope="session")
async def pgbouncer(postgres_server: EmbeddedPostgres) -> AsyncIterator[PgBouncer]:
    """In front of the session's server, with four of its connections for each database."""
    async with PgBouncer(postgres_server.folder, size=4) as pooler:
        yield pooler


@pytest.fixture
def pooled_url(pgbouncer: PgBouncer, database_url: str) -> str:
    """URL of the test's migrated database through the pooler."""
    return pgbouncer.url_for(unquote(urlsplit(database_url).path.removeprefix("/")))


@pytest.fixture
async def pooled_engine(pooled_url: str) -> AsyncIterator[AsyncEngine]:
    """A pool of connections to the pooler."""
    engine = create_engine(pooled_url, POOLED)
    yield engine
    await engine.dispose()
