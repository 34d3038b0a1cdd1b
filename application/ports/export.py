"""Port: the place to which operations are exported before they are deleted."""

from collections.abc import AsyncIterator
from typing import Protocol

from domain.errors import OpledgerError


class ExportFailed(OpledgerError):
    """The place did not take the lines. It may have taken some."""


class ExportDestination(Protocol):
    """Takes lines, and keeps them."""

    async def store(self, lines: AsyncIterator[bytes]) -> None:
        """Stores the lines, each of which ends with a newline. They are durable when the call returns. Raises
        ExportFailed, and whatever `lines` raises."""
