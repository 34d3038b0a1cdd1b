"""Port: what a completion callback says."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from domain.errors import OpledgerError
from domain.evidence.observation import Observation


class UnreadableCallback(OpledgerError):
    """The callback does not say what the engine's callbacks say."""


@dataclass(frozen=True, slots=True)
class CallbackMessage:
    """A completion callback as it came. Header names are in lower case."""

    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class CloseEvent:
    """How a run closed, by the callback's own words."""

    observation: Observation
    """With `asked_at` when it closed: what the callback says was true then."""
    whole: bool
    """Whether these words are all that the engine knows of the close: its result or its error, by whom and why."""
    run_id: str | None = None
    """The run that closed, where the callback names it."""


class CallbackReader(Protocol):
    """Reads completion callbacks, and decodes nothing by guess."""

    async def read(self, operation_id: UUID, message: CallbackMessage, received_at: datetime) -> CloseEvent:
        """The event. Raises UnreadableCallback."""
