"""Metrics in memory, for tests to read."""

from collections import Counter
from datetime import timedelta

from application.ports.monitoring.metrics import AdoptionWay, CallbackOutcome, ReportOutcome
from domain.operation.attention import AttentionKind
from domain.operation.status import OperationStatus
from domain.operation.transition import Source


class MemoryMetrics:
    """Counters, and a list of every lag."""

    def __init__(self) -> None:
        self.moves: Counter[tuple[Source, OperationStatus]] = Counter()
        self.dispatch_lags: list[timedelta] = []
        self.lags: list[tuple[Source, timedelta]] = []
        self.attention: Counter[AttentionKind] = Counter()
        self.callbacks: Counter[CallbackOutcome] = Counter()
        self.reports: Counter[ReportOutcome] = Counter()
        self.rejected: Counter[str] = Counter()
        """Rejected callers, by activity."""
        self.repairs = 0
        """Repairs of the watermark."""
        self.refused = False
        """Whether the engine refuses callbacks, by the last call."""
        self.adoptions: list[tuple[AdoptionWay, timedelta]] = []
        self.strays = 0
        """Executions that were started by accident."""
        self.refused_rules: Counter[str] = Counter()
        """By operation type."""
        self.waiters = 0
        self.notification_lags: list[timedelta] = []
        self.resyncs = 0
        self.held_back = 0.0
        """Seconds."""
        self.purges = 0
        self.exports = 0
        """Exported operations."""
        self.failed_exports = 0

    def dispatched(self, lag: timedelta) -> None:
        self.dispatch_lags.append(lag)

    def moved(self, source: Source, status: OperationStatus) -> None:
        self.moves[source, status] += 1

    def closed(self, source: Source, lag: timedelta) -> None:
        self.lags.append((source, lag))

    def raised(self, kind: AttentionKind) -> None:
        self.attention[kind] += 1

    def callback(self, outcome: CallbackOutcome) -> None:
        self.callbacks[outcome] += 1

    def reported(self, outcome: ReportOutcome) -> None:
        self.reports[outcome] += 1

    def caller_rejected(self, activity: str) -> None:
        self.rejected[activity] += 1

    def watermark_repaired(self) -> None:
        self.repairs += 1

    def callbacks_refused(self, refused: bool) -> None:
        self.refused = refused

    def adopted(self, way: AdoptionWay, lag: timedelta) -> None:
        self.adoptions.append((way, lag))

    def stray_start(self) -> None:
        self.strays += 1

    def rule_refused(self, type_name: str) -> None:
        self.refused_rules[type_name] += 1

    def waiting(self, count: int) -> None:
        self.waiters = count

    def notified(self, lag: timedelta) -> None:
        self.notification_lags.append(lag)

    def resynced(self) -> None:
        self.resyncs += 1

    def feed_held_back(self, seconds: float) -> None:
        self.held_back = seconds

    def purged(self, count: int) -> None:
        self.purges += count

    def exported(self, count: int) -> None:
        self.exports += count

    def export_failed(self) -> None:
        self.failed_exports += 1
