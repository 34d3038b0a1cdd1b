"""Port: the reader of completion callbacks."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from domain.errors import OpledgerError
from domain.evidence.observation import Observation


class UnreadableCallback(OpledgerError):
    """The callback does not have the form of the engine's callbacks."""


@dataclass(frozen=True, slots=True)
class CallbackMessage:
    """A completion callback as received. Header names are in lower case."""

    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class CloseEvent:
    """How a run closed, according to its callback."""

    observation: Observation
    """Its `asked_at` is the time of the close: what the callback says was true then."""
    whole: bool
    """Whether the callback says everything that the engine knows of the close: result or error, by whom and why."""
    run_id: str | None = None
    """The run that closed, if the callback names it."""


class CallbackReader(Protocol):
    """Reads completion callbacks without guessing."""

    async def read(self, operation_id: UUID, message: CallbackMessage, received_at: datetime) -> CloseEvent:
        """Returns the event. Raises UnreadableCallback."""
