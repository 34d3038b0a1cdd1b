"""The metrics port with prometheus-client, and the page that Prometheus scrapes."""

from collections.abc import Callable, Iterable
from datetime import timedelta
from functools import partial

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from application.ports.monitoring.drift_report import DriftReport
from application.ports.monitoring.metrics import AdoptionWay, CallbackOutcome, ReportOutcome
from domain.operation.attention import AttentionKind
from domain.operation.status import OperationStatus
from domain.operation.transition import Source

LAG_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600)
"""Seconds. A callback takes milliseconds, reconciliation a minute, verification an hour."""


class PrometheusMetrics:
    """Counters of one process. Series with known labels start at 0, because `rate` ignores the first value of a new
    series. `connections` returns the number of database connections in use."""

    def __init__(self, registry: CollectorRegistry, connections: Callable[[], float]) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._registry = registry
        counter, gauge = partial(Counter, registry=registry), partial(Gauge, registry=registry)
        lag = partial(Histogram, buckets=LAG_BUCKETS, registry=registry)
        self._moved = counter("opledger_operations_moved", "Changes of status, by source", ["source", "status"])
        self._callbacks = counter("opledger_callbacks", "Completion callbacks, by outcome", ["outcome"])
        self._reports = counter("opledger_reports", "Workflow reports, by outcome", ["outcome"])
        self._rejected = counter(
            "opledger_callers_rejected",
            "Calls of the ledger's own activities by other workflows, rejected",
            ["activity"],
        )
        self._repairs = counter("opledger_watermark_repairs", "Repairs of a reconciliation watermark in the future")
        self._raised = counter("opledger_attention_raised", "Attentions raised, by kind", ["kind"])
        self._purged = counter("opledger_operations_purged", "Operations deleted by retention")
        self._exported = counter("opledger_operations_exported", "Operations exported before their deletion")
        self._export_failures = counter(
            "opledger_export_failures", "Exports that failed, so that retention deleted nothing"
        )
        self._resyncs = counter("opledger_feed_resyncs", "Streams that ended because the client read too slowly")
        self._lag = lag(
            "opledger_close_lag_seconds", "Seconds from the close of an execution to the final status", ["source"]
        )
        self._dispatch_lag = lag(
            "opledger_dispatch_lag_seconds", "Seconds from acceptance until Temporal accepted the start"
        )
        self._adoption_lag = lag(
            "opledger_adoption_lag_seconds", "Seconds from the start of an execution to its adoption", ["way"]
        )
        self._strays = counter("opledger_stray_starts", "Executions started by accident while attaching a callback")
        self._refused_rules = counter(
            "opledger_watch_rules_refused", "Times that Temporal refused the query of a watch rule", ["type"]
        )
        self._feed_lag = lag(
            "opledger_feed_lag_seconds", "Seconds from a change until its delivery to waiters and streams"
        )
        gauge("opledger_database_connections", "Database connections in use").set_function(connections)
        self._refused = gauge("opledger_callbacks_refused", "1 while Temporal refuses starts with completion callbacks")
        self._waiters = gauge("opledger_feed_waiters", "Open waits and streams")
        self._held_back = gauge(
            "opledger_feed_held_back_seconds",
            "Seconds for which an open transaction has delayed the change feed",
        )
        for outcome in CallbackOutcome:
            self._callbacks.labels(outcome.value)
        for answer in ReportOutcome:
            self._reports.labels(answer.value)
        for way in AdoptionWay:
            self._adoption_lag.labels(way.value)
        for kind in AttentionKind:
            self._raised.labels(kind.value)

    def dispatched(self, lag: timedelta) -> None:
        self._dispatch_lag.observe(lag.total_seconds())

    def moved(self, source: Source, status: OperationStatus) -> None:
        self._moved.labels(source.value, status.value).inc()

    def closed(self, source: Source, lag: timedelta) -> None:
        self._lag.labels(source.value).observe(lag.total_seconds())

    def raised(self, kind: AttentionKind) -> None:
        self._raised.labels(kind.value).inc()

    def callback(self, outcome: CallbackOutcome) -> None:
        self._callbacks.labels(outcome.value).inc()

    def reported(self, outcome: ReportOutcome) -> None:
        self._reports.labels(outcome.value).inc()

    def caller_rejected(self, activity: str) -> None:
        self._rejected.labels(activity).inc()

    def watermark_repaired(self) -> None:
        self._repairs.inc()

    def callbacks_refused(self, refused: bool) -> None:
        self._refused.set(refused)

    def adopted(self, way: AdoptionWay, lag: timedelta) -> None:
        self._adoption_lag.labels(way.value).observe(lag.total_seconds())

    def stray_start(self) -> None:
        self._strays.inc()

    def rule_refused(self, type_name: str) -> None:
        self._refused_rules.labels(type_name).inc()

    def waiting(self, count: int) -> None:
        self._waiters.set(count)

    def notified(self, lag: timedelta) -> None:
        self._feed_lag.observe(max(0.0, lag.total_seconds()))

    def resynced(self) -> None:
        self._resyncs.inc()

    def feed_held_back(self, seconds: float) -> None:
        self._held_back.set(seconds)

    def purged(self, count: int) -> None:
        self._purged.inc(count)

    def exported(self, count: int) -> None:
        self._exported.inc(count)

    def export_failed(self) -> None:
        self._export_failures.inc()

    def page(self, drift: DriftReport | None) -> bytes:
        """Returns all metrics in Prometheus' text format (version 0.0.4). None: the drift could not be read."""
        counted = generate_latest(self._registry)
        if drift is None:
            return counted
        registry = CollectorRegistry()
        registry.register(_DriftCollector(drift))
        return counted + generate_latest(registry)


class _DriftCollector(Collector):
    """The gauges of one scrape. They are not kept, so that none is stale."""

    def __init__(self, drift: DriftReport) -> None:
        self._drift = drift

    def collect(self) -> Iterable[Metric]:
        oldest = self._drift.oldest_unverified or timedelta()
        yield GaugeMetricFamily(
            "opledger_oldest_unverified_seconds",
            "Seconds since Temporal last confirmed the unfinished operation that has waited longest",
            oldest.total_seconds(),
        )
        if self._drift.watermark_age is not None:
            yield GaugeMetricFamily(
                "opledger_watermark_age_seconds",
                "Seconds since the last complete reconciliation pass began; negative: the watermark is in the future",
                self._drift.watermark_age.total_seconds(),
            )
        attention = GaugeMetricFamily(
            "opledger_operations_attention", "Operations that need attention now", labels=["kind"]
        )
        for kind in AttentionKind:
            attention.add_metric([kind.value], self._drift.attention.get(kind, 0))
        yield attention
