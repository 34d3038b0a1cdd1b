"""The wiring: which adapter stands behind which port. The only importer of adapters."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

from dependency_injector import containers, providers
from prometheus_client import CollectorRegistry
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client

from adapters.jsonschema.input_validator import JsonSchemaInputValidator
from adapters.jsonschema.schema_check import check_schema
from adapters.jwt.key_set import KeySet
from adapters.jwt.key_source import key_source
from adapters.jwt.verifier import JwtVerifier, TokenRules
from adapters.postgres.access.api_keys import PostgresApiKeys
from adapters.postgres.access.stream_tickets import PostgresStreamTickets
from adapters.postgres.connection.driver import DatabaseSettings, connector
from adapters.postgres.connection.engine import autocommit, create_engine
from adapters.postgres.convergence.drift_queries import PostgresDriftQueries
from adapters.postgres.feed.change_feed import PostgresChangeFeed
from adapters.postgres.feed.notifications import Announcer, Listener
from adapters.postgres.operations.operation_queries import PostgresQueries
from adapters.postgres.probes import DatabaseProbe, MigrationProbe, NotificationProbe
from adapters.postgres.schema.grants import grant_to as grant_privileges
from adapters.postgres.schema.migrations import migrate as migrate_database
from adapters.postgres.unit_of_work import PostgresUnitsOfWork
from adapters.prometheus.metrics import PrometheusMetrics
from adapters.prometheus.requests import PrometheusRequests
from adapters.system.clock import SystemClock
from adapters.system.operation_ids import RandomOperationIds
from adapters.temporal.callback_reader import TemporalCallbackReader
from adapters.temporal.connection.connection import configured_namespace, connect
from adapters.temporal.connection.probe import TemporalProbe
from adapters.temporal.connection.schedule import WORKFLOW_ID as RECONCILE_ID
from adapters.temporal.connection.schedule import ReconciliationSchedule, check_schedule, ensure_schedule
from adapters.temporal.connection.search_attribute import check_search_attribute, ensure_search_attribute
from adapters.temporal.payloads.data_converter import check_payload_codec, load_data_converter
from adapters.temporal.payloads.remote_codec import RemoteCodec
from adapters.temporal.workflow_engine import TemporalWorkflowEngine
from application.access.api_key_admin import ManageKeys
from application.access.api_key_usage import NoteKeyUses
from application.access.authenticate import Authenticate, AuthenticateKeys
from application.access.rate_limit import RateLimit
from application.access.stream_tickets import StreamTicketOffice
from application.batching.group_commit import GroupCommit
from application.control.cancel import CancelOperation
from application.control.delete import DeleteOperation
from application.converge.close_poll import PollCloses
from application.converge.follow_up import FollowUpOperations
from application.converge.inquiry import Inquiry
from application.converge.reconcile import OVERLAP, ReconcileOperations
from application.converge.start_watch import WatchStarts
from application.converge.verify import VerifyOperations
from application.dispatch.completion_callbacks import CompletionCallbacks
from application.dispatch.dispatch import DispatchOperations
from application.operate.drift import ReadDrift
from application.operate.health import CheckHealth, SharedProbe
from application.operate.purge_idempotency_keys import ForgetKeys
from application.operate.purge_operations import RetainOperations
from application.ports.probe import Probe
from application.ports.token_verifier import IdentityProviderUnavailable
from application.submit.submit import SubmitOperations
from application.tenant_ledger import LedgerServices
from application.track.receive_callback import ReceiveCallback
from application.track.receive_report import ReceiveReport
from application.track.record import RecordEvidence
from application.watch.change_hub import ChangeHub
from application.watch.read import ReadOperations
from application.watch.stream import StreamEvents
from application.watch.wait import WaitForOperation
from application.watch.waiter_limit import WaitingRoom
from domain.errors import StartupError
from domain.evidence.reconciliation import ReconcilePolicy
from domain.evidence.reporting import CONFIRM_AFTER, CONFIRM_AFTER_CALLBACK
from domain.operation.operation_type import OperationCatalogue
from entrypoints.http.security.authentication import Access, BearerAccess, NoAccessControl
from entrypoints.http.server.shutdown import GracefulShutdown
from entrypoints.http.services import HttpServices
from entrypoints.scrape import MetricsPage
from entrypoints.settings.checks import check_access, check_callbacks, check_divergences, check_reconciliation
from entrypoints.settings.operations_file import find_operations_file, load_catalogue
from entrypoints.settings.settings import Settings
from entrypoints.worker.activities import LedgerActivities
from entrypoints.worker.reconcile_operations import RECONCILE_WORKFLOW
from opledger.wire import LEDGER_TASK_QUEUE


def _confirm_after(settings: Settings) -> timedelta:
    """Where the engine calls by itself, asking is for callbacks that got lost."""
    return CONFIRM_AFTER if settings.callback_url is None else CONFIRM_AFTER_CALLBACK


def _overlap(settings: Settings) -> timedelta:
    """A pass has to come back to what was within its grace the last time."""
    return max(OVERLAP, settings.reconcile_grace + timedelta(seconds=30))


def _key_set(settings: Settings) -> KeySet | None:
    if "jwt" not in settings.access or settings.jwt_jwks is None:
        return None
    return KeySet(key_source(settings.jwt_jwks), settings.jwt_algorithm)


def _token_verifier(settings: Settings, key_set: KeySet) -> JwtVerifier:
    rules = TokenRules(
        issuer=settings.jwt_issuer or "",
        audience=settings.jwt_audience or "",
        algorithm=settings.jwt_algorithm,
        tenant_claim=settings.jwt_tenant_claim,
        scope_claim=settings.jwt_scope_claim,
    )
    return JwtVerifier(rules, key_set)


def _remote_codec(settings: Settings) -> RemoteCodec | None:
    if settings.codec_endpoint is None:
        return None
    return RemoteCodec(settings.codec_endpoint, configured_namespace(), settings.codec_authorization)


def _access(settings: Settings, clock: SystemClock, keys: AuthenticateKeys, key_set: KeySet | None) -> Access:
    """What OPLEDGER_ACCESS says."""
    if settings.access == "none":
        return NoAccessControl()
    tokens = None if key_set is None else _token_verifier(settings, key_set)
    authenticate = Authenticate(keys if "keys" in settings.access else None, tokens)
    return BearerAccess(authenticate, RateLimit(clock, settings.allowance()))


class Container(containers.DeclarativeContainer):
    """Everything is made when it is first asked for, synchronously, and connects when it is first used."""

    settings = providers.Dependency(instance_of=Settings)
    catalogue = providers.Dependency(instance_of=OperationCatalogue)
    client = providers.Dependency(instance_of=Client)
    """Temporal's, lazy."""

    clock = providers.Singleton(SystemClock)
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
    changes = providers.Singleton(GroupCommit, units)
    queries = providers.Singleton(PostgresQueries, providers.Singleton(autocommit, database))
    engine = providers.Singleton(TemporalWorkflowEngine, client, clock)

    registry = providers.Singleton(CollectorRegistry)
    metrics = providers.Singleton(PrometheusMetrics, registry, database.provided.pool.checkedout)
    requests = providers.Singleton(PrometheusRequests, registry)
    callback_keys = providers.Callable(Settings.parsed_callback_keys, settings)
    callbacks = providers.Singleton(CompletionCallbacks, settings.provided.callback_url, callback_keys, clock, metrics)
    recorder = providers.Singleton(
        RecordEvidence,
        changes,
        clock,
        settings.provided.finality,
        providers.Factory(ReconcilePolicy, grace=settings.provided.reconcile_grace),
        metrics,
        confirm_after=providers.Callable(_confirm_after, settings),
    )
    receiver = providers.Singleton(
        ReceiveCallback,
        units,
        changes,
        engine,
        clock,
        providers.Singleton(TemporalCallbackReader, client.provided.data_converter, client.provided.namespace),
        recorder,
        metrics,
    )
    operation_ids = providers.Singleton(RandomOperationIds)
    validator = providers.Singleton(JsonSchemaInputValidator)
    submit = providers.Singleton(SubmitOperations, units, clock, operation_ids, catalogue, validator)
    read = providers.Singleton(ReadOperations, queries)
    cancel = providers.Singleton(CancelOperation, changes, clock)
    delete = providers.Singleton(DeleteOperation, units)
    feed = providers.Singleton(PostgresChangeFeed, database, listener)
    hub = providers.Singleton(ChangeHub, feed, clock, metrics)
    wait = providers.Singleton(WaitForOperation, read, hub)
    stream = providers.Singleton(StreamEvents, read, feed, hub)
    dispatcher = providers.Singleton(
        DispatchOperations,
        units,
        changes,
        engine,
        clock,
        catalogue,
        callbacks,
        metrics,
        finality=settings.provided.finality,
    )
    follow_ups = providers.Singleton(FollowUpOperations, units, changes, engine, clock, recorder)
    verifier = providers.Singleton(VerifyOperations, units, engine, clock, recorder, settings.provided.verify_every)
    forgetter = providers.Singleton(ForgetKeys, units, clock)
    retainer = providers.Singleton(RetainOperations, units, clock, settings.provided.retention, metrics)
    inquiry = providers.Singleton(Inquiry, units, changes, engine, clock, recorder)
    reconciler = providers.Singleton(
        ReconcileOperations,
        units,
        engine,
        clock,
        inquiry,
        metrics,
        overlap=providers.Callable(_overlap, settings),
    )
    close_poll = providers.Singleton(PollCloses, units, engine, inquiry, settings.provided.close_poll)
    start_watch = providers.Singleton(WatchStarts, units, clock, catalogue, inquiry)
    reports = providers.Singleton(ReceiveReport, recorder, engine, metrics)
    activities = providers.Singleton(LedgerActivities, reports, reconciler, metrics, RECONCILE_ID)
    drift = providers.Singleton(ReadDrift, providers.Singleton(PostgresDriftQueries, database), clock)
    api_keys = providers.Singleton(PostgresApiKeys, database)
    key_uses = providers.Singleton(NoteKeyUses, api_keys)
    key_set = providers.Singleton(_key_set, settings)
    access = providers.Singleton(
        _access,
        settings,
        clock,
        keys=providers.Singleton(AuthenticateKeys, api_keys, clock, key_uses),
        key_set=key_set,
    )
    database_probe = providers.Singleton(SharedProbe, providers.Singleton(DatabaseProbe, database))
    migration_probe = providers.Singleton(SharedProbe, providers.Singleton(MigrationProbe, database))
    temporal_probe = providers.Singleton(SharedProbe, providers.Singleton(TemporalProbe, engine))
    stopping = providers.Singleton(GracefulShutdown)
    health = providers.Singleton(
        CheckHealth,
        required=providers.List(database_probe, migration_probe, stopping),
        optional=providers.List(temporal_probe),
    )
    waiting_room = providers.Singleton(
        WaitingRoom, settings.provided.max_waiters, each=settings.provided.max_waiters_each
    )
    metrics_page = providers.Singleton(MetricsPage, drift, metrics.provided.page)
    tickets = providers.Singleton(
        StreamTicketOffice,
        providers.Singleton(PostgresStreamTickets, database),
        clock,
        providers.Object(secrets.token_bytes),
        access,
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
        callback_keys=callback_keys,
        metrics=metrics,
        answered=requests.provided.answered,
        metrics_page=metrics_page,
    )


