"""Container of the worker process."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from dependency_injector import containers, providers
from temporalio.client import Client
from temporalio.converter import DataConverter

from adapters.system.export.command import CommandExport
from adapters.system.export.file import FileExport
from adapters.temporal.connection.connection import connect
from adapters.temporal.connection.raw_client import RawClient
from adapters.temporal.connection.schedule import WORKFLOW_ID as RECONCILE_ID
from adapters.temporal.connection.schedule import ReconciliationSchedule, ensure_schedule
from adapters.temporal.connection.search_attribute import ensure_search_attribute
from application.adopt.watch_rules import WatchRules
from application.bulk.pace import BulkPace
from application.bulk.perform import PerformBulkActions
from application.bulk.verbs import BulkVerbs
from application.control.acknowledge import AcknowledgeOperation
from application.control.cancel import CancelOperation
from application.control.cancel_children import CancelChildren
from application.converge.close_poll import PollCloses
from application.converge.follow_up import FollowUpOperations
from application.converge.inquiry import Inquiry
from application.converge.reconcile import OVERLAP, ReconcileOperations
from application.converge.start_watch import WatchStarts
from application.converge.verify import VerifyOperations
from application.converge.watched import WatchedWorkflows
from application.dispatch.check_submitted import CheckSubmitted
from application.dispatch.dispatch import DispatchOperations
from application.operate.export_operations import ExportOperations
from application.operate.fold_counts import FoldCounts
from application.operate.purge_bulk_actions import ForgetDryRuns
from application.operate.purge_idempotency_keys import ForgetKeys
from application.operate.purge_operations import RetainOperations
from application.operate.worker_presence import NotePresence
from application.ports.export import ExportDestination
from application.ports.storage.unit_of_work import UnitOfWorkFactory
from application.submit.retry import RetryOperation
from application.submit.submission_rules import SubmissionRules
from application.submit.submit import SubmitOperations
from application.track.receive_report import ReceiveReport
from domain.operation.operation_type import OperationCatalogue
from domain.retention import Retention
from entrypoints.own_types import with_own_types
from entrypoints.own_workflow import RECONCILE_WORKFLOW
from entrypoints.response_bodies import exported_line
from entrypoints.scrape import MetricsPage
from entrypoints.settings.export import export_arguments
from entrypoints.settings.settings import Settings
from entrypoints.wiring.adoption import adopter, reported_adopter
from entrypoints.wiring.production import production
from entrypoints.worker.activities import LedgerActivities
from opledger.wire import LEDGER_TASK_QUEUE


def _overlap(settings: Settings) -> timedelta:
    """A pass returns to everything that was within its grace period in the previous one."""
    return max(OVERLAP, settings.reconcile_grace + timedelta(seconds=30))


def _exporter(settings: Settings, units: UnitOfWorkFactory) -> ExportOperations | None:
    """None: what retention deletes is not exported."""
    destination: ExportDestination
    if settings.export_file is not None:
        destination = FileExport(Path(settings.export_file))
    elif arguments := export_arguments(settings):
        destination = CommandExport(arguments)
    else:
        return None
    return ExportOperations(units, destination, exported_line)


class WorkerServices(containers.DeclarativeContainer):
    """The services behind the worker's loops and activities, on any adapters."""

    settings = providers.Dependency(instance_of=Settings)
    catalogue = providers.Dependency(instance_of=OperationCatalogue)
    adapters = providers.DependenciesContainer()
    temporal = providers.DependenciesContainer()
    services = providers.DependenciesContainer()

    started_types = providers.Singleton(with_own_types, catalogue)
    rules = providers.Singleton(SubmissionRules, catalogue, adapters.validator)
    check_submitted = providers.Singleton(CheckSubmitted, adapters.units, services.changes, adapters.clock, rules)
    dispatcher = providers.Singleton(
        DispatchOperations,
        adapters.units,
        services.changes,
        temporal.engine,
        adapters.clock,
        started_types,
        services.callbacks,
        adapters.metrics,
        settings.provided.finality,
        check_submitted,
    )
    adopter = adopter(adapters, temporal, services, catalogue)
    follow_ups = providers.Singleton(
        FollowUpOperations,
        adapters.units,
        services.changes,
        temporal.engine,
        adapters.clock,
        services.recorder,
        adopter,
    )
    cancel_children = providers.Singleton(CancelChildren, adapters.units, services.changes, adapters.clock)
    verifier = providers.Singleton(
        VerifyOperations,
        adapters.units,
        temporal.engine,
        adapters.clock,
        services.recorder,
        settings.provided.verify_every,
    )
    forgetter = providers.Singleton(ForgetKeys, adapters.units, adapters.clock)
    dry_runs = providers.Singleton(ForgetDryRuns, adapters.units, adapters.clock)
    presence = providers.Singleton(NotePresence, adapters.units)
    folder = providers.Singleton(FoldCounts, adapters.units, adapters.clock)
    retention = providers.Singleton(Retention.of, settings.provided.retention, catalogue)
    exporter = providers.Singleton(_exporter, settings, adapters.units)
    retainer = providers.Singleton(
        RetainOperations, adapters.units, adapters.clock, retention, adapters.metrics, exporter
    )
    inquiry = providers.Singleton(
        Inquiry, adapters.units, services.changes, temporal.engine, adapters.clock, services.recorder
    )
    watched = providers.Singleton(WatchedWorkflows, catalogue)
    reconciler = providers.Singleton(
        ReconcileOperations,
        adapters.units,
        temporal.engine,
        adapters.clock,
        inquiry,
        adapters.metrics,
        providers.Callable(_overlap, settings),
        watched,
    )
    close_poll = providers.Singleton(
        PollCloses, adapters.units, temporal.engine, inquiry, settings.provided.close_poll, watched
    )
    watch_rules = providers.Singleton(
        WatchRules,
        adapters.units,
        temporal.engine,
        adapters.clock,
        catalogue,
        adopter,
        adapters.metrics,
        settings.provided.watch_every,
    )
    start_watch = providers.Singleton(WatchStarts, adapters.units, adapters.clock, started_types, inquiry)
    reported = reported_adopter(adapters, temporal, catalogue, adopter)
    reports = providers.Singleton(ReceiveReport, services.recorder, temporal.engine, adapters.metrics, reported)
    submit = providers.Singleton(
        SubmitOperations, adapters.units, adapters.clock, adapters.operation_ids, catalogue, adapters.validator
    )
    verbs = providers.Singleton(
        BulkVerbs,
        providers.Singleton(CancelOperation, services.changes, adapters.clock),
        providers.Singleton(RetryOperation, adapters.units, submit),
        providers.Singleton(AcknowledgeOperation, services.changes, adapters.clock),
    )
    bulk = providers.Singleton(
        PerformBulkActions, adapters.units, verbs.provided.acts, pace=providers.Singleton(BulkPace, adapters.clock)
    )
    activities = providers.Singleton(LedgerActivities, reports, reconciler, bulk, adapters.metrics, RECONCILE_ID)


