"""The API process: what it does without Temporal's SDK, and with a configuration of Temporal that cannot be used."""

import asyncio
from pathlib import Path

import httpx
import pytest

from domain.errors import StartupError
from entrypoints import serve_api
from entrypoints.local.demo_types import DEMO_TYPES
from entrypoints.settings.settings import Settings
from tests.support.ports import free_port


async def test_a_temporal_configuration_that_cannot_be_read_ends_the_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the error, although the API serves before it looks at the configuration."""
    broken = tmp_path / "temporal.toml"
    broken.write_text("[profile")
    monkeypatch.setenv("TEMPORAL_CONFIG_FILE", str(broken))
    monkeypatch.setattr(serve_api, "LOAD_TEMPORAL_AFTER", 0.2)
    database_url = f"postgresql://nobody@127.0.0.1:{free_port()}/nothing"
    settings = Settings(database_url=database_url, port=free_port(), operations=str(DEMO_TYPES))
    with pytest.raises(StartupError, match="Temporal's configuration cannot be read"):
        async with asyncio.timeout(60):
            await serve_api.run(settings, asyncio.Event())


async def test_readiness_checks_temporal_before_it_is_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And liveness does not wait for it."""
    broken = tmp_path / "temporal.toml"
    broken.write_text("[profile")
    monkeypatch.setenv("TEMPORAL_CONFIG_FILE", str(broken))
    monkeypatch.setattr(serve_api, "LOAD_TEMPORAL_AFTER", 3600.0)
    stop, port = asyncio.Event(), free_port()
    database_url = f"postgresql://nobody@127.0.0.1:{free_port()}/nothing"
    settings = Settings(database_url=database_url, port=port, operations=str(DEMO_TYPES))
    serving = asyncio.create_task(serve_api.run(settings, stop))
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60, trust_env=False) as client:
        while True:
            try:
                assert (await client.get("/livez")).status_code == 200
                break
            except httpx.ConnectError:
                await asyncio.sleep(0.05)
        checks = (await client.get("/readyz")).json()["checks"]
    assert (checks["process"]["ok"], checks["temporal"]["ok"]) == (True, False)
    stop.set()
    assert await serving == 0
