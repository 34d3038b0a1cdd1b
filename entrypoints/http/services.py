"""The services that the HTTP entry point uses, provided by the container."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from application.access.api_key_admin import ManageKeys
from application.access.stream_tickets import StreamTicketService
from application.operate.drift import ReadDrift
from application.operate.health import CheckHealth
from application.ports.monitoring.metrics import Metrics
from application.tenant_ledger import LedgerServices
from application.track.receive_callback import ReceiveCallback
from domain.access.callback_token import CallbackKeys
from entrypoints.http.server.middleware import Answered
from entrypoints.scrape import MetricsPage

SERVICES: Final = "services"
"""Key of the application's state: its HttpServices."""


@dataclass(frozen=True, slots=True)
class HttpServices:
    """One service per use case, and metrics."""

    ledger: LedgerServices
    tickets: StreamTicketService
    health: CheckHealth
    drift: ReadDrift
    reconcile_every: timedelta
    """Interval of the reconciliation, as this process has it configured."""
    keys: ManageKeys | None
    """None: API keys are not accepted."""
    receive_callback: ReceiveCallback
    callback_keys: CallbackKeys | None
    """None: callbacks are off, and every callback is refused."""
    metrics: Metrics
    answered: Answered
    metrics_page: MetricsPage
