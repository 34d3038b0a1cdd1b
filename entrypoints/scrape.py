"""The metrics page: this process's counters, and the drift that the database reports."""

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from application.batching.single_flight import SingleFlight
from application.operate.drift import ReadDrift
from application.ports.monitoring.drift_report import DriftReport

DRIFT_TIMEOUT: Final = 2.0
"""Seconds that the page waits for the database."""
DRIFT_MAX_AGE: Final = 1.0
"""Seconds for which the drift is reused."""
MEDIA_TYPE: Final = "text/plain; version=0.0.4"
_log = logging.getLogger(__name__)


class MetricsPage:
    """Reads the drift at most once a second, then renders the page."""

    def __init__(self, drift: ReadDrift, render: Callable[[DriftReport | None], bytes]) -> None:
        self._drift = drift
        self._render = render
        self._shared = SingleFlight(self._report, max_age=DRIFT_MAX_AGE)

    async def read(self) -> bytes:
        """The page in Prometheus's text format; without the drift where the database does not answer in time."""
        return self._render(await self._shared.get())

    async def _report(self) -> DriftReport | None:
        try:
            async with asyncio.timeout(DRIFT_TIMEOUT):
                return await self._drift.read()
        except Exception as error:
            _log.warning("the metrics lack the drift: %s: %s", type(error).__name__, error)
            return None
