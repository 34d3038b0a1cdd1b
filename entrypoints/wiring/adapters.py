"""The adapters of production, without Temporal's: PostgreSQL, JSON Schema, Prometheus, the operating system."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from dependency_injector import containers, providers
from prometheus_client import CollectorRegistry
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.jsonschema.input_validator import JsonSchemaInputValidator
from adapters.postgres.access.api_keys import PostgresApiKeys
from adapters.postgres.access.stream_tickets import PostgresStreamTickets
from adapters.postgres.connection.driver import DatabaseSettings, connector
from adapters.postgres.connection.engine import autocommit, create_engine
from adapters.postgres.convergence.drift_queries import PostgresDriftQueries
from adapters.postgres.feed.change_feed import PostgresChangeFeed
from adapters.postgres.feed.notifications import Announcer, Listener
from adapters.postgres.operations.operation_queries import PostgresQueries
from adapters.postgres.probes import DatabaseProbe, MigrationProbe
from adapters.postgres.unit_of_work import PostgresUnitsOfWork
from adapters.prometheus.metrics import PrometheusMetrics
from adapters.prometheus.requests import PrometheusRequests
from adapters.system.clock import SystemClock
from adapters.system.operation_ids import RandomOperationIds
from entrypoints.settings.settings import Settings


class Adapters(containers.DeclarativeContainer):
    """Each adapter is created at its first use, synchronously, and connects when it is first called."""

    settings = providers.Dependency(instance_of=Settings)

    clock = providers.Singleton(SystemClock)
    operation_ids = providers.Singleton(RandomOperationIds)
    random_bytes = providers.Object(secrets.token_bytes)
    validator = providers.Singleton(JsonSchemaInputValidator)

    database_url = providers.Callable(Settings.require_database_url, settings)
    database_settings = providers.Factory(DatabaseSettings, transaction_pooling=settings.provided.transaction_pooling)
    database = providers.Singleton(create_engine, database_url, database_settings)
    connect_database = providers.Singleton(connector, database_url, database_settings)
    connect_directly = providers.Singleton(
        connector, providers.Callable(Settings.require_direct_url, settings), name="OPLEDGER_DATABASE_DIRECT_URL"
    )
    announcer = providers.Singleton(Announcer, connect_database)
    listener = providers.Singleton(Listener, connect_directly)
    units = providers.Singleton(PostgresUnitsOfWork, database, announcer.provided.announce)
    queries = providers.Singleton(PostgresQueries, providers.Singleton(autocommit, database))
    feed = providers.Singleton(PostgresChangeFeed, database, listener)
    drift_queries = providers.Singleton(PostgresDriftQueries, database)
    api_keys = providers.Singleton(PostgresApiKeys, database)
    stream_tickets = providers.Singleton(PostgresStreamTickets, database)
    database_probe = providers.Singleton(DatabaseProbe, database)
    migration_probe = providers.Singleton(MigrationProbe, database)

    registry = providers.Singleton(CollectorRegistry)
    metrics = providers.Singleton(PrometheusMetrics, registry, database.provided.pool.checkedout)
    render_metrics = metrics.provided.page
    answered = providers.Singleton(PrometheusRequests, registry).provided.answered


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Adapters]:
    """Yields the adapters and closes their connections at the end. Raises StartupError: no database is configured."""
    adapters = Adapters(settings=providers.Object(settings))
    database: AsyncEngine = adapters.database()
    try:
        yield adapters
    finally:
        await adapters.announcer().close()  # first: it sends the notifications of the last commits
        adapters.listener().close()
        await database.dispose()
