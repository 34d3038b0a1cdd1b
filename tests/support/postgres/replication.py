"""A streaming replica of an embedded PostgreSQL, to fail over to."""

import os
import shutil
import signal

from entrypoints.local.embedded.data_folder import DataFolder
from entrypoints.local.embedded.postgres import PORT, USER, EmbeddedPostgres
from entrypoints.local.embedded.processes import privileges
from entrypoints.local.embedded.processes.process import run


class Standby(EmbeddedPostgres):
    """Made from a primary that runs; hot standby until it is promoted."""

    name = "standby"

    def __init__(self, folder: DataFolder, primary: EmbeddedPostgres) -> None:
        super().__init__(folder, durable=False)
        self._primary = primary

    async def follow(self) -> None:
        """Start, and have the primary's commits wait for this server from now on."""
        await self.start()
        await self._primary.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
        await self._primary.execute("SELECT pg_reload_conf()")

    async def promote(self) -> None:
        """Become the primary."""
        await self.execute("SELECT pg_promote()")

    async def _initialise(self) -> None:
        shutil.rmtree(self._initialised, ignore_errors=True)
        self._initialised.mkdir(mode=0o700)
        privileges.hand_over(self._initialised, self._identity)
        source = ("-h", str(self._primary.folder.socket_folder()), "-p", str(PORT), "-U", USER)
        how = ("--wal-method=stream", "--write-recovery-conf", "--checkpoint=fast", "--no-sync")
        await run(self._command("pg_basebackup", "-D", str(self._initialised), *source, *how))


def url_of_both(one: EmbeddedPostgres, other: EmbeddedPostgres, database: str = "opledger") -> str:
    """As an operator writes it: whichever of the two is the primary."""
    hosts = ",".join(str(server.folder.socket_folder()) for server in (one, other))
    return f"postgresql://{USER}@/{database}?host={hosts}&port={PORT}&target_session_attrs=read-write"


async def kill(server: EmbeddedPostgres) -> None:
    """kill -9 of the server; return when all of its processes have ended."""
    os.kill(server.pid, signal.SIGKILL)
    await server.stop()
