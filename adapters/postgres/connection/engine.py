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
    """A pool that connects when it is first used. `name` is the URL's setting. Raises StartupError: the URL cannot be
    used.

    A server setting in the URL, such as `application_name` or `statement_timeout`, takes precedence over `settings`.
    """
    settings = settings or DatabaseSettings()
    connect = connector(url, settings, name)
    statement_cache = {"prepared_statement_cache_size": 0} if settings.transaction_pooling else {}

    def create() -> Any:
        """What SQLAlchemy makes of `async_creator`, which cannot be given arguments."""
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
    """The same pool for single statements, which need no BEGIN and ROLLBACK around them: two round trips fewer. Made
    once: it is too dear to be made for each."""
    return engine.execution_options(isolation_level="AUTOCOMMIT")


def _discard_lost(connection: Any, *_: object) -> None:
    """Have the pool replace a connection that is of no use any more. The driver knows without asking, so that this
    costs nothing, where `pool_pre_ping` costs three round trips."""
    if connection.driver_connection.lost:
        raise DisconnectionError


def _invalidate_after_read_only(context: ExceptionContext) -> None:
    """Replace every connection of the pool after a write was refused: the primary may be another server by now."""
    if getattr(context.original_exception, "sqlstate", None) == _READ_ONLY:
        context.is_disconnect = True