@dataclass(frozen=True)
class WorkerParts:
    """What the worker process runs."""

    connect: Callable[[], Awaitable[Client]]
    """To Temporal, or raise StartupError: a worker cannot run on the lazy client that everything else uses."""
    activities: Sequence[Callable[..., Any]]
    dispatcher: DispatchOperations
    follow_ups: FollowUpOperations
    verifier: VerifyOperations
    close_poll: PollCloses | None
    """None: it is off."""
    start_watch: WatchStarts
    forgetter: ForgetKeys
    retainer: RetainOperations | None
    """None: everything is kept."""
    metrics_page: MetricsPage
    prepare_temporal: Callable[[], Awaitable[None]]
    """Registers the search attribute and the schedule; may be repeated."""


@dataclass(frozen=True)
class HttpParts:
    """What the API process serves."""

    services: HttpServices
    page_token_key: bytes
    stopping: GracefulShutdown
    access: Access
    key_uses: NoteKeyUses
    end_waiting: Callable[[], None]
    """Answers every wait with what is, and ends every stream."""


@asynccontextmanager
async def wired(settings: Settings) -> AsyncIterator[Container]:
    """A container that is ready, and whose connections are closed at the end. Raises StartupError."""
    remote = _remote_codec(settings)
    converter = load_data_converter(settings.data_converter, remote)
    container = Container(
        settings=providers.Object(settings),
        catalogue=providers.Object(checked_catalogue(settings)),
        client=providers.Object(await connect(data_converter=converter)),
    )
    database: AsyncEngine = container.database()
    try:
        yield container
    finally:
        if remote is not None:
            await remote.close()
        await asyncio.gather(container.submit().close(), container.changes().close())
        await container.announcer().close()  # which says what they have committed last
        container.listener().close()
        await database.dispose()


