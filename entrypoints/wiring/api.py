"""What the API process serves."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from dependency_injector import containers, providers

from application.access.api_key_usage import NoteKeyUses
from application.access.authenticate import AuthenticateKeys
from application.access.stream_tickets import StreamTicketOffice
from application.control.cancel import CancelOperation
from application.control.delete import DeleteOperation
from application.operate.health import CheckHealth, SharedProbe
from application.submit.submit import SubmitOperations
from application.tenant_ledger import LedgerServices
from application.track.receive_callback import ReceiveCallback
from application.watch.change_hub import ChangeHub
from application.watch.read import ReadOperations
from application.watch.stream import StreamEvents
from application.watch.wait import WaitForOperation
from application.watch.waiter_limit import WaitingRoom
from domain.operation.operation_type import OperationCatalogue
from entrypoints.http.security.authentication import Access
from entrypoints.http.server.shutdown import GracefulShutdown
from entrypoints.http.services import HttpServices
from entrypoints.settings.settings import Settings
from entrypoints.wiring.access import access, check_key_file, identity_provider
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
    read = providers.Singleton(ReadOperations, adapters.queries)
    cancel = providers.Singleton(CancelOperation, services.changes, adapters.clock)
    delete = providers.Singleton(DeleteOperation, adapters.units)
    hub = providers.Singleton(ChangeHub, adapters.feed, adapters.clock, adapters.metrics)
    wait = providers.Singleton(WaitForOperation, read, hub)
    stream = providers.Singleton(StreamEvents, read, adapters.feed, hub)
    waiting_room = providers.Singleton(
        WaitingRoom, settings.provided.max_waiters, each=settings.provided.max_waiters_each
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
    key_uses = providers.Singleton(NoteKeyUses, adapters.api_keys)
    identity_provider = providers.Singleton(identity_provider, settings)
    access = providers.Singleton(
        access,
        settings,
        adapters.clock,
        keys=providers.Singleton(AuthenticateKeys, adapters.api_keys, adapters.clock, key_uses),
        provider=identity_provider,
    )
    tickets = providers.Singleton(
        StreamTicketOffice, adapters.stream_tickets, adapters.clock, adapters.random_bytes, access
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
            read=read,
            cancel=cancel,
            delete=delete,
            wait=wait,
            stream=stream,
            waiting_room=waiting_room,
        ),
        health=health,
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
    page_token_key: bytes
    stopping: GracefulShutdown
    access: Access
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
async def api(settings: Settings) -> AsyncIterator[ApiParts]:
    """Yields the parts of the API. Raises StartupError."""
    async with wired(settings) as container:
        await check_key_file(settings, container.identity_provider())
        key = settings.page_token_key.encode() if settings.page_token_key else secrets.token_bytes(32)
        hub = container.hub()
        try:
            yield ApiParts(
                container.http_services(),
                key,
                container.stopping(),
                container.access(),
                container.key_uses(),
                hub.close,
            )
        finally:
            hub.close()
