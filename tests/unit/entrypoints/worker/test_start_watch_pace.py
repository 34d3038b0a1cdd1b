"""How soon the worker sees a start that no report names."""

from datetime import timedelta

from application.converge.start_watch import INTERVAL, REPORT_DELAY
from entrypoints.run_worker import LEASE_PACE


def test_running_shows_within_two_seconds_without_a_report() -> None:
    """In the worst case the execution starts right after a watch, waits for its report, and the next watch comes when
    a worker tries to acquire the lease. The sum of what the watch waits for; no clock."""
    assert REPORT_DELAY + INTERVAL + timedelta(seconds=LEASE_PACE.idle) <= timedelta(seconds=2)
