"""The connection pool."""

from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from adapters.postgres.connection.driver import DatabaseSettings, connector

_READ_ONLY = "25006"
"""SQLSTATE of a write on a server that accepts none."""


def create_engine(url: str, settings: DatabaseSettings | None = None, name: str = "DATABASE_URL") -> AsyncEngine:
    """Returns a pool that connects at its first use. `name` names the setting of the URL.

    Raises StartupError: the URL is invalid.

    A server setting in the URL, such as `application_name` or `statement_timeout`, takes precedence over `settings`.
    """
    settings = settings or DatabaseSettings()
    connect = connector(url, settings, name)
    statement_cache = {"prepared_statement_cache_size": 0} if settings.transaction_pooling else {}

    def create() -> Any:
        """Connects as SQLAlchemy does for `async_creator`, which takes no arguments."""
        return engine.sync_engine.dialect.dbapi.connect(async_creator_fn=connect, **statement_cache)  # type: ignore[union-attr]

    engine = create_async_engine(
        "postgresql+asyncpg://",
        creator=create,
        isolation_level="READ COMMITTED",
        pool_size=settings.pool_size,
        max_overflow=settings.max_overflow,
        pool_timeout=settings.pool_timeout,
        pool_recycle=1800,
        json_deserializer=str,
        hide_parameters=True,
    )
    event.listen(engine.sync_engine, "checkout", _discard_lost)
    event.listen(engine.sync_engine, "handle_error", _invalidate_after_read_only)
    return engine


def autocommit(engine: AsyncEngine) -> AsyncEngine:
    """Returns the same pool for single statements: without BEGIN and ROLLBACK, which saves two round trips.

    Callers keep the result: making it is expensive."""
    return engine.execution_options(isolation_level="AUTOCOMMIT")


def _discard_lost(connection: Any, *_: object) -> None:
    """Makes the pool replace a connection that is lost. The driver knows that without a round trip; `pool_pre_ping`
    costs three."""
    if connection.driver_connection.lost:
        raise DisconnectionError


def _invalidate_after_read_only(context: ExceptionContext) -> None:
    """Replaces every connection of the pool after a refused write: the primary may be another server now."""
    if getattr(context.original_exception, "sqlstate", None) == _READ_ONLY:
        context.is_disconnect = True
