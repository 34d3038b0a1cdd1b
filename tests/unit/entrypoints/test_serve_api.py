"""The API process with a configuration of Temporal that cannot be used."""

import asyncio
from pathlib import Path

import pytest

from domain.errors import StartupError
from entrypoints import serve_api
from entrypoints.local.demo_types import DEMO_TYPES
from entrypoints.settings.settings import Settings
from tests.support.ports import free_port


async def test_a_temporal_configuration_that_cannot_be_read_is_refused_before_the_api_listens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An API that was ready first would replace a good one in a rolling update."""
    broken = tmp_path / "temporal.toml"
    broken.write_text("[profile")
    monkeypatch.setenv("TEMPORAL_CONFIG_FILE", str(broken))
    monkeypatch.setattr(serve_api, "serve", lambda *_: pytest.fail("it listens"))
    database_url = f"postgresql://nobody@127.0.0.1:{free_port()}/nothing"
    settings = Settings(database_url=database_url, port=free_port(), operations=str(DEMO_TYPES))
    with pytest.raises(StartupError, match="Temporal's configuration cannot be read"):
        async with asyncio.timeout(60):
            await serve_api.run(settings, asyncio.Event())
