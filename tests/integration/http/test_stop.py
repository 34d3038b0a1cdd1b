"""A stop of the API with clients that wait and streams that are open."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.unit_of_work import PostgresUnitsOfWork
from domain.operation.start.creation import accept
from entrypoints.local.demo_types import DEMO_TYPES
from entrypoints.serve_api import run
from entrypoints.settings.settings import Settings
from entrypoints.wiring import api
from entrypoints.wiring.api import ApiParts
from tests.support.operations import ID, cause
from tests.support.ports import free_port
from tests.support.waiting import subscribed


async def up(client: httpx.AsyncClient) -> None:
    """Until it answers."""
    while True:
        try:
            await client.get("/livez")
            return
        except httpx.ConnectError:
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("path", [f"/v1/operations/{ID}/events", "/v1/events"])
async def test_waits_are_answered_and_streams_end(
    database_url: str, postgres_engine: AsyncEngine, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each in order: the stream as a whole answer, the wait with what is; and the process does not hang for them."""
    async with PostgresUnitsOfWork(postgres_engine)() as unit:
        await unit.operations.add(accept(ID, tenant="default", type_name="x", value=1, labels={}, cause=cause()))
        await unit.commit()
    parts: list[ApiParts] = []
    wired = api.api

    @asynccontextmanager
    async def kept(settings: Settings) -> AsyncIterator[ApiParts]:
        async with wired(settings) as made:
            parts.append(made)
            yield made

    monkeypatch.setattr(api, "api", kept)
    stop, port = asyncio.Event(), free_port()
    serving = asyncio.create_task(run(Settings(database_url=database_url, operations=str(DEMO_TYPES), port=port), stop))
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
        await up(client)
        waiting = asyncio.create_task(client.get(f"/v1/operations/{ID}", params={"wait": "55s"}))
        async with client.stream("GET", path) as stream:
            chunks = stream.aiter_text()
            first = await anext(chunks)
            assert "event: " in first
            await subscribed(parts[0].services.ledger.stream._hub, 2)
            stop.set()
            assert [chunk async for chunk in chunks] == []
        assert (await waiting).json()["status"] == "ACCEPTED"
    assert await serving == 0
