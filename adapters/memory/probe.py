"""A probe in memory."""

from domain.errors import OpledgerError


class MemoryProbe:
    """Healthy until a test sets `error`."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.error: OpledgerError | None = None

    async def check(self) -> None:
        """Raises `error`, if there is one."""
        if self.error is not None:
            raise self.error
