"""An export destination in memory."""

from collections.abc import AsyncIterator

from application.ports.export import ExportFailed


class MemoryExport:
    """A list of lines. Fails while a test sets `broken`."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.broken = False

    async def store(self, lines: AsyncIterator[bytes]) -> None:
        """Stores the lines at once, or none of them."""
        taken = [line async for line in lines]
        if self.broken:
            raise ExportFailed("the destination is broken")
        self.lines += taken
