"""The connection pool, and connections beside it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeAlias
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import asyncpg
from sqlalchemy import event
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from domain.errors import StartupError

_SCHEMES = {"postgres", "postgresql", "postgresql+asyncpg"}
Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
_RENAMED = {"ssl": "sslmode"}
_LIBPQ_ALONE = {"channel_binding", "connect_timeout", "gssencmode", "keepalives"}
"""Parameters of libpq in URLs that providers hand out; asyncpg would send them to the server, which refuses them."""


@dataclass(frozen=True, slots=True)
class DatabaseSettings:
    """How the database is used. Times in seconds; None is without a limit."""

    application_name: str = "opledger"
    pool_size: int = 20
    max_overflow: int = 0
    """Connections beyond the pool, each closed after its use: making one costs more than what it is used for."""
    pool_timeout: float = 5.0
    """How long to wait for a free connection."""
    connect_timeout: float = 5.0
    statement_timeout: float | None = 15.0
    lock_timeout: float | None = 5.0
    """How long a statement waits for another transaction's lock."""


def create_engine(url: str, settings: DatabaseSettings | None = None) -> AsyncEngine:
    """A pool that connects when it is first used. Raises StartupError: not a PostgreSQL URL.

    What the URL's query says of a server setting (`application_name`, `statement_timeout`) goes before `settings`.
    """
    settings = settings or DatabaseSettings()
    engine = create_async_engine(
        "postgresql+asyncpg://",
        async_creator=connector(url, settings),
        isolation_level="READ COMMITTED",
        pool_size=settings.pool_size,
        max_overflow=settings.max_overflow,
        pool_timeout=settings.pool_timeout,
        pool_recycle=1800,
        json_deserializer=str,
        hide_parameters=True,
    )
    event.listen(engine.sync_engine, "checkout", _refuse_severed)
    return engine


def reading(engine: AsyncEngine) -> AsyncEngine:
    """The same pool for single statements, which need no BEGIN and ROLLBACK around them: two round trips fewer. Made
    once: it is too dear to be made for each."""
    return engine.execution_options(isolation_level="AUTOCOMMIT")


def connector(url: str, settings: DatabaseSettings | None = None) -> Callable[[], Awaitable[Connection]]:
    """What makes a connection, each time it is called. Raises StartupError: not a PostgreSQL URL."""
    settings = settings or DatabaseSettings()
    dsn, given = _dsn(url)
    server_settings = {key: value for key, value in _server_settings(settings).items() if key not in given}
    # Longer than the server's own limit, for a server that does not answer at all any more.
    patience = None if settings.statement_timeout is None else settings.statement_timeout + settings.connect_timeout

    async def connect() -> Connection:
        return await asyncpg.connect(
            dsn, timeout=settings.connect_timeout, command_timeout=patience, server_settings=server_settings
        )

    return connect


def _refuse_severed(connection: Any, *_: object) -> None:
    """Have the pool replace a connection that the server has closed. asyncpg knows without asking, so that this costs
    nothing, where `pool_pre_ping` costs three round trips."""
    if connection.driver_connection.is_closed():
        raise DisconnectionError


def _server_settings(settings: DatabaseSettings) -> dict[str, str]:
    return {
        "application_name": settings.application_name,
        # What is asked often would be planned once for any parameters: for a tenant with few rows, and labels that few
        # have. Where many have them that reads all rows of a tenant for a page, instead of the first ones.
        "plan_cache_mode": "force_custom_plan",
        "statement_timeout": _milliseconds(settings.statement_timeout),
        "lock_timeout": _milliseconds(settings.lock_timeout),
        "idle_in_transaction_session_timeout": _milliseconds(settings.statement_timeout),
    }


def _milliseconds(seconds: float | None) -> str:
    return str(int((seconds or 0) * 1000))


def _dsn(url: str) -> tuple[str, set[str]]:
    """The URL as asyncpg reads it, and the names of its query parameters."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        what = "has a port that is no number" if "port" in str(error).lower() else "is not a URL"
        raise StartupError(f"DATABASE_URL {what}") from None
    if parts.scheme not in _SCHEMES:
        raise StartupError(f"DATABASE_URL begins with postgresql://, not {parts.scheme or 'nothing'}://")
    if parts.fragment:
        raise StartupError("DATABASE_URL has a '#' in it: in a password it is written %23")
    pairs = [(_RENAMED.get(key, key), value) for key, value in parse_qsl(parts.query)]
    query = {key: value for key, value in pairs if key not in _LIBPQ_ALONE}
    suffix = "?" + urlencode(query, quote_via=quote) if query else ""
    return f"postgresql://{parts.netloc}{parts.path}{suffix}", set(query)