@dataclass(frozen=True)
class WorkerParts:
    """The parts of the worker process."""

    connect: Callable[[], Awaitable[Client]]
    """Connects to Temporal or raises StartupError: a Temporal worker cannot use the lazy client of the services."""
    activities: Sequence[Callable[..., Any]]
    dispatcher: DispatchOperations
    follow_ups: FollowUpOperations
    cancel_children: CancelChildren
    verifier: VerifyOperations
    close_poll: PollCloses | None
    """None: the close poll is off."""
    start_watch: WatchStarts
    watch_rules: WatchRules
    forgetter: ForgetKeys
    dry_runs: ForgetDryRuns
    folder: FoldCounts
    presence: NotePresence
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
            await asyncio.gather(container.submit().close(), container.services.changes().close())


@asynccontextmanager
async def worker(settings: Settings) -> AsyncIterator[WorkerParts]:
    """Yields the parts of the worker. Raises StartupError."""
    async with wired(settings) as container:
        client: RawClient = container.temporal.client()
        yield WorkerParts(
            connect=partial(_connected, client.data_converter),
            activities=container.activities().all(),
            dispatcher=container.dispatcher(),
            follow_ups=container.follow_ups(),
            cancel_children=container.cancel_children(),
            verifier=container.verifier(),
            close_poll=None if settings.close_poll is None else container.close_poll(),
            start_watch=container.start_watch(),
            watch_rules=container.watch_rules(),
            forgetter=container.forgetter(),
            dry_runs=container.dry_runs(),
            folder=container.folder(),
            presence=container.presence(),
            retainer=container.retainer() if container.retention().deletes else None,
            metrics_page=container.services.metrics_page(),
            prepare_temporal=partial(_prepare_temporal, client, settings),
        )


async def _connected(converter: DataConverter) -> Client:
    """Raises StartupError."""
    connected = await connect(lazy=False, data_converter=converter)
    return Client(connected.service_client, namespace=connected.namespace, data_converter=converter)


async def _prepare_temporal(client: RawClient, settings: Settings) -> None:
    await ensure_search_attribute(client)
    await ensure_schedule(
        client, ReconciliationSchedule(RECONCILE_WORKFLOW, LEDGER_TASK_QUEUE, settings.reconcile_every)
    )
