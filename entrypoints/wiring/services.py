"""The services that the API and the worker have in common."""

from datetime import timedelta
from typing import Any

from dependency_injector import containers, providers

from application.batching.group_commit import GroupCommit
from application.dispatch.completion_callbacks import CompletionCallbacks
from application.operate.drift import ReadDrift
from application.track.record import RecordEvidence
from domain.evidence.finality import Finality
from domain.evidence.reconciliation import ReconcilePolicy
from domain.evidence.reporting import CONFIRM_AFTER, CONFIRM_AFTER_CALLBACK
from domain.operation.operation_type import OperationCatalogue
from entrypoints.scrape import MetricsPage
from entrypoints.settings.settings import Settings


def _confirm_after(settings: Settings) -> timedelta:
    """Longer where Temporal calls back: then a query is only needed for a lost callback."""
    return CONFIRM_AFTER if settings.callback_url is None else CONFIRM_AFTER_CALLBACK


def _policy(settings: Settings) -> ReconcilePolicy:
    """An execution may be open after the end of its operation only where a report is that end."""
    grace = settings.reconcile_grace
    final_reports = settings.finality is Finality.WORKFLOW
    return ReconcilePolicy(grace=grace, report_grace=grace if final_reports else timedelta())


class Services(containers.DeclarativeContainer):
    """The shared services, on the adapters of production or in memory."""

    settings = providers.Dependency(instance_of=Settings)
    adapters = providers.DependenciesContainer()

    changes = providers.Singleton(GroupCommit, adapters.units)
    callback_keys = providers.Callable(Settings.parsed_callback_keys, settings)
    callbacks = providers.Singleton(
        CompletionCallbacks, settings.provided.callback_url, callback_keys, adapters.clock, adapters.metrics
    )
    recorder = providers.Singleton(
        RecordEvidence,
        changes,
        adapters.clock,
        settings.provided.finality,
        providers.Callable(_policy, settings),
        adapters.metrics,
        providers.Callable(_confirm_after, settings),
    )
    drift = providers.Singleton(ReadDrift, adapters.drift_queries, adapters.clock)
    metrics_page = providers.Singleton(MetricsPage, drift, adapters.render_metrics)


def joined(
    settings: Settings, catalogue: OperationCatalogue, adapters: containers.Container, temporal: containers.Container
) -> dict[str, Any]:
    """Returns the arguments of the containers of the API and the worker: both run on these adapters and share the
    services."""
    given = providers.Object(settings)
    return {
        "settings": given,
        "catalogue": providers.Object(catalogue),
        "adapters": adapters,
        "temporal": temporal,
        "services": Services(settings=given, adapters=adapters),
    }
