"""Port: health of a dependency."""

from typing import Protocol


class Probe(Protocol):
    """Checks one dependency."""

    @property
    def name(self) -> str: ...

    async def check(self) -> None:
        """Returns if the dependency is healthy. Raises OpledgerError, whose message says what is wrong."""
