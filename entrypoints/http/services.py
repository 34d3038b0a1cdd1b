"""The services that the HTTP entry point uses, provided by the container."""

from dataclasses import dataclass
from typing import Final, Protocol
from uuid import UUID

from application.access.stream_tickets import StreamTicketOffice
from application.operate.health import CheckHealth
from application.ports.callback_reader import CallbackMessage
from application.ports.metrics import CallbackOutcome, Metrics
from application.tenant_ledger import LedgerServices
from domain.access.callback_token import CallbackKeys
from entrypoints.http.server.middleware import Answered
from entrypoints.scrape import MetricsPage

SERVICES: Final = "services"
"""Key of the application's state: its HttpServices."""


class CallbackReceiver(Protocol):
    """Records completion callbacks."""

    async def receive(self, operation_id: UUID, tenant: str, message: CallbackMessage) -> CallbackOutcome:
        """As `application.track.receive_callback.ReceiveCallback.receive`."""


@dataclass(frozen=True, slots=True)
class HttpServices:
    """One service per use case, and metrics."""

    ledger: LedgerServices
    tickets: StreamTicketOffice
    health: CheckHealth
    receive_callback: CallbackReceiver
    callback_keys: CallbackKeys | None
    """None: callbacks are off, and every callback is refused."""
    metrics: Metrics
    answered: Answered
    metrics_page: MetricsPage
