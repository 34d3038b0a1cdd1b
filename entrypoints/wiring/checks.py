"""Container of the checks of `opledger doctor`."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial

from dependency_injector import providers

from adapters.postgres.probes import NotificationProbe
from adapters.temporal.connection.connection import connect
from adapters.temporal.connection.schedule import check_schedule
from adapters.temporal.connection.search_attribute import check_search_attribute, ensure_search_attribute
from adapters.temporal.payloads.data_converter import check_payload_codec
from application.adopt.rules import watch_rules
from application.ports.clock import Clock
from application.ports.engine.workflow_engine import WorkflowEngine
from application.ports.monitoring.probe import Probe
from domain.errors import StartupError
from entrypoints.settings.checks import (
    check_access,
    check_callbacks,
    check_divergences,
    check_reconciliation,
    check_sign_in,
    check_watch_rules,
)
from entrypoints.settings.export import check_export
from entrypoints.settings.settings import Settings
from entrypoints.wiring import adapters, temporal
from entrypoints.wiring.catalogue import checked_catalogue
from entrypoints.wiring.identity_provider import identity_provider
from entrypoints.wiring.services import Services

Check = Callable[[], Awaitable[str | None]]
"""Returns details of what is well, or None; raises OpledgerError about what is not."""


@asynccontextmanager
async def checks(settings: Settings) -> AsyncIterator[dict[str, Check]]:
    """Yields the checks by name. Raises StartupError."""
    async with adapters.opened(settings) as opened, temporal.opened(settings, opened.clock()) as engine:
        services = Services(settings=providers.Object(settings), adapters=opened)
        client, provider = engine.client(), identity_provider(settings)
        probes: list[Probe] = [
            opened.database_probe(),
            opened.migration_probe(),
            NotificationProbe(opened.connect_database(), opened.connect_directly()),
            engine.probe(),
        ]
        yield {
            "operations": partial(_check_operations, settings),
            **{probe.name: probe.check for probe in probes},
            "search attribute": partial(check_search_attribute, client),
            "schedule": partial(check_schedule, client),
            "payload codec": partial(check_payload_codec, client),
            "access": partial(check_access, settings, opened.api_keys(), provider, opened.clock()),
            "sign-in": partial(check_sign_in, settings, None if provider is None else provider.sign_in),
            "callbacks": partial(check_callbacks, services.callbacks(), engine.engine().check_callback),
            "watch rules": partial(_check_watch_rules, settings, engine.engine(), opened.clock()),
            "export": partial(check_export, settings),
            "divergences": partial(check_divergences, services.drift()),
            "reconciliation": partial(check_reconciliation, services.drift(), settings.reconcile_every),
        }


async def _check_watch_rules(settings: Settings, engine: WorkflowEngine, clock: Clock) -> str | None:
    """Says nothing about an operations file that cannot be used. Raises QueryRefused, EngineUnavailable."""
    try:
        catalogue = checked_catalogue(settings)
    except StartupError:
        return None
    return await check_watch_rules(watch_rules(catalogue), engine, clock)


async def _check_operations(settings: Settings) -> None:
    """Raises StartupError: the operations file is missing or cannot be used."""
    checked_catalogue(settings)


async def register_search_attribute() -> None:
    """Registers the search attribute on the Temporal of the environment. Raises StartupError, EngineUnavailable."""
    await ensure_search_attribute(await connect())
