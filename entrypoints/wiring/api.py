"""Container of the API process."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from dependency_injector import containers, providers

from application.access.api_key_usage import NoteKeyUses
from application.access.authenticate import AuthenticateKeys
from application.access.stream_tickets import StreamTicketService
from application.adopt.receive_start_report import ReceiveStartReport
from application.bulk.bulk_operations import BulkOperations
from application.control.acknowledge import AcknowledgeOperation
from application.control.cancel import CancelOperation
from application.control.delete import DeleteOperation
from application.control.keep import KeepOperation
from application.operate.health import CheckHealth, SharedProbe
from application.ports.clock import Clock
from application.ports.sign_in import SignInProvider
from application.submit.record_start import RecordStarts
from application.submit.retry import RetryOperation
from application.submit.submit import SubmitOperations
from application.tenant_ledger import LedgerServices
from application.track.receive_callback import ReceiveCallback
from application.track.receive_report import ReceiveReport
from application.watch.change_hub import ChangeHub
from application.watch.durations import ReadDurations
from application.watch.read import ReadOperations
from application.watch.stream import StreamEvents
from application.watch.throughput import ReadThroughput
from application.watch.wait import WaitForOperation
from application.watch.waiter_limit import WaiterLimit
from domain.operation.operation_type import OperationCatalogue
from entrypoints.http.security.authentication import Access
from entrypoints.http.server.shutdown import GracefulShutdown
from entrypoints.http.services import HttpServices
from entrypoints.settings.settings import Settings
from entrypoints.wiring.access import access, check_key_file, key_admin
from entrypoints.wiring.adoption import adopter, reported_adopter
from entrypoints.wiring.identity_provider import identity_provider
from entrypoints.wiring.production import production


class ApiServices(containers.DeclarativeContainer):
    """The services behind the HTTP API, on any adapters."""

    settings = providers.Dependency(instance_of=Settings)
    catalogue = providers.Dependency(instance_of=OperationCatalogue)
    adapters = providers.DependenciesContainer()
    temporal = providers.DependenciesContainer()
    services = providers.DependenciesContainer()

    submit = providers.Singleton(
        SubmitOperations, adapters.units, adapters.clock, adapters.operation_ids, catalogue, adapters.validator
    )
    retry = providers.Singleton(RetryOperation, adapters.units, submit)
    record = providers.Singleton(RecordStarts, adapters.units, adapters.clock, adapters.operation_ids, catalogue)
    read = providers.Singleton(ReadOperations, adapters.queries)
    durations = providers.Singleton(ReadDurations, adapters.queries, adapters.clock)
    throughput = providers.Singleton(ReadThroughput, adapters.queries, adapters.clock)
    cancel = providers.Singleton(CancelOperation, services.changes, adapters.clock)
    acknowledge = providers.Singleton(AcknowledgeOperation, services.changes, adapters.clock)
    keep = providers.Singleton(KeepOperation, services.changes, adapters.clock)
    delete = providers.Singleton(DeleteOperation, adapters.units)
    bulk = providers.Singleton(BulkOperations, adapters.units, read, adapters.clock, adapters.operation_ids)
    hub = providers.Singleton(ChangeHub, adapters.feed, adapters.clock, adapters.metrics)
    wait = providers.Singleton(WaitForOperation, read, hub)
    stream = providers.Singleton(StreamEvents, read, adapters.feed, hub)
    waiter_limit = providers.Singleton(
        WaiterLimit, settings.provided.max_waiters, each=settings.provided.max_waiters_each
    )
    receiver = providers.Singleton(
        ReceiveCallback,
        adapters.units,
        services.changes,
        temporal.engine,
        adapters.clock,
        temporal.callback_reader,
        services.recorder,
        adapters.metrics,
    )
    adopter = adopter(adapters, temporal, services, catalogue)
    reported = reported_adopter(adapters, temporal, catalogue, adopter)
    reports = providers.Singleton(ReceiveReport, services.recorder, temporal.engine, adapters.metrics, reported)
    start_reports = providers.Singleton(
        ReceiveStartReport,
        adapters.units,
        services.changes,
        temporal.engine,
        adapters.clock,
        adopter,
        reported,
        services.recorder,
        adapters.metrics,
    )
    key_uses = providers.Singleton(NoteKeyUses, adapters.api_keys)
    identity_provider = providers.Singleton(identity_provider, settings)
    access = providers.Singleton(
        access,
        settings,
        adapters.clock,
        keys=providers.Singleton(AuthenticateKeys, adapters.api_keys, adapters.clock, key_uses),
        provider=identity_provider,
    )
    keys = providers.Singleton(key_admin, settings, adapters.api_keys, adapters.clock, adapters.random_bytes)
    tickets = providers.Singleton(
        StreamTicketService, adapters.stream_tickets, adapters.clock, adapters.random_bytes, access
    )
    stopping = providers.Singleton(GracefulShutdown)
    health = providers.Singleton(
        CheckHealth,
        required=providers.List(
            providers.Singleton(SharedProbe, adapters.database_probe),
            providers.Singleton(SharedProbe, adapters.migration_probe),
            stopping,
        ),
        optional=providers.List(providers.Singleton(SharedProbe, temporal.probe)),
    )
    http_services = providers.Factory(
        HttpServices,
        tickets=tickets,
        ledger=providers.Factory(
            LedgerServices,
            submit=submit,
            adopt=adopter,
            record=record,
            reports=reports,
            start_reports=start_reports,
            read=read,
            durations=durations,
            throughput=throughput,
            retry=retry,
            cancel=cancel,
            acknowledge=acknowledge,
            keep=keep,
            delete=delete,
            bulk=bulk,
            wait=wait,
            stream=stream,
            waiter_limit=waiter_limit,
            catalogue=catalogue,
        ),
        health=health,
        drift=services.drift,
        reconcile_every=settings.provided.reconcile_every,
        keys=keys,
        receive_callback=receiver,
        callback_keys=services.callback_keys,
        metrics=adapters.metrics,
        answered=adapters.answered,
        metrics_page=services.metrics_page,
    )


@dataclass(frozen=True)
class ApiParts:
    """The parts of the API process."""

    services: HttpServices
    clock: Clock
    namespace: str
    """Temporal's."""
    page_token_key: bytes
    stopping: GracefulShutdown
    access: Access
    sign_in: SignInProvider | None
    """Signs people in to the dashboard."""
    key_uses: NoteKeyUses
    end_waiting: Callable[[], None]
    """Answers every wait with the current state and ends every stream."""


