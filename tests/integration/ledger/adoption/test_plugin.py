"""The plugin with keys that the ledger refuses: the real API, PostgreSQL and Temporal."""

import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio import workflow
from temporalio.client import Client
from temporalio.worker import Worker

from domain.access.scope import Scope
from entrypoints.http.app import create_app
from entrypoints.http.server.slow_readers import HttpServerProtocol
from entrypoints.local.demo_types import DEMO_TYPES
from entrypoints.settings.settings import Settings
from entrypoints.wiring.api import api
from entrypoints.wiring.database import api_keys
from opledger import OpledgerPlugin, operation_id, report_progress
from opledger._http import http_ledger, outage
from opledger._plugin import start_recorder
from opledger._tracking import transport
from tests.support.eventually import eventually
from tests.support.http.served import served


@workflow.defn(sandboxed=False)  # the module imports what the sandbox refuses
class Copies:
    """A team's workflow."""

    @workflow.run
    async def run(self, rows: int) -> int:
        """Reports progress."""
        await report_progress(0.5, "half")
        await workflow.sleep(0.05)
        return rows


@dataclass(frozen=True)
class Place:
    """The API behind access control, and its database."""

    url: str
    database_url: str
    postgres: AsyncEngine
    client: Client

    async def key(self, *scopes: Scope) -> str:
        """A new key, as the command makes it."""
        async with api_keys(self.database_url) as keys:
            return (await keys.create("shop", tenant="shop", scopes=frozenset(scopes), life=None)).text

    async def rows(self) -> int:
        """Number of operations."""
        async with self.postgres.connect() as connection:
            return int((await connection.execute(text("SELECT count(*) FROM opledger.operations"))).scalar_one())

    async def run(self, key: str, times: int = 2) -> None:
        """Client and worker of a team with the plugin run the workflow."""
        config = self.client.config()
        config["plugins"] = [OpledgerPlugin(url=self.url, api_key=key)]
        client, queue = Client(**config), f"team-{uuid4()}"
        async with Worker(client, task_queue=queue, workflows=[Copies]):
            for rows in range(times):
                handle = await client.start_workflow(Copies.run, rows, id=f"copies-{uuid4()}", task_queue=queue)
                assert await handle.result() == rows
                assert operation_id(handle) is not None
                history = [event async for event in handle.fetch_history_events()]
                assert not any(event.HasField("workflow_task_failed_event_attributes") for event in history)


@pytest.fixture
async def place(
    temporal_client: Client,
    temporal_address: str,
    database_url: str,
    postgres_engine: AsyncEngine,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Place]:
    """The API as `opledger api` wires it, on a port of its own."""
    monkeypatch.setenv("TEMPORAL_ADDRESS", temporal_address)
    # Nothing here is about time, and the machine may be busy.
    monkeypatch.setattr(start_recorder, "START_TIMEOUT", 60)
    monkeypatch.setattr(http_ledger, "_ATTEMPT_TIMEOUT", 60)
    monkeypatch.setattr(outage, "HOLD", 8)
    monkeypatch.setattr(transport, "_HELD_TIMEOUT", timedelta(seconds=9))
    settings = Settings(database_url=database_url, operations=str(DEMO_TYPES), access="keys")
    async with api(settings) as parts:
        app = create_app(parts.services, page_token_key=parts.page_token_key, access=parts.access)
        async with served(app, HttpServerProtocol) as port:
            yield Place(f"http://127.0.0.1:{port}", database_url, postgres_engine, temporal_client)


def refusals(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What the SDK has logged of refused keys. On a busy machine it may log a local activity's time-out too."""
    sdk = (record for record in caplog.records if record.name.startswith(("opledger", "temporalio.workflow")))
    lines = [record.getMessage() for record in sdk if record.levelno >= logging.WARNING]
    return [line for line in lines if "the plugin's API key" in line]


@pytest.mark.parametrize(("scopes", "status"), [(None, 401), ([Scope.READ], 403)])
async def test_refused_key_leaves_workflows_alone(
    place: Place, caplog: pytest.LogCaptureFixture, scopes: list[Scope] | None, status: int
) -> None:
    """P7: neither a key that the ledger does not know, nor one without the scopes. One log line, without the key."""
    known = await place.key(Scope.READ)
    key = f"{known[:-1]}{'A' if known[-1] != 'A' else 'B'}" if scopes is None else await place.key(*scopes)
    with caplog.at_level(logging.INFO):
        await place.run(key)
    [line] = refusals(caplog)
    assert f"refuses the plugin's API key ({status}" in line
    assert key not in caplog.text
    assert await place.rows() == 0


async def test_key_without_the_scope_report_records_starts_alone(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    """The row is there, and Temporal tells the rest. One log line for all reports."""
    with caplog.at_level(logging.INFO):
        await place.run(key := await place.key(Scope.SUBMIT))
    [line] = refusals(caplog)
    assert "refuses the plugin's API key (403" in line
    assert key not in caplog.text
    assert await place.rows() == 2


async def test_key_with_both_scopes_tracks_workflows(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    """The same place takes the right key."""
    await place.run(await place.key(Scope.SUBMIT, Scope.REPORT), 1)

    async def reported() -> bool:
        async with place.postgres.connect() as connection:
            statuses = (await connection.execute(text("SELECT status FROM opledger.operations"))).scalars().all()
        return [*statuses] in (["RUNNING"], ["COMPLETED"])  # the report of the start makes the ledger ask Temporal

    await eventually(reported)
    assert refusals(caplog) == []
