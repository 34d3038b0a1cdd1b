"""Connecting to one of several hosts whose order changes meanwhile."""

from typing import Any

import asyncpg
import pytest

from adapters.postgres.connection.driver import connector

HOSTS = "postgresql://h1,h2/db"


class Opened:
    """A stand-in for a connection."""

    writable = False
    transaction_settings = ""

    def __init__(self, refuse_options: bool = False) -> None:
        self.terminated = False
        self._refuse_options = refuse_options

    def set_socket_options(self, options: Any) -> None:
        if self._refuse_options:
            raise OSError(22, "Invalid argument")

    def terminate(self) -> None:
        self.terminated = True


async def test_last_host_raises_its_error_although_another_connection_reordered_the_hosts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each attempt keeps its initial order: it tries every host once and raises the last error."""
    connect = connector(HOSTS)
    tried: list[str] = []
    preferring = False

    async def attempt(*, host: str, **_: Any) -> Opened:
        nonlocal preferring
        tried.append(host)
        if host == "h1" and not preferring:
            preferring = True
            monkeypatch.setattr(asyncpg, "connect", succeed)
            await connect()
            monkeypatch.setattr(asyncpg, "connect", attempt)
        raise ConnectionRefusedError(host)

    async def succeed(*, host: str, **_: Any) -> Opened:
        if host == "h1":
            raise ConnectionRefusedError(host)
        return Opened()

    monkeypatch.setattr(asyncpg, "connect", attempt)
    with pytest.raises(ConnectionRefusedError, match="h2"):
        await connect()
    assert tried == ["h1", "h2"]


async def test_connection_without_its_socket_options_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A failed connect leaves no session behind."""
    opened: list[Opened] = []

    async def attempt(**_: Any) -> Opened:
        opened.append(Opened(refuse_options=True))
        return opened[-1]

    monkeypatch.setattr(asyncpg, "connect", attempt)
    with pytest.raises(OSError, match="Invalid argument"):
        await connector(HOSTS)()
    assert [one.terminated for one in opened] == [True, True]
