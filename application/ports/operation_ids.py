"""Port: where new operation ids come from."""

from typing import Protocol
from uuid import UUID


class OperationIds(Protocol):
    """Unique ids that sort by the time they were made (UUID version 7, RFC 9562)."""

    def new(self) -> UUID: ...
