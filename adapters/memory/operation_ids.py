"""Operation ids that are equal in every run."""

from uuid import UUID

from application.ports.clock import Clock


class MemoryOperationIds:
    """UUIDs of version 7 (RFC 9562): the clock's milliseconds, and a counter in place of random bits."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._count = 0

    def new(self) -> UUID:
        self._count += 1
        milliseconds = int(self._clock.now().timestamp() * 1000)
        return UUID(int=(milliseconds << 80) | (0x7 << 76) | (0b10 << 62) | self._count)
