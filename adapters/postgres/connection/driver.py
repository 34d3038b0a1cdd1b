"""asyncpg connections to the first usable server, directly or through a transaction pooler."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg

from adapters.postgres.connection.database_url import DatabaseUrl, Host, SocketOption, parse_url


@dataclass(frozen=True, slots=True)
class DatabaseSettings:
    """How the database is used. Times in seconds. None: no limit."""

    application_name: str = "opledger"
    pool_size: int = 20
    max_overflow: int = 0
    """Connections beyond the pool, each closed after use. Default 0: connecting costs more than a request."""
    pool_timeout: float = 5.0
    """How long to wait for a free connection."""
    connect_timeout: float = 5.0
    """For each host."""
    statement_timeout: float | None = 15.0
    lock_timeout: float | None = 5.0
    """How long a statement waits for another transaction's lock."""
    transaction_pooling: bool = False
    """Whether a transaction pooler, such as pgbouncer, is between the process and the server."""


class Connection(asyncpg.Connection):
    """A connection that reports when it is of no more use, and sets limits at the start of each transaction."""

    writable = False
    """Whether it needs a server that accepts writes."""
    transaction_settings = ""
    """Statements that follow every BEGIN, in the same round trip."""

    @property
    def lost(self) -> bool:
        """Whether the server has closed it or accepts no writes any more, as after a failover. Costs no round trip:
        servers since PostgreSQL 14 report both."""
        return self.is_closed() or (self.writable and self._is_read_only())

    async def execute(self, query: str, *args: Any, timeout: float | None = None) -> str:  # noqa: ASYNC109
        """See asyncpg. Adds `transaction_settings` to BEGIN."""
        if self.transaction_settings and query.startswith("BEGIN"):
            query += self.transaction_settings
        status: str = await super().execute(query, *args, timeout=timeout)
        return status

    def set_socket_options(self, options: Sequence[SocketOption]) -> None:
        """Sets options of a TCP connection. A Unix socket has none."""
        transport: asyncio.Transport = self._transport  # type: ignore[attr-defined]
        if isinstance(transport.get_extra_info("peername"), tuple):
            for option in options:
                transport.get_extra_info("socket").setsockopt(*option)

    def _is_read_only(self) -> bool:
        reported = self.get_settings()
        names = ("in_hot_standby", "default_transaction_read_only")
        return any(getattr(reported, name, "off") == "on" for name in names)


def connector(
    url: str, settings: DatabaseSettings | None = None, name: str = "DATABASE_URL"
) -> Callable[[], Awaitable[Connection]]:
    """Returns a function that connects. `name` names the setting of the URL. Raises StartupError: the URL is invalid.

    A server setting in the URL, such as `application_name` or `statement_timeout`, takes precedence over `settings`.
    """
    return _Connector(parse_url(url, name), settings or DatabaseSettings())


class _Connector:
    """Tries one host after the other. As in libpq, each has the connect timeout; asyncpg has one for all."""

    def __init__(self, url: DatabaseUrl, settings: DatabaseSettings) -> None:
        self._url = url
        self._hosts: Sequence[Host] = url.hosts or [("", None)]
        given = url.connect_timeout
        timeout = settings.connect_timeout if given is None else given or None
        # Longer than the server's own limit: for a server that does not answer at all.
        patience = None if settings.statement_timeout is None else settings.statement_timeout + settings.connect_timeout
        self._arguments: dict[str, Any] = {**url.arguments, "timeout": timeout, "command_timeout": patience}
        at_start = {"application_name": settings.application_name}
        self._transaction_settings = ""
        if settings.transaction_pooling:
            limits = _limits(settings)
            own = {key: url.settings.get(key, value) for key, value in limits.items()}
            self._transaction_settings = "".join(_set_local(key, value) for key, value in own.items())
            self._arguments["statement_cache_size"] = 0
            at_start |= {key: value for key, value in url.settings.items() if key not in limits}
        else:
            at_start |= {**_PLANNING, **_limits(settings), **url.settings}
        self._arguments["server_settings"] = at_start

    async def __call__(self) -> Connection:
        *others, last = self._hosts  # a copy: another connection may reorder them meanwhile
        for host in others:
            try:
                return await self._connect_and_prefer(host)
            except (OSError, *_NEXT_HOST):
                continue
        return await self._connect_and_prefer(last)

    async def _connect_and_prefer(self, host: Host) -> Connection:
        connection = await self._connect(host)
        self._prefer(host)
        return connection

    async def _connect(self, host: Host) -> Connection:
        name, port = host
        connection: Connection = await asyncpg.connect(
            host=name or None, port=port, connection_class=Connection, **self._arguments
        )
        connection.writable = self._url.writable
        connection.transaction_settings = self._transaction_settings
        try:
            connection.set_socket_options(self._url.socket_options)
        except BaseException:
            connection.terminate()
            raise
        return connection

    def _prefer(self, host: Host) -> None:
        """Tries the primary first from now on. Otherwise every connection would wait for a lost host to time out."""
        if self._url.writable:
            self._hosts = [host, *(other for other in self._hosts if other != host)]


_NEXT_HOST = (
    asyncpg.CannotConnectNowError,
    asyncpg.PostgresConnectionError,
    asyncpg.TargetServerAttributeNotMatched,
)
"""Errors that lead to the next host, besides OSError: the server starts or stops, or is no primary."""
# A generic plan fits a tenant with few rows and rare labels. For frequent labels it reads all rows of a tenant for a
# page, instead of the first ones. Through a pooler each statement is parsed anew, and so planned for its parameters.
_PLANNING = {"plan_cache_mode": "force_custom_plan"}


def _limits(settings: DatabaseSettings) -> Mapping[str, str]:
    return {
        "statement_timeout": _milliseconds(settings.statement_timeout),
        "lock_timeout": _milliseconds(settings.lock_timeout),
        "idle_in_transaction_session_timeout": _milliseconds(settings.statement_timeout),
    }


def _milliseconds(seconds: float | None) -> str:
    return str(int((seconds or 0) * 1000))


def _set_local(name: str, value: str) -> str:
    return " SET LOCAL {} = '{}';".format(name, value.replace("'", "''"))
