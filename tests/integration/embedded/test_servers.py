"""Embedded PostgreSQL and Temporal by themselves: data, access, errors."""

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import psutil
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from domain.errors import StartupError
from entrypoints import net
from entrypoints.local.embedded import binaries
from entrypoints.local.embedded.data_folder import DataFolder, opened
from entrypoints.local.embedded.postgres import EmbeddedPostgres
from entrypoints.local.embedded.temporal_server import EmbeddedTemporal


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[DataFolder]:
    with opened(tmp_path / "data") as folder:
        yield folder


async def test_postgres_keeps_its_data(folder: DataFolder) -> None:
    """What was committed is there after a kill -9 and after a stop; the URL is SQLAlchemy's too."""
    async with EmbeddedPostgres(folder) as postgres:
        assert await postgres.create_database()
        engine = create_async_engine(postgres.url)
        async with engine.begin() as connection:
            await connection.execute(text("CREATE TABLE kept AS SELECT 42 AS answer"))
        await engine.dispose()
        os.kill(postgres.pid, signal.SIGKILL)
    for _ in range(2):
        async with EmbeddedPostgres(folder) as postgres:
            assert not await postgres.create_database()
            client = await asyncpg.connect(postgres.url_for("opledger", "postgresql"))
            assert await client.fetchval("SELECT answer FROM kept") == 42
            await client.close()


async def test_nobody_else_gets_in(folder: DataFolder) -> None:
    """No TCP listener; the socket lies in a folder of mode 0700; the password-less login is for the socket alone."""
    async with EmbeddedPostgres(folder, durable=False) as postgres:
        server = psutil.Process(postgres.pid)
        assert not server.net_connections(kind="inet")
        assert [str(c.laddr) for c in server.net_connections(kind="unix") if c.laddr] == [
            str(folder.socket_folder() / ".s.PGSQL.5432")
        ]
        assert folder.socket_folder().stat().st_mode & 0o777 == 0o700
        assert folder.path.stat().st_mode & 0o777 == 0o700


async def test_server_runs_in_a_data_folder_with_a_long_path(tmp_path: Path) -> None:
    """A socket's path may have 107 bytes, a data folder's more, and a space."""
    place = tmp_path / ("a long name " * 10) / "data"
    with opened(place) as folder:
        async with EmbeddedPostgres(folder, durable=False) as postgres:
            assert await postgres.create_database("one")
            assert await postgres.create_database("two", template="one")
            await postgres.execute('DROP DATABASE "one"')
            assert not await postgres.create_database("two")
        short = folder.socket_folder()
        assert short.stat().st_mode & 0o777 == 0o700
    assert not short.exists()


async def test_process_id_used_by_another_program(folder: DataFolder) -> None:
    """A left postmaster.pid whose number is by now another program's does not stop the start."""
    async with EmbeddedPostgres(folder, durable=False) as postgres:
        left = (folder.postgres / "postmaster.pid").read_text()
        pid = str(postgres.pid)
    (folder.postgres / "postmaster.pid").write_text(left.replace(pid, str(os.getpid()), 1))
    async with EmbeddedPostgres(folder) as postgres:
        assert await postgres.create_database()


async def test_data_of_another_version(folder: DataFolder) -> None:
    """Data made by another major version is refused in one line."""
    folder.postgres.mkdir()
    (folder.postgres / "PG_VERSION").write_text("9\n")
    with pytest.raises(StartupError, match=r"PostgreSQL 9 created .*, this is"):
        await EmbeddedPostgres(folder).start()


async def test_failed_start_says_why(folder: DataFolder) -> None:
    """The error carries the end of the server's log."""
    with pytest.raises(StartupError, match="no_such_setting"):
        await EmbeddedPostgres(folder, durable=False, settings={"no_such_setting": "1"}).start()


def temporal(server: EmbeddedTemporal, *arguments: str) -> str:
    command = [str(binaries.temporal()), *arguments, "--address", server.address]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


async def test_temporal_keeps_its_state(folder: DataFolder) -> None:
    """A workflow started before a kill -9 is there after it, search attribute included."""
    async with EmbeddedTemporal(folder, namespace="ledger") as server:
        start = ("workflow", "start", "--namespace", "ledger", "--task-queue", "q", "--type", "t")
        temporal(server, *start, "--workflow-id", "w", "--search-attribute", 'OperationUUID="kept"')
        os.kill(server.pid, signal.SIGKILL)
    async with EmbeddedTemporal(folder, namespace="ledger") as server:
        assert "kept" in temporal(server, "workflow", "describe", "--namespace", "ledger", "--workflow-id", "w")


async def test_temporal_ui_listens_on_loopback_only(folder: DataFolder) -> None:
    """The UI answers where it was asked for, on this machine alone."""
    async with EmbeddedTemporal(folder, ui=True, dynamic_config=["frontend.rps=100"], durable=False) as server:
        assert server.ui_url
        assert await net.http_status("127.0.0.1", int(server.ui_url.rpartition(":")[2]), "/") == 200
        listening = [c.laddr for c in psutil.Process(server.pid).net_connections("tcp") if c.status == "LISTEN"]
        assert {address.ip for address in listening} == {"127.0.0.1"}
