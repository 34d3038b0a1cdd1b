"""The provider's configuration: when it is read, and what happens when it cannot be."""

import asyncio

import pytest

from adapters.identity_provider import http
from adapters.identity_provider.discovery import Discovery
from adapters.identity_provider.published import MIN_REFRESH_INTERVAL, REFRESH_INTERVAL
from application.ports.token_verifier import IdentityProviderUnavailable
from tests.support.eventually import eventually
from tests.support.http.openid_provider import OpenIdProvider, openid_provider


class World:
    """A discovery with a clock that tests move."""

    def __init__(self, provider: OpenIdProvider) -> None:
        self.now = 0.0
        url = f"{provider.issuer}/.well-known/openid-configuration"
        self.discovery = Discovery(url, provider.issuer, lambda: self.now)

    async def refreshed(self, token_endpoint: str) -> None:
        """Until the configuration has this endpoint. Meanwhile the old one is used."""

        async def is_new() -> bool:
            return (await self.discovery.configuration()).token_endpoint == token_endpoint

        await eventually(is_new)


async def test_the_configuration_is_read_once_per_interval() -> None:
    """By one of several concurrent callers."""
    async with openid_provider() as provider:
        world = World(provider)
        found = await asyncio.gather(*(world.discovery.configuration() for _ in range(5)))
        assert {each.token_endpoint for each in found} == {f"{provider.issuer}/token"}
        assert len(provider.requests) == 1
        world.now = REFRESH_INTERVAL
        provider.published = {"token_endpoint": f"{provider.issuer}/tokens"}
        await world.refreshed(f"{provider.issuer}/tokens")
        assert len(provider.requests) == 2


async def test_the_last_configuration_stays_in_use(caplog: pytest.LogCaptureFixture) -> None:
    """While the provider is down, or returns a wrong configuration."""
    async with openid_provider() as provider:
        world = World(provider)
        known = await world.discovery.configuration()
        world.now = REFRESH_INTERVAL
        provider.published = {"issuer": "https://evil.example"}
        assert await world.discovery.configuration() == known
        await eventually(lambda: "evil.example" in caplog.text)
    world.now += MIN_REFRESH_INTERVAL
    assert await world.discovery.configuration() == known
    await eventually(lambda: "cannot be read" in caplog.text)
    assert await world.discovery.configuration() == known


async def test_an_unavailable_provider_is_asked_once_per_interval() -> None:
    """Anyone can open the page for signing in."""
    async with openid_provider() as provider:
        world = World(provider)
        provider.published = {"issuer": None}
        for _ in range(3):
            with pytest.raises(IdentityProviderUnavailable):
                await world.discovery.configuration()
        assert len(provider.requests) == 1
        provider.published, world.now = {}, MIN_REFRESH_INTERVAL
        await world.discovery.configuration()


async def test_a_provider_that_does_not_answer_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    """After the timeout, also where it sends a little from time to time."""
    monkeypatch.setattr(http, "TIMEOUT", 0.2)

    async def drip(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while not writer.is_closing():
            writer.write(b" ")
            await asyncio.sleep(0.01)

    server = await asyncio.start_server(drip, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(IdentityProviderUnavailable, match=r"cannot be read: \w*Timeout"):
            await http.read_url(f"http://127.0.0.1:{port}/")
