"""The settings about proxies and browsers reach the API process."""

import asyncio

import httpx
import pytest

from domain.errors import StartupError
from entrypoints.cli.up import serve
from entrypoints.local.demo_types import DEMO_TYPES
from entrypoints.serve_api import run
from entrypoints.settings.loading import load_settings
from entrypoints.settings.settings import Settings
from tests.integration.http.test_stop import up
from tests.support.ports import free_port

PAGE = "https://dashboard.example"


async def test_settings_of_the_api_process(database_url: str) -> None:
    """Trusted proxies, and origins."""
    stop, port = asyncio.Event(), free_port()
    settings = Settings(
        database_url=database_url, operations=str(DEMO_TYPES), port=port, trusted_proxies="127.0.0.1", cors_origins=PAGE
    )
    serving = asyncio.create_task(run(settings, stop))
    headers = {"X-Forwarded-Prefix": "/ops", "Origin": PAGE}
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=60) as client:
        await up(client)
        answer = await client.get("/openapi.json", headers=headers)
    stop.set()
    await serving
    assert answer.json()["servers"] == [{"url": "/ops"}]
    assert answer.headers["access-control-allow-origin"] == PAGE


@pytest.mark.parametrize(
    ("given", "path", "server"),
    [
        ({"OPLEDGER_PUBLIC_URL": "https://ledger.example/ops"}, "/openapi.json", "https://ledger.example/ops"),
        ({"OPLEDGER_ROOT_PATH": "/ops"}, "/ops/openapi.json", "/ops"),
    ],
    ids=["public URL", "root path"],
)
async def test_path_settings_of_the_api_process(
    database_url: str, given: dict[str, str], path: str, server: str
) -> None:
    """From the environment to the links."""
    stop, port = asyncio.Event(), free_port()
    environment = {"DATABASE_URL": database_url, "OPLEDGER_OPERATIONS": str(DEMO_TYPES), "OPLEDGER_PORT": str(port)}
    serving = asyncio.create_task(run(load_settings(environment={**environment, **given}), stop))
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=60) as client:
        await up(client)
        answer = await client.get(path)
    stop.set()
    await serving
    assert answer.json()["servers"] == [{"url": server}]


def test_up_has_no_root_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own probes and callbacks would not find the API."""
    monkeypatch.setenv("OPLEDGER_ROOT_PATH", "/ops")
    with pytest.raises(StartupError, match="root_path is for `opledger api`"):
        serve({}, ephemeral=True, temporal_port=None, ui_port=None, callbacks=True)
