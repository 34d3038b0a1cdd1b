"""opledger's parts run apart, as on a production machine, on a PostgreSQL and a Temporal that tests stop and start."""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from pathlib import Path

from temporalio.client import Client

from entrypoints.local.embedded.data_folder import opened
from entrypoints.local.embedded.postgres import EmbeddedPostgres
from entrypoints.local.embedded.temporal_server import EmbeddedTemporal
from tests.support.ports import free_port
from tests.support.stack.commands import Service, run
from tests.support.stack.ledger import Ledger


class Apart:
    """Two servers, and `opledger api` and `opledger worker` as often as asked for."""

    def __init__(
        self,
        folder: Path,
        postgres: EmbeddedPostgres,
        temporal: EmbeddedTemporal,
        database: Mapping[str, str],
        **variables: str,
    ) -> None:
        self.postgres = postgres
        self.temporal = temporal
        self._folder = folder
        self._variables = {
            **database,
            "TEMPORAL_ADDRESS": temporal.address,
            "OPLEDGER_PAGE_TOKEN_KEY": "the same for every api, of 32 characters",
            **variables,
        }
        self.ledgers: list[Ledger] = []
        self.workers: list[Service] = []
        self._services: list[Service] = []

    @property
    def ledger(self) -> Ledger:
        return self.ledgers[0]

    def start_api(self) -> Ledger:
        port = free_port()
        self._services.append(Service("api", "--port", str(port), cwd=self._folder, **self._variables))
        self.ledgers.append(Ledger(f"http://127.0.0.1:{port}"))
        return self.ledgers[-1]

    def start_worker(self) -> Service:
        self.workers.append(Service("worker", "--demo", cwd=self._folder, **self._variables))
        self._services.append(self.workers[-1])
        return self.workers[-1]

    async def command(self, *arguments: str) -> str:
        ended = await run(*arguments, cwd=self._folder, **self._variables)
        assert ended.code == 0, ended
        return ended.output

    async def client(self) -> Client:
        return await Client.connect(self.temporal.address)

    async def close(self) -> None:
        """SIGTERM to every process of opledger: all end with exit code 0."""
        codes = await asyncio.gather(*(service.end() for service in self._services))
        assert codes == [0] * len(codes)
        for ledger in self.ledgers:
            await ledger.close()

    def kill(self) -> None:
        for service in self._services:
            service.kill()


Database = Callable[[EmbeddedPostgres], AbstractAsyncContextManager[Mapping[str, str]]]
"""Puts something in front of or beside the server; gives the variables that tell opledger where its database is."""


@asynccontextmanager
async def directly(postgres: EmbeddedPostgres) -> AsyncIterator[Mapping[str, str]]:
    """The server itself."""
    yield {"DATABASE_URL": postgres.url}


@asynccontextmanager
async def running_apart(
    folder: Path, types: Path, database: Database = directly, **variables: str
) -> AsyncIterator[Apart]:
    """A migrated database, one API, one worker; Temporal not started yet."""
    await asyncio.to_thread(folder.mkdir)
    with opened(folder / "data") as data:
        postgres, temporal = EmbeddedPostgres(data, durable=False), EmbeddedTemporal(data, durable=False)
        try:
            await postgres.start()
            await postgres.create_database()
            async with database(postgres) as place:
                apart = Apart(folder, postgres, temporal, place, OPLEDGER_OPERATIONS=str(types), **variables)
                try:
                    await apart.command("migrate")
                    apart.start_api()
                    apart.start_worker()
                    yield apart
                finally:
                    apart.kill()
        finally:
            await asyncio.gather(postgres.stop(), temporal.stop())


@contextmanager
def frozen(service: Service) -> Iterator[None]:
    """The process hangs for the length of the block."""
    service.process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        service.process.send_signal(signal.SIGCONT)
