"""Port of a peer without an HTTP interface, behind the thin front."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

Row = Mapping[str, Any]


class Jobs(Protocol):
    """A peer's client library. Every call uses the function that the peer documents for it."""

    async def open(self) -> None:
        """Creates the schema, if it is missing, and connects."""

    async def close(self) -> None:
        """Disconnects."""

    async def submit(self, key: str, type_name: str, value: Mapping[str, Any]) -> str:
        """Stores a job durably. Returns its identifier."""

    async def read(self, job_id: str) -> Row:
        """Returns the status of one job."""

    async def page(self, type_name: str, size: int) -> Sequence[Row]:
        """Returns the newest finished jobs of a type."""

    async def counts(self) -> Sequence[Row]:
        """Returns the number of jobs by type and status."""
