"""Chooses the completion callback of a start: none if callbacks are off, or if the engine refuses them."""

import logging
from datetime import datetime, timedelta
from uuid import UUID

from application.ports.clock import Clock
from application.ports.engine.workflow_engine import CompletionCallback
from application.ports.monitoring.metrics import Metrics
from domain.access.callback_token import TOKEN_HEADER, CallbackKeys

CALLBACK_RETRY_AFTER = timedelta(minutes=10)
"""Time for which starts carry no callback after the engine refused one. Its operator may allow them meanwhile."""
PATH = "/v1/callbacks"
_log = logging.getLogger(__name__)


class CompletionCallbacks:
    """Remembers, in this process, whether the engine accepts callbacks."""

    def __init__(self, base_url: str | None, keys: CallbackKeys | None, clock: Clock, metrics: Metrics) -> None:
        """`base_url`: the API's, as the engine reaches it; None turns callbacks off."""
        self._base_url = base_url
        self._keys = keys
        self._clock = clock
        self._metrics = metrics
        self._refused_until: datetime | None = None

    def of(self, operation_id: UUID, tenant: str) -> CompletionCallback | None:
        """Returns the callback of an operation's start; None while callbacks are off or refused."""
        refused = self._refused_until is not None and self._clock.now() < self._refused_until
        if self._base_url is None or self._keys is None or refused:
            return None
        token = self._keys.sign(operation_id, tenant)
        return CompletionCallback(f"{self._base_url}{PATH}/{operation_id}", {TOKEN_HEADER: token})

    def refused(self, words: str) -> None:
        """Notes that the engine refused a start because of its callback."""
        if self._refused_until is None:
            _log.warning("the engine refuses completion callbacks, starts continue without them: %s", words)
        self._refused_until = self._clock.now() + CALLBACK_RETRY_AFTER
        self._metrics.callbacks_refused(True)

    def taken(self) -> None:
        """Notes that the engine accepted a start with its callback."""
        if self._refused_until is not None:
            _log.info("the engine accepts completion callbacks again")
            self._refused_until = None
            self._metrics.callbacks_refused(False)
