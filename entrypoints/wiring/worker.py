"""What the worker process runs."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

from dependency_injector import containers, providers
from temporalio.client import Client

from adapters.temporal.connection.connection import connect
from adapters.temporal.connection.schedule import WORKFLOW_ID as RECONCILE_ID
from adapters.temporal.connection.schedule import ReconciliationSchedule, ensure_schedule
from adapters.temporal.connection.search_attribute import ensure_search_attribute
from application.converge.close_poll import PollCloses
from application.converge.follow_up import FollowUpOperations
from application.converge.inquiry import Inquiry
from application.converge.reconcile import OVERLAP, ReconcileOperations
from application.converge.start_watch import WatchStarts
from application.converge.verify import VerifyOperations
from application.dispatch.dispatch import DispatchOperations
from application.operate.purge_idempotency_keys import ForgetKeys
from application.operate.purge_operations import RetainOperations
from application.track.receive_report import ReceiveReport
from domain.operation.operation_type import OperationCatalogue
from entrypoints.scrape import MetricsPage
from entrypoints.settings.settings import Settings
from entrypoints.wiring.production import production
from entrypoints.worker.activities import LedgerActivities
from entrypoints.worker.reconcile_operations import RECONCILE_WORKFLOW
from opledger.wire import LEDGER_TASK_QUEUE


def _overlap(settings: Settings) -> timedelta:
    """A pass returns to everything that was within its grace period in the previous one."""
    return max(OVERLAP, settings.reconcile_grace + timedelta(seconds=30))


class WorkerServices(containers.DeclarativeContainer):
    """The services behind the worker's loops and activities, on any adapters."""

    settings = providers.Dependency(instance_of=Settings)
    catalogue = providers.Dependency(instance_of=OperationCatalogue)
    adapters = providers.DependenciesContainer()
    temporal = providers.DependenciesContainer()
    services = providers.DependenciesContainer()

    dispatcher = providers.Singleton(
        DispatchOperations,
        adapters.units,
        services.changes,
        temporal.engine,
        adapters.clock,
        catalogue,
        services.callbacks,
        adapters.metrics,
        finality=settings.provided.finality,
    )
    follow_ups = providers.Singleton(
        FollowUpOperations, adapters.units, services.changes, temporal.engine, adapters.clock, services.recorder
    )
    verifier = providers.Singleton(
        VerifyOperations,
        adapters.units,
        temporal.engine,
        adapters.clock,
        services.recorder,
        settings.provided.verify_every,
    )
    forgetter = providers.Singleton(ForgetKeys, adapters.units, adapters.clock)
    retainer = providers.Singleton(
        RetainOperations, adapters.units, adapters.clock, settings.provided.retention, adapters.metrics
    )
    inquiry = providers.Singleton(
        Inquiry, adapters.units, services.changes, temporal.engine, adapters.clock, services.recorder
    )
    reconciler = providers.Singleton(
        ReconcileOperations,
        adapters.units,
        temporal.engine,
        adapters.clock,
        inquiry,
        adapters.metrics,
        overlap=providers.Callable(_overlap, settings),
    )
    close_poll = providers.Singleton(PollCloses, adapters.units, temporal.engine, inquiry, settings.provided.close_poll)
    start_watch = providers.Singleton(WatchStarts, adapters.units, adapters.clock, catalogue, inquiry)
    reports = providers.Singleton(ReceiveReport, services.recorder, temporal.engine, adapters.metrics)
    activities = providers.Singleton(LedgerActivities, reports, reconciler, adapters.metrics, RECONCILE_ID)


@dataclass(frozen=True)
class WorkerParts:
    """The parts of the worker process."""

    connect: Callable[[], Awaitable[Client]]
    """Connects to Temporal or raises StartupError: a Temporal worker cannot use the lazy client of the services."""
    activities: Sequence[Callable[..., Any]]
    dispatcher: DispatchOperations
    follow_ups: FollowUpOperations
    verifier: VerifyOperations
    close_poll: PollCloses | None
    """None: the close poll is off."""
    start_watch: WatchStarts
    forgetter: ForgetKeys
    retainer: RetainOperations | None
    """None: operations are kept for ever."""
    metrics_page: MetricsPage
    prepare_temporal: Callable[[], Awaitable[None]]
    """Registers the search attribute and the schedule. Idempotent."""


@asynccontextmanager
async def wired(settings: Settings) -> AsyncIterator[WorkerServices]:
    """Yields the services on the adapters of production. At the end, commits what is under way and closes all
    connections. Raises StartupError."""
    async with production(settings) as parts:
        container = WorkerServices(**parts)
        try:
            yield container
        finally:
            await container.services.changes().close()


@asynccontextmanager
async def worker(settings: Settings) -> AsyncIterator[WorkerParts]:
    """Yields the parts of the worker. Raises StartupError."""
    async with wired(settings) as container:
        client: Client = container.temporal.client()
        yield WorkerParts(
            connect=partial(connect, lazy=False, data_converter=client.data_converter),
            activities=container.activities().all(),
            dispatcher=container.dispatcher(),
            follow_ups=container.follow_ups(),
            verifier=container.verifier(),
            close_poll=None if settings.close_poll is None else container.close_poll(),
            start_watch=container.start_watch(),
            forgetter=container.forgetter(),
            retainer=None if settings.retention is None else container.retainer(),
            metrics_page=container.services.metrics_page(),
            prepare_temporal=partial(_prepare_temporal, client, settings),
        )


async def _prepare_temporal(client: Client, settings: Settings) -> None:
    await ensure_search_attribute(client)
    await ensure_schedule(
        client, ReconciliationSchedule(RECONCILE_WORKFLOW, LEDGER_TASK_QUEUE, settings.reconcile_every)
    )
