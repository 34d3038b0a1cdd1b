"""The system under test: two APIs, two workers, the team's worker, PostgreSQL, Temporal, and our proxies between."""

import asyncio
import json
import secrets
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from uuid import UUID

from temporalio.client import Client

from entrypoints.local.embedded.data_folder import DataFolder, opened
from entrypoints.local.embedded.postgres import PORT, USER, EmbeddedPostgres
from entrypoints.local.embedded.temporal_server import EmbeddedTemporal
from entrypoints.net import free_port, http_status
from tests.chaos.plan.tenants import OWN, TENANTS, client_of
from tests.chaos.proxies.callback_proxy import CallbackProxy
from tests.chaos.proxies.lost_commits import LostCommits
from tests.chaos.proxies.lost_starts import LostStarts
from tests.chaos.proxies.tcp_proxy import TcpProxy
from tests.chaos.system.processes import ChaosProcess
from tests.chaos.system.tokens import token
from tests.support.eventually import until
from tests.support.stack.commands import OPLEDGER, run

TYPES = Path(__file__).with_name("types.toml")
READY_SECONDS = 240
"""For APIs and servers: a server that was killed begins with what waits for it, on a machine that others use too."""
OPERATOR = "operator@chaos"
KEY_NAME = "chaos"
MANY = 100_000
"""Requests a second: the campaign does not test the limit of a key."""


class System:
    """All parts. `await start()`, then `await close()`, whatever happened between."""

    def __init__(self, folder: Path, data: DataFolder, dice: Random, *, callbacks: bool) -> None:
        self.folder = folder
        self.callbacks = callbacks
        self._ports = [free_port(), free_port()]
        self.urls = [f"http://127.0.0.1:{port}" for port in self._ports]
        self.receiver = CallbackProxy(self.urls, dice)
        self.receiver.port = free_port()
        self.postgres = EmbeddedPostgres(data)
        self.temporal = EmbeddedTemporal(data, dynamic_config=_server_settings(self.receiver.port))
        self.postgres.start_seconds = self.temporal.start_seconds = READY_SECONDS
        self.socket = str(data.socket_folder())
        self.lost_commits = [LostCommits(), LostCommits()]
        """Of the APIs, and of the workers."""
        self.lost_starts = LostStarts()
        self.databases = [TcpProxy(self._to_postgres, commits.watch) for commits in self.lost_commits]
        self.engine = TcpProxy(self._to_temporal, self.lost_starts.watch)
        self.team_engine = TcpProxy(self._to_temporal)
        self.keys: dict[str, str] = {}
        """API keys by tenant."""
        self.apis: list[ChaosProcess] = []
        self.workers: list[ChaosProcess] = []
        self.team: ChaosProcess | None = None

    def token(self, operation_id: UUID) -> str:
        """The right one for that operation's callbacks."""
        return token(KEY_NAME, self._secret, operation_id, "default")

    @property
    def proxies(self) -> list[TcpProxy | CallbackProxy]:
        """What stands between the processes."""
        return [*self.databases, self.engine, self.team_engine, self.receiver]

    @property
    def processes(self) -> list[ChaosProcess]:
        return [*self.apis, *self.workers, *([self.team] if self.team else [])]

    async def start(self) -> None:
        """Start everything; return when the APIs are ready."""
        await asyncio.gather(self.postgres.start(), self.temporal.start())
        await self.postgres.create_database()
        for proxy in self.proxies:
            await proxy.up()
        migrated = await run("migrate", "--grant-submit-to", USER, "default", cwd=self.folder, **self._variables(0))
        assert migrated.code == 0, migrated
        for tenant in TENANTS:
            self.keys[tenant] = await self._key(tenant)
        self.apis = [self._command(f"api-{n}", 0, "api", "--port", str(port)) for n, port in enumerate(self._ports)]
        self.workers = [self._command(f"worker-{number}", 1, "worker", "--demo") for number in range(2)]
        team = (sys.executable, "-m", "tests.chaos.team.worker")
        addresses = {"TEMPORAL_ADDRESS": self.team_engine.address, "TEAM_LEDGER_URL": self.urls[0]}
        addresses["TEAM_LEDGER_KEY"] = self.keys[OWN]
        self.team = ChaosProcess("team", team, self.folder, addresses)
        for process in self.processes:
            await process.start()
        await self.until_ready()

    async def until_ready(self) -> None:
        """Until both APIs say that they are."""

        async def ready() -> bool:
            answers = await asyncio.gather(*(http_status("127.0.0.1", port, "/readyz") for port in self._ports))
            return answers == [200] * len(self._ports)

        assert await until(ready, READY_SECONDS), f"the APIs are not ready after {READY_SECONDS} s"

    async def client(self) -> Client:
        """A client that goes to Temporal directly: the world outside of opledger."""
        return await Client.connect(self.temporal.address, identity=OPERATOR)

    async def close(self) -> None:
        """Stop everything."""
        await asyncio.gather(*(process.stop() for process in self.processes), return_exceptions=True)
        for proxy in self.proxies:
            await proxy.close()
        await asyncio.gather(self.postgres.stop(), self.temporal.stop())

    async def _key(self, tenant: str) -> str:
        """A new API key of the tenant, which may do everything there."""
        options = ("--name", client_of(tenant), "--tenant", tenant, "--scope", "admin", "--expires", "never")
        made = await run("keys", "create", *options, cwd=self.folder, **self._variables(0))
        assert made.code == 0, made
        return made.output.strip()

    def _command(self, name: str, database: int, *arguments: str) -> ChaosProcess:
        return ChaosProcess(name, (str(OPLEDGER), *arguments), self.folder, self._variables(database))

    def _variables(self, database: int) -> dict[str, str]:
        variables = {
            "DATABASE_URL": f"postgresql://{USER}@{self.databases[database].address}/opledger?sslmode=disable",
            "TEMPORAL_ADDRESS": self.engine.address,
            "OPLEDGER_OPERATIONS": str(TYPES),
            "OPLEDGER_ACCESS": "keys",
            "OPLEDGER_RATE_LIMIT": str(MANY),
            "OPLEDGER_RATE_BURST": str(MANY),
            "OPLEDGER_RECONCILE_EVERY": "10s",
            "OPLEDGER_RECONCILE_GRACE": "5s",
            "OPLEDGER_VERIFY_EVERY": "1m",
            "OPLEDGER_PAGE_TOKEN_KEY": self._secret,
            "OPLEDGER_LOG_FORMAT": "json",
        }
        if self.callbacks:
            variables["OPLEDGER_CALLBACK_URL"] = f"http://127.0.0.1:{self.receiver.port}"
            variables["OPLEDGER_CALLBACK_KEYS"] = f"{KEY_NAME}:{self._secret}"
        return variables

    _secret = secrets.token_hex(24)

    async def _to_postgres(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_unix_connection(f"{self.socket}/.s.PGSQL.{PORT}")

    async def _to_temporal(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        host, port = self.temporal.address.rsplit(":", 1)
        return await asyncio.open_connection(host, int(port))


def _server_settings(port: int) -> list[str]:
    addresses = json.dumps([{"Pattern": f"127.0.0.1:{port}", "AllowInsecure": True}])
    return [f"callback.allowedAddresses={addresses}", "history.outboundQueue.hostScheduler.maxTaskRPS=2000"]


@asynccontextmanager
async def running_system(folder: Path, dice: Random, *, callbacks: bool) -> AsyncIterator[System]:
    """The system in a folder of its own."""
    with opened(folder / "data") as data:
        system = System(folder, data, dice, callbacks=callbacks)
        try:
            await system.start()
            yield system
        finally:
            await system.close()
