"""Event ids, from which streams resume. They are opaque to clients."""

import re
from collections.abc import Callable
from typing import Final, Generic, TypeVar
from uuid import UUID

from application.ports.storage.change_feed import STATE, Position
from application.watch.stream import Cursor
from entrypoints.http.problems.problems import InvalidHeader, InvalidParameter, RequestError

_T = TypeVar("_T")
HEADER: Final = "Last-Event-ID"
PARAMETER: Final = "last_event_id"
_NUMBER: Final = "(0|[1-9][0-9]{0,8})"
OF_TENANT: Final = f"^(0|[1-9][0-9]{{0,18}})-[0-9a-f]{{32}}-({_NUMBER}|{STATE})$"
OF_OPERATION: Final = rf"^{_NUMBER}\.{_NUMBER}$"
_RULE: Final = "must be the id of an event of this stream; omit it to start from now"


def position_id(position: Position) -> str:
    """The id of an event of a tenant's stream."""
    return f"{position.transaction}-{position.operation_id.hex}-{position.sequence}"


def seen_id(seen: Cursor) -> str:
    """The id of an event of an operation's stream."""
    return f"{seen.version}.{seen.lines}"


def read_position(text: str) -> Position | None:
    """The position that the id of an event of a tenant's stream encodes. None: it is invalid."""
    if not re.fullmatch(OF_TENANT, text):
        return None
    transaction, operation_id, sequence = text.split("-")
    return Position(int(transaction), UUID(hex=operation_id), int(sequence))


def read_seen(text: str) -> Cursor | None:
    """The cursor that the id of an event of an operation's stream encodes. None: it is invalid."""
    if not re.fullmatch(OF_OPERATION, text):
        return None
    version, lines = text.split(".")
    return Cursor(int(version), int(lines))


class ResumePoint(Generic[_T]):
    """The last event that the client received, from the header, else from the query.

    A new EventSource cannot set the header. When it reconnects, its header is newer than its URL.
    """

    def __init__(self, headers: list[str], query: str | None, read: Callable[[str], _T | None]) -> None:
        """Raises InvalidHeader, InvalidParameter."""
        self.seen: _T | None = None
        self._error: RequestError = InvalidHeader(HEADER, _RULE)
        given = [] if query is None else [(query, InvalidParameter(PARAMETER, _RULE))]
        for text, error in [*given, *((text, InvalidHeader(HEADER, _RULE)) for text in headers)]:
            self.seen, self._error = read(text), error
            if self.seen is None:
                raise error

    def refused(self) -> RequestError:
        """The error for an id that this stream did not send."""
        return self._error
