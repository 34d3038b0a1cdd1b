"""The ids of events: where a stream goes on. Clients keep them and send them back, and need not understand them."""

import re
from typing import Final
from uuid import UUID

from application.ports.change_feed import STATE, Position
from application.services.stream import Seen
from entrypoints.http.problems import InvalidHeader

HEADER: Final = "Last-Event-ID"
_NUMBER: Final = "(0|[1-9][0-9]{0,8})"
OF_TENANT: Final = f"^(0|[1-9][0-9]{{0,18}})-[0-9a-f]{{32}}-({_NUMBER}|{STATE})$"
OF_OPERATION: Final = rf"^{_NUMBER}\.{_NUMBER}$"
_RULE: Final = "it is not the id of an event of this stream; without the header the stream begins with what is now"


def position_id(position: Position) -> str:
    """The id of an event of a tenant's stream."""
    return f"{position.transaction}-{position.operation_id.hex}-{position.sequence}"


def seen_id(seen: Seen) -> str:
    """The id of an event of an operation's stream."""
    return f"{seen.version}.{seen.lines}"


def read_position(text: str) -> Position:
    """Raises InvalidHeader."""
    transaction, operation_id, sequence = _parts(OF_TENANT, text, "-")
    return Position(int(transaction), UUID(hex=operation_id), int(sequence))


def read_seen(text: str) -> Seen:
    """Raises InvalidHeader."""
    version, lines = _parts(OF_OPERATION, text, ".")
    return Seen(int(version), int(lines))


def refused() -> InvalidHeader:
    """What is wrong with an id that there cannot be."""
    return InvalidHeader(HEADER, _RULE)


def _parts(pattern: str, text: str, separator: str) -> list[str]:
    if not re.fullmatch(pattern, text):
        raise refused()
    return text.split(separator)
