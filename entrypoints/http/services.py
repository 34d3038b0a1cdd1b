"""What the HTTP side needs from the application; the container fills it."""

from dataclasses import dataclass

from application.ports.metrics import Metrics
from application.services.cancel import CancelOperation
from application.services.health import CheckHealth
from application.services.read import ReadOperations
from application.services.receive_callback import ReceiveCallback
from application.services.submit import SubmitOperation
from domain.callback_token import CallbackKeys
from entrypoints.scrape import MetricsPage


@dataclass(frozen=True, slots=True)
class HttpServices:
    """One service a use case, and what the edge itself needs."""

    submit: SubmitOperation
    read: ReadOperations
    cancel: CancelOperation
    health: CheckHealth
    receive_callback: ReceiveCallback
    callback_keys: CallbackKeys | None
    """None: callbacks are off, and each is refused."""
    metrics: Metrics
    metrics_page: MetricsPage
