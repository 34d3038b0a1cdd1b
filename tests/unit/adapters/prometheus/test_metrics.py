"""The metrics: what is counted, and the page that Prometheus scrapes."""

import asyncio
from datetime import timedelta

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from adapters.memory.metrics import MemoryMetrics
from adapters.prometheus.metrics import PrometheusMetrics
from adapters.prometheus.requests import PrometheusRequests
from application.operate.drift import ReadDrift
from application.ports.monitoring.drift_report import DriftReport
from application.ports.monitoring.metrics import CallbackOutcome, Metrics, ReportOutcome
from application.ports.storage.unit_of_work import DatabaseUnavailable
from domain.operation.attention import AttentionKind
from domain.operation.status import OperationStatus
from domain.operation.transition import Source
from entrypoints import scrape
from entrypoints.scrape import MetricsPage

NOTHING = DriftReport(None, {})


def samples(page: bytes) -> dict[tuple[str, ...], float]:
    """Returns the samples by name and label values."""
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(page.decode())
        for sample in family.samples
    }


def count(metrics: Metrics) -> None:
    """Counts something of everything."""
    metrics.dispatched(timedelta(milliseconds=20))
    metrics.moved(Source.CALLBACK, OperationStatus.FAILED)
    metrics.moved(Source.CALLBACK, OperationStatus.FAILED)
    metrics.closed(Source.CALLBACK, timedelta(milliseconds=20))
    metrics.raised(AttentionKind.DIVERGED)
    metrics.callback(CallbackOutcome.APPLIED)
    metrics.callbacks_refused(True)
    metrics.reported(ReportOutcome.FOREIGN)
    metrics.caller_rejected("reconcile_pass")
    metrics.watermark_repaired()


def test_every_metric_is_on_the_page() -> None:
    """Names and labels are those that dashboards use."""
    metrics = PrometheusMetrics(CollectorRegistry(), lambda: 3)
    count(metrics)
    found = samples(metrics.page(DriftReport(timedelta(seconds=90), {AttentionKind.STALLED: 3}, timedelta(seconds=70))))
    wanted = {
        ("opledger_operations_moved_total", "CALLBACK", "FAILED"): 2,
        ("opledger_callbacks_total", "applied"): 1,
        ("opledger_callbacks_total", "unauthorized"): 0,
        ("opledger_attention_raised_total", "DIVERGED"): 1,
        ("opledger_attention_raised_total", "STALLED"): 0,
        ("opledger_close_lag_seconds_bucket", "0.01", "CALLBACK"): 0,
        ("opledger_close_lag_seconds_bucket", "0.025", "CALLBACK"): 1,
        ("opledger_close_lag_seconds_bucket", "3600.0", "CALLBACK"): 1,
        ("opledger_close_lag_seconds_count", "CALLBACK"): 1,
        ("opledger_callbacks_refused",): 1,
        ("opledger_reports_total", "foreign"): 1,
        ("opledger_reports_total", "unknown_operation"): 0,
        ("opledger_callers_rejected_total", "reconcile_pass"): 1,
        ("opledger_watermark_repairs_total",): 1,
        ("opledger_watermark_age_seconds",): 70,
        ("opledger_dispatch_lag_seconds_bucket", "0.025"): 1,
        ("opledger_dispatch_lag_seconds_count",): 1,
        ("opledger_database_connections",): 3,
        ("opledger_oldest_unverified_seconds",): 90,
        ("opledger_operations_attention", "STALLED"): 3,
        ("opledger_operations_attention", "DIVERGED"): 0,
        ("opledger_operations_attention", "DISPATCH_RETRYING"): 0,
    }
    assert wanted.items() <= found.items()
    assert not any("_created" in name for name, *_ in found)


def test_without_open_operations_ages_are_zero() -> None:
    """0 rather than a gap. Gauges decrease."""
    metrics = PrometheusMetrics(CollectorRegistry(), lambda: 3)
    metrics.callbacks_refused(True)
    metrics.callbacks_refused(False)
    found = samples(metrics.page(NOTHING))
    assert found["opledger_oldest_unverified_seconds",] == 0
    assert found["opledger_callbacks_refused",] == 0


def test_registries_do_not_share_counters() -> None:
    """Two in one process neither clash nor mix."""
    count(PrometheusMetrics(CollectorRegistry(), lambda: 3))
    other = samples(PrometheusMetrics(CollectorRegistry(), lambda: 3).page(None))
    assert other["opledger_callbacks_total", "applied"] == 0
    assert not any(name == "opledger_operations_moved_total" for name, *_ in other)


def test_metrics_in_memory_keep_everything() -> None:
    """For tests to read."""
    metrics = MemoryMetrics()
    count(metrics)
    assert metrics.moves == {(Source.CALLBACK, OperationStatus.FAILED): 2}
    assert metrics.lags == [(Source.CALLBACK, timedelta(milliseconds=20))]
    assert metrics.attention == {AttentionKind.DIVERGED: 1}
    assert metrics.callbacks == {CallbackOutcome.APPLIED: 1}
    assert metrics.refused


class Drift(ReadDrift):
    """Drift queries with a given answer. An error is raised; None never answers."""

    def __init__(self, found: DriftReport | Exception | None) -> None:
        self._found = found
        self.reads = 0

    async def read(self) -> DriftReport:
        self.reads += 1
        if self._found is None:
            await asyncio.Event().wait()
        if isinstance(self._found, DriftReport):
            return self._found
        raise self._found or AssertionError


@pytest.mark.parametrize("away", [DatabaseUnavailable(), RuntimeError("a surprise"), None])
async def test_counters_do_not_need_the_database(
    away: Exception | None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Without the database, only the drift is missing from the page."""
    monkeypatch.setattr(scrape, "DRIFT_TIMEOUT", 0.05)
    found = samples(await MetricsPage(Drift(away), PrometheusMetrics(CollectorRegistry(), lambda: 3).page).read())
    assert found["opledger_callbacks_total", "applied"] == 0
    assert not any(name.startswith(("opledger_oldest", "opledger_operations_attention")) for name, *_ in found)
    assert "lack the drift" in caplog.text


async def test_concurrent_scrapes_share_one_read_of_the_drift() -> None:
    """The counters are current."""
    metrics, drift = PrometheusMetrics(CollectorRegistry(), lambda: 3), Drift(NOTHING)
    page = MetricsPage(drift, metrics.page)
    await asyncio.gather(*(page.read() for _ in range(20)))
    metrics.callbacks_refused(True)
    assert samples(await page.read())["opledger_callbacks_refused",] == 1
    assert drift.reads == 1


def test_requests_are_counted_by_route() -> None:
    """A method or path that a client invents does not create a series."""
    registry = CollectorRegistry()
    requests = PrometheusRequests(registry)
    requests.answered("GET", "/v1/operations", 200, 0.004)
    requests.answered("BREW", "-", 405, 0.001)
    found = samples(generate_latest(registry))
    name = "opledger_http_request_duration_seconds"
    assert found[f"{name}_bucket", "0.0025", "GET", "/v1/operations", "200"] == 0
    assert found[f"{name}_bucket", "0.005", "GET", "/v1/operations", "200"] == 1
    assert found[f"{name}_count", "other", "-", "405"] == 1
