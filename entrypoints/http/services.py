"""What the HTTP side needs from the application; the container fills it."""

from dataclasses import dataclass

from application.services.cancel import CancelOperation
from application.services.health import CheckHealth
from application.services.read import ReadOperations
from application.services.submit import SubmitOperation


@dataclass(frozen=True, slots=True)
class HttpServices:
    """One service a use case."""

    submit: SubmitOperation
    read: ReadOperations
    cancel: CancelOperation
    health: CheckHealth
