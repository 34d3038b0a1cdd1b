"""The histogram of HTTP requests."""

from functools import lru_cache
from typing import Final

from prometheus_client import CollectorRegistry, Histogram

BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60)
"""Seconds. A read takes a few milliseconds, a wait up to a minute."""
_METHODS: Final = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}


class PrometheusRequests:
    """A histogram by method, route and status, in the given registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._took = Histogram(
            "opledger_http_request_duration_seconds",
            "Seconds from the head of a request to the end of its response, streams and waits included",
            ["method", "route", "status"],
            buckets=BUCKETS,
            registry=registry,
        )
        self._series = lru_cache(maxsize=None)(self._find)
        """Cached: the library takes longer to find a series than to count."""

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Counts one request. `route` is the path's template: a client cannot create series."""
        self._series(method if method in _METHODS else "other", route, status).observe(seconds)

    def _find(self, method: str, route: str, status: int) -> Histogram:
        return self._took.labels(method, route, str(status))
