"""Measures how long the change feed has been held back."""

import logging
from typing import Final

from application.ports.monitoring.metrics import Metrics

LOG_AFTER: Final = 10.0
"""Seconds after which it is logged."""
_log = logging.getLogger(__name__)


class FeedDelay:
    """The feed holds back every event behind the start of a transaction that is still open."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._since: float | None = None
        self._said = False

    def note(self, held_back: bool, now: float) -> None:
        """Notes what a read of the feed found. `now`: seconds on a clock that does not go back."""
        if not held_back:
            self._since, self._said = None, False
        elif self._since is None:
            self._since = now
        seconds = 0.0 if self._since is None else now - self._since
        self._metrics.feed_held_back(seconds)
        if held_back and seconds >= LOG_AFTER and not self._said:
            self._said = True
            _log.warning("the change feed is held back: a transaction that writes has been open for %.0f s", seconds)