@asynccontextmanager
async def worker(settings: Settings) -> AsyncIterator[WorkerParts]:
    """The worker's parts."""
    async with wired(settings) as container:
        yield WorkerParts(
            connect=partial(connect, lazy=False, data_converter=container.client().data_converter),
            activities=container.activities().all(),
            dispatcher=container.dispatcher(),
            follow_ups=container.follow_ups(),
            verifier=container.verifier(),
            close_poll=None if settings.close_poll is None else container.close_poll(),
            start_watch=container.start_watch(),
            forgetter=container.forgetter(),
            retainer=None if settings.retention is None else container.retainer(),
            metrics_page=container.metrics_page(),
            prepare_temporal=partial(_prepare_temporal, container.client(), settings),
        )


@asynccontextmanager
async def http(settings: Settings) -> AsyncIterator[HttpParts]:
    """The API's parts. Raises StartupError: a key set that is a file, and cannot be used."""
    async with wired(settings) as container:
        await _check_key_file(settings, container.key_set())
        key = settings.page_token_key.encode() if settings.page_token_key else secrets.token_bytes(32)
        hub = container.hub()
        try:
            yield HttpParts(
                container.http_services(),
                key,
                container.stopping(),
                container.access(),
                container.key_uses(),
                hub.close,
            )
        finally:
            hub.close()


