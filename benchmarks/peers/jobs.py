"""What a peer without an HTTP interface does behind the thin HTTP front."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

Row = Mapping[str, Any]


class Jobs(Protocol):
    """A peer's client library. Every call uses the function that the peer documents for it."""

    async def open(self) -> None:
        """Create the schema, if it is missing, and connect."""

    async def close(self) -> None:
        """Disconnect."""

    async def submit(self, key: str, type_name: str, value: Mapping[str, Any]) -> str:
        """Store a job durably; its identifier."""

    async def read(self, job_id: str) -> Row:
        """The status of one job."""

    async def page(self, type_name: str, size: int) -> Sequence[Row]:
        """The newest finished jobs of a type."""

    async def counts(self) -> Sequence[Row]:
        """The number of jobs by type and status."""
