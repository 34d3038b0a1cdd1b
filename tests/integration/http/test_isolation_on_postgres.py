"""Two tenants use every route with the real adapters, as the container wires them, on PostgreSQL."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from domain.access.scope import ALL_SCOPES
from entrypoints.http.app import create_app
from entrypoints.settings.settings import Settings
from entrypoints.wiring.api import api
from entrypoints.wiring.database import api_keys
from tests.support.http.access import bearer
from tests.unit.application.test_tenant_isolation import Isolation, Tenants, with_operation

TYPES = """
[operations.deploy]
workflow = "Deploy"
task_queue = "queue"

[operations.build]
workflow = "Build"
task_queue = "queue"
"""


class TestOnPostgres(Isolation):
    @pytest.fixture
    async def tenants(
        self, database_url: str, tmp_path: Path, temporal_address: str, monkeypatch: pytest.MonkeyPatch
    ) -> AsyncIterator[Tenants]:
        """Two tenants with all scopes."""
        monkeypatch.setenv("TEMPORAL_ADDRESS", temporal_address)
        types = tmp_path / "types.toml"
        types.write_text(TYPES)
        settings = Settings(database_url=database_url, access="keys", operations=str(types))
        async with api_keys(database_url) as keys:
            made = [await keys.create("ci", tenant=name, scopes=ALL_SCOPES, life=None) for name in ("owner", "other")]
        async with api(settings) as parts:
            app = create_app(parts.services, page_token_key=parts.page_token_key, access=parts.access)
            transport = httpx.ASGITransport(app=app)  # type: ignore[arg-type]
            async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
                yield await with_operation(app, client, *(bearer(key.text) for key in made))
