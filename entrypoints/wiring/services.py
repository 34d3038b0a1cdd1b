"""The services that the API and the worker have in common."""

from datetime import timedelta

from dependency_injector import containers, providers

from application.batching.group_commit import GroupCommit
from application.dispatch.completion_callbacks import CompletionCallbacks
from application.operate.drift import ReadDrift
from application.track.record import RecordEvidence
from domain.evidence.reconciliation import ReconcilePolicy
from domain.evidence.reporting import CONFIRM_AFTER, CONFIRM_AFTER_CALLBACK
from entrypoints.scrape import MetricsPage
from entrypoints.settings.settings import Settings


def _confirm_after(settings: Settings) -> timedelta:
    """Longer where Temporal calls back: then a query is only needed for a lost callback."""
    return CONFIRM_AFTER if settings.callback_url is None else CONFIRM_AFTER_CALLBACK


class Services(containers.DeclarativeContainer):
    """On any adapters: those of production or those in memory."""

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
        providers.Factory(ReconcilePolicy, grace=settings.provided.reconcile_grace),
        adapters.metrics,
        confirm_after=providers.Callable(_confirm_after, settings),
    )
    drift = providers.Singleton(ReadDrift, adapters.drift_queries, adapters.clock)
    metrics_page = providers.Singleton(MetricsPage, drift, adapters.render_metrics)
