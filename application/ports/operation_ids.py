"""Port: the source of operation ids."""

from typing import Protocol
from uuid import UUID


class OperationIds(Protocol):
    """Unique ids that sort by their creation time (UUID version 7, RFC 9562)."""

    def new(self) -> UUID: ...