@asynccontextmanager
async def wired(settings: Settings) -> AsyncIterator[ApiServices]:
    """Yields the services on the adapters of production. At the end, commits what is under way and closes all
    connections. Raises StartupError."""
    async with production(settings) as parts:
        container = ApiServices(**parts)
        try:
            yield container
        finally:
            await asyncio.gather(container.submit().close(), container.services.changes().close())


@asynccontextmanager
async def served(container: ApiServices, settings: Settings) -> AsyncIterator[ApiParts]:
    """Yields the parts of the API. At the end, ends waits and streams. Raises StartupError."""
    provider = container.identity_provider()
    await check_key_file(settings, provider)
    key = settings.page_token_key.encode() if settings.page_token_key else secrets.token_bytes(32)
    hub = container.hub()
    try:
        yield ApiParts(
            container.http_services(),
            container.adapters.clock(),
            container.temporal.namespace(),
            key,
            container.stopping(),
            container.access(),
            None if provider is None else provider.sign_in,
            container.key_uses(),
            hub.close,
        )
    finally:
        hub.close()


@asynccontextmanager
async def api(settings: Settings) -> AsyncIterator[ApiParts]:
    """Yields the parts of the API on the adapters of production. Raises StartupError."""
    async with wired(settings) as container, served(container, settings) as parts:
        yield parts