@asynccontextmanager
async def keys(database_url: str) -> AsyncIterator[ManageKeys]:
    """Who manages API keys. Raises StartupError: the database is not at this version's schema."""
    database = create_engine(database_url)
    try:
        await MigrationProbe(database).check()
        yield ManageKeys(PostgresApiKeys(database), SystemClock(), secrets.token_bytes)
    finally:
        await database.dispose()


async def _check_key_file(settings: Settings, key_set: KeySet | None) -> None:
    """A file is there from the start, or it is not the right one; a URL may be away for a while."""
    if key_set is not None and not str(settings.jwt_jwks).startswith(("http://", "https://")):
        try:
            await key_set.check()
        except IdentityProviderUnavailable as error:
            raise StartupError(f"jwt_jwks: {error}") from None


def checked_catalogue(settings: Settings) -> OperationCatalogue:
    """The declared types, with schemas that are schemas. Raises StartupError."""
    catalogue = load_catalogue(find_operations_file(settings.operations))
    for declared in catalogue:
        check_schema(declared)
    return catalogue


async def _prepare_temporal(client: Client, settings: Settings) -> None:
    await ensure_search_attribute(client)
    wanted = ReconciliationSchedule(RECONCILE_WORKFLOW, LEDGER_TASK_QUEUE, settings.reconcile_every)
    await ensure_schedule(client, wanted)


async def migrate(database_url: str) -> str:
    """Bring the database to this version's schema; say what was done. Raises StartupError, DatabaseUnavailable."""
    done = await migrate_database(database_url)
    if done.before == done.after:
        return f"the database is at {done.after} already"
    return f"the database went from {done.before or 'empty'} to {done.after}"


async def grant_to(database_url: str, role: str) -> str:
    """Let the role do what the service needs, and no more; say so. Raises StartupError, DatabaseUnavailable,
    DatabaseRefused."""
    await grant_privileges(database_url, role)
    return f"the role {role} may do what the API and the workers need, and no more"


async def register_search_attribute() -> None:
    """On the Temporal of the environment. Raises StartupError, EngineUnavailable."""
    await ensure_search_attribute(await connect())


@asynccontextmanager
async def checks(settings: Settings) -> AsyncIterator[dict[str, Callable[[], Awaitable[str | None]]]]:
    """What can be looked at from here, by name; each raises OpledgerError about what is not well, and may return words
    about what is."""
    async with wired(settings) as container:
        notifications = NotificationProbe(container.connect_database(), container.connect_directly())
        probes: list[Probe] = [
            container.database_probe(),
            container.migration_probe(),
            notifications,
            container.temporal_probe(),
        ]
        yield {
            **{probe.name: probe.check for probe in probes},
            "search attribute": partial(check_search_attribute, container.client()),
            "schedule": partial(check_schedule, container.client()),
            "payload codec": partial(check_payload_codec, container.client()),
            "access": partial(check_access, settings, container.api_keys(), container.key_set(), container.clock()),
            "callbacks": partial(check_callbacks, container.callbacks(), container.engine().check_callback),
            "divergences": partial(check_divergences, container.drift()),
            "reconciliation": partial(check_reconciliation, container.drift(), settings.reconcile_every),
        }
