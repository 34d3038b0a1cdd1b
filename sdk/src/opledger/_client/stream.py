"""State of an event stream that resumes by itself. Without input and output: both clients share it."""

from collections.abc import Callable, Mapping
from typing import Final, Protocol

import msgspec

from opledger._client.calls import events_path
from opledger._client.exchange import Backoff
from opledger._client.models import Event, Operation, Transition
from opledger._problems import read_problem
from opledger._unavailable import UNAVAILABLE, retry_after
from opledger.errors import LedgerUnavailable

SILENCE: Final = 40.0
"""Seconds without a byte after which a connection counts as broken; the ledger sends a comment every 15 seconds."""
_OK: Final = 200
_ENDED: Final = 204


class ServerSentEvent(Protocol):
    """An event as the parser returns it."""

    @property
    def event(self) -> str: ...
    @property
    def data(self) -> str: ...
    @property
    def id(self) -> str: ...


class Stream:
    """The events of one operation until it is done, or of all operations. Nothing is lost and nothing comes twice, also
    where the connection breaks: the next one resumes after the last event."""

    def __init__(self, operation_id: str | None, after: str | None, backoff: Callable[[], Backoff]) -> None:
        """`backoff` makes the pauses of a row of attempts."""
        self.path = events_path(operation_id)
        self.is_over = False
        """Whether the operation is done, and all its events have been read."""
        self._ends = operation_id is not None
        self._last_id = after
        self._new_backoff = backoff
        self._backoff: Backoff | None = None

    @property
    def headers(self) -> dict[str, str]:
        """The headers of the next connection."""
        resume = {} if self._last_id is None else {"Last-Event-ID": self._last_id}
        return {"Accept": "text/event-stream", "Cache-Control": "no-store", **resume}

    def opened(self, status: int) -> bool:
        """Whether events follow. If not: the caller reads the body and calls `refused`."""
        self.is_over = status == _ENDED
        return status == _OK or self.is_over

    def refused(self, status: int, headers: Mapping[str, str], body: bytes) -> float:
        """Seconds to wait before the next attempt.

        Raises:
            LedgerRefused: the ledger refuses the stream.
            LedgerUnavailable: it has not been available for too long.
        """
        problem = read_problem(status, body)
        if status not in UNAVAILABLE:
            raise problem
        return self.broken(str(problem), retry_after(headers))

    def broken(self, reason: str, at_least: float = 0.0) -> float:
        """Seconds to wait before the next attempt. Raises LedgerUnavailable."""
        self._backoff = self._backoff or self._new_backoff()
        return self._backoff.next(reason, at_least)

    def read(self, received: ServerSentEvent) -> Event | None:
        """The event, or None if it carries none. Raises LedgerUnavailable for an event that no ledger would send."""
        self._backoff = None
        if received.event == "resync":
            return None
        self._last_id = received.id or self._last_id
        if self._last_id is None:
            return None
        try:
            if received.event == "operation":
                operation = msgspec.json.decode(received.data, type=Operation)
                self.is_over = self._ends and operation.done
                return Event(id=self._last_id, operation=operation)
            if received.event == "transition":
                return Event(id=self._last_id, transition=msgspec.json.decode(received.data, type=Transition))
        except msgspec.DecodeError as error:
            raise LedgerUnavailable(f"{self.path}: the event is not one of an opledger ({error})") from None
        return Event(id=self._last_id) if received.event == "position" else None
