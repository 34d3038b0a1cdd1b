"""What tests of the plugin share."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client

from entrypoints.http.app import create_app
from entrypoints.http.server.slow_readers import HttpServerProtocol
from entrypoints.local.demo_types import DEMO_TYPES
from entrypoints.settings.settings import Settings
from entrypoints.wiring.api import api
from opledger._http import http_ledger, outage
from opledger._plugin import start_recorder
from opledger._tracking import transport
from tests.integration.ledger.adoption.place import Place
from tests.support.http.served import served


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
