"""The embedded PostgreSQL server: from a wheel, on a Unix socket in a private folder, without TCP, crash-safe."""

import asyncio
import os
import re
import shutil
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

import asyncpg

from domain.errors import StartupError
from entrypoints.local.embedded import binaries
from entrypoints.local.embedded.data_folder import DataFolder
from entrypoints.local.embedded.part import launch
from entrypoints.local.embedded.processes import privileges
from entrypoints.local.embedded.processes.process import Command, GuardedProcess, leftovers_gone, run

USER = "opledger"
PORT = 5432
"""Part of the socket's name. No TCP port is opened."""
STOP = ((signal.SIGINT, 10.0), (signal.SIGQUIT, 8.0))
"""PostgreSQL's fast shutdown, then its immediate one. Seconds to wait after each signal."""
SETTINGS = {
    "listen_addresses": "",
    "port": str(PORT),
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "shared_buffers": "64MB",
    "fsync": "on",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_min_messages": "warning",
}


class EmbeddedPostgres:
    """One server on one data folder. A `Part` for the supervisor; `start`, `stop` and `async with` run it alone."""

    name = "postgres"
    start_seconds = 60.0

    def __init__(self, folder: DataFolder, *, durable: bool = True, settings: Mapping[str, str] | None = None) -> None:
        """`durable`: flush a new cluster to disk before use; not needed in a temporary folder."""
        self.folder = folder
        self._durable = durable
        self._settings = {**SETTINGS, **(settings or {})}
        self._bin = binaries.postgres_bin()
        self._identity: privileges.Identity = "same"
        self._process: GuardedProcess | None = None

    def url_for(self, database: str, scheme: str = "postgresql+asyncpg") -> str:
        """Returns the URL of a database for SQLAlchemy; with scheme `postgresql` for asyncpg and psql."""
        return f"{scheme}://{USER}@/{quote(database)}?host={quote(str(self._socket))}&port={PORT}"

    @property
    def url(self) -> str:
        return self.url_for("opledger")

    @property
    def pid(self) -> int:
        return self._process.pid if self._process else 0

    async def start(self) -> None:
        """Starts the server without a supervisor. Raises StartupError."""
        self._process = await launch(self)

    async def stop(self) -> None:
        if self._process:
            await self._process.stop()

    async def __aenter__(self) -> "EmbeddedPostgres":
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def prepare(self) -> None:
        self._identity = await asyncio.to_thread(privileges.identity_for_postgres)
        for folder in (self.folder.path, self._socket):
            privileges.hand_over(folder, self._identity)
        await leftovers_gone(self.folder.lock_of(self.name))
        if self.folder.postgres.exists():
            await self._check_version()
            self._remove_stale_pid_file()
        else:
            await self._initialise()
            await asyncio.to_thread(self._initialised.rename, self.folder.postgres)

    def command(self) -> Command:
        settings = {**self._settings, "unix_socket_directories": str(self._socket)}
        flags = [f"--{key}={value}" for key, value in settings.items()]
        return self._command("postgres", "-D", str(self.folder.postgres), *flags)

    async def ready(self) -> bool:
        """Whether the server accepts connections. Does not connect before `postmaster.pid` says "ready", because the
        server would log a refused connection."""
        try:
            if not self._pid_file.read_text(errors="replace").rstrip().endswith("ready"):
                return False
            connection = await self._connect()
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError):
            return False
        await connection.close()
        return True

    async def create_database(self, name: str = "opledger", *, template: str | None = None) -> bool:
        """Creates a database; returns False if it exists. Nothing may be connected to the `template`. Takes about
        20 ms."""
        if await self.execute("SELECT 1 FROM pg_database WHERE datname = $1", name):
            return False
        statement = f"CREATE DATABASE {_quoted(name)}" + (f" TEMPLATE {_quoted(template)}" if template else "")
        try:
            await self.execute(statement)
        except asyncpg.DuplicateDatabaseError:
            return False
        return True

    @property
    def _initialised(self) -> Path:
        return self.folder.path / "postgres.new"

    @property
    def _pid_file(self) -> Path:
        return self.folder.postgres / "postmaster.pid"

    @property
    def _socket(self) -> Path:
        return self.folder.socket_folder()

    async def _connect(self) -> "asyncpg.Connection[asyncpg.Record]":
        return await asyncpg.connect(
            host=str(self._socket), port=PORT, user=USER, database="postgres", ssl=False, timeout=5
        )

    async def execute(self, statement: str, *arguments: str) -> list[asyncpg.Record]:
        """Runs one statement in the database `postgres`, outside a transaction."""
        connection = await self._connect()
        try:
            return await connection.fetch(statement, *arguments)
        finally:
            await connection.close()

    def _command(self, program: str, *arguments: str) -> Command:
        # PGPORT, PGDATA and similar variables would change the server's behaviour.
        env = {key: value for key, value in os.environ.items() if not key.startswith(("PG", "LC_"))}
        return Command(
            argv=(str(self._bin / program), *arguments),
            env={**env, "LC_ALL": "C", "TZ": "UTC"},
            log=self.folder.logs / f"{self.name}.log",
            lock=self.folder.lock_of(self.name),
            stop=STOP,
            identity=self._identity,
        )

    async def _initialise(self) -> None:
        """Runs initdb in a separate folder, which `prepare` renames: a killed start leaves no incomplete cluster."""
        shutil.rmtree(self._initialised, ignore_errors=True)
        self._initialised.mkdir(mode=0o700)
        privileges.hand_over(self._initialised, self._identity)
        if not self._durable:
            sync = "--no-sync"
        else:
            sync = "--sync-method=syncfs" if sys.platform == "linux" else "--sync-method=fsync"
        await run(
            self._command(
                *("initdb", "-D", str(self._initialised), "-U", USER, "--encoding=UTF8", "--locale=C", sync),
                *("--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--no-instructions"),
                *("--auth-local=trust", "--auth-host=reject"),
            )
        )

    async def _check_version(self) -> None:
        """Raises StartupError if another major version of PostgreSQL created the data."""
        process = await asyncio.create_subprocess_exec(
            self._bin / "postgres", "--version", stdout=asyncio.subprocess.PIPE
        )
        output, _ = await process.communicate()
        version = re.search(r"\d+", output.decode())
        created_by = (self.folder.postgres / "PG_VERSION").read_text(errors="replace").strip()
        if version and version[0] != created_by:
            raise StartupError(
                f"PostgreSQL {created_by} created {self.folder.postgres}, this is {version[0]}: use the former "
                f"package, or export and import the data"
            )

    def _remove_stale_pid_file(self) -> None:
        """Removes `postmaster.pid` unless its process works in this cluster's folder.

        The system may have given the process id to another program, which PostgreSQL would take for a running server.
        If a server was started by hand, PostgreSQL's own check refuses to start a second one."""
        if sys.platform != "linux" or not self._pid_file.exists():
            return
        process_id = self._pid_file.read_text(errors="replace").partition("\n")[0].strip()
        working_folder = Path("/proc", process_id if process_id.isdigit() else "none", "cwd")
        try:
            running = working_folder.samefile(self.folder.postgres)
        except OSError:
            running = False
        if not running:
            self._pid_file.unlink()


def _quoted(identifier: str) -> str:
    return '"' + identifier.replace('"', '""') + '"'
