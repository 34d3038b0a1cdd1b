"""Port: whether something that the service depends on is well."""

from typing import Protocol


class Probe(Protocol):
    """One thing to look at."""

    @property
    def name(self) -> str: ...

    async def check(self) -> None:
        """Return if it is well; raise OpledgerError, whose message says what is wrong."""
