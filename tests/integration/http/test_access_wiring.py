"""Access control as the container wires it, on a real database."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import httpx
import pytest

from domain.access.scope import Scope
from domain.errors import StartupError
from entrypoints.http.app import create_app
from entrypoints.local.demo_types import DEMO_TYPES
from entrypoints.settings.settings import Settings
from entrypoints.wiring.api import api
from entrypoints.wiring.database import api_keys
from tests.support.http.access import bearer
from tests.support.http.identity_provider import RULES, IdentityProvider

Serve = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]


@pytest.fixture
def serve(database_url: str, tmp_path: Path) -> Serve:
    """The API with OPLEDGER_ACCESS as given, and the provider's keys in a file."""
    (tmp_path / "jwks.json").write_bytes(IdentityProvider().key_set())

    @asynccontextmanager
    async def serving(access: str, **limits: int) -> AsyncIterator[httpx.AsyncClient]:
        jwt = {"jwt_issuer": RULES.issuer, "jwt_audience": RULES.audience, "jwt_jwks": str(tmp_path / "jwks.json")}
        given = jwt if "jwt" in access else {}
        limits = {"rate_limit": 1, "rate_burst": 2, **limits}
        settings = Settings(database_url=database_url, operations=str(DEMO_TYPES), access=access, **limits, **given)  # type: ignore[arg-type]
        async with api(settings) as parts:
            app = create_app(parts.services, page_token_key=parts.page_token_key, access=parts.access)
            transport = httpx.ASGITransport(app=app)  # type: ignore[arg-type]
            async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
                yield client

    return serving


async def status(client: httpx.AsyncClient, credential: str | None) -> int:
    """Of a list."""
    headers = None if credential is None else bearer(credential)
    return (await client.get("/v1/operations", headers=headers)).status_code


async def key(database_url: str) -> str:
    """A new key, as the command makes it."""
    async with api_keys(database_url) as keys:
        return (await keys.create("ci", tenant="a", scopes=frozenset({Scope.READ}), life=None)).text


@pytest.mark.parametrize(
    ("access", "statuses"), [("none", [200] * 3), ("keys", [401, 200, 401]), ("jwt", [401, 401, 200])]
)
async def test_what_is_taken(serve: Serve, database_url: str, access: str, statuses: list[int]) -> None:
    """Nothing, a key, a token: each only where the setting says so."""
    credentials = [None, await key(database_url), IdentityProvider().token()]
    async with serve(access) as client:
        assert [await status(client, credential) for credential in credentials] == statuses


async def test_both_are_taken_each_with_its_own_allowance(serve: Serve, database_url: str) -> None:
    """Two at once, says the setting."""
    async with serve("keys,jwt") as client:
        for credential in (await key(database_url), IdentityProvider().token()):
            seen = await asyncio.gather(*(status(client, credential) for _ in range(50)))
            assert set(seen) == {200, 429}
            assert seen.count(200) >= 2


@pytest.mark.parametrize(
    ("access", "limit", "status"), [("none", "max_waiters", 503), ("keys", "max_waiters_each", 429)]
)
async def test_how_many_may_follow(serve: Serve, database_url: str, access: str, limit: str, status: int) -> None:
    """One, says the setting: of two streams one does not begin."""
    headers = bearer(await key(database_url))
    async with serve(access, **{limit: 1}) as client:
        streams = [asyncio.create_task(client.get("/v1/events", headers=headers)) for _ in range(2)]
        ended, going_on = await asyncio.wait(streams, return_when=asyncio.FIRST_COMPLETED)
        assert [(await stream).status_code for stream in ended] == [status]
        for stream in going_on:
            stream.cancel()
        await asyncio.wait(going_on)


async def test_a_file_of_keys_that_is_none(serve: Serve, tmp_path: Path) -> None:
    """It is said at the start, by the setting's name."""
    (tmp_path / "jwks.json").write_text("{}")
    with pytest.raises(StartupError, match="jwt_jwks: the content is not a JSON Web Key Set"):
        async with serve("jwt"):
            pass


async def test_a_stream_ticket_counts_once_in_all_processes(serve: Serve, database_url: str) -> None:
    """It is stored: any process takes it, one that was started later too, and no other after that."""
    headers = bearer(await key(database_url))
    async with serve("keys", rate_burst=10) as first:
        tickets = [(await first.post("/v1/stream-tickets", headers=headers)).json()["ticket"] for _ in range(2)]
        async with serve("keys") as second:
            heads = [await api.head(f"/v1/events?ticket={tickets[0]}") for api in (second, first, second)]
            assert [head.status_code for head in heads] == [200, 401, 401]
            both = await asyncio.gather(*(api.head(f"/v1/events?ticket={tickets[1]}") for api in (first, second)))
            assert sorted(head.status_code for head in both) == [200, 401]


async def test_a_stream_ticket_survives_a_restart(serve: Serve, database_url: str) -> None:
    headers = bearer(await key(database_url))
    async with serve("keys") as before:
        ticket = (await before.post("/v1/stream-tickets", headers=headers)).json()["ticket"]
    async with serve("keys") as after:
        assert (await after.head(f"/v1/events?ticket={ticket}")).status_code == 200
