"""In which order the commits of a store changed what."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from uuid import UUID


@dataclass(slots=True)
class ChangeLog:
    """The number of the commit that changed each operation last, and of the one that wrote each history line."""

    commits: int = 0
    changed: dict[UUID, int] = field(default_factory=dict)
    written: dict[tuple[UUID, int], int] = field(default_factory=dict)
    waiting: set[asyncio.Future[None]] = field(default_factory=set)

    def note(self, operations: Iterable[UUID], lines: Iterable[tuple[UUID, int]]) -> None:
        """A commit has changed these, and whoever waits hears of it."""
        changed, written = list(operations), list(lines)
        if not changed and not written:
            return
        self.commits += 1
        self.changed.update(dict.fromkeys(changed, self.commits))
        self.written.update(dict.fromkeys(written, self.commits))
        for waiter in self.waiting:
            if not waiter.done():
                waiter.set_result(None)
        self.waiting.clear()
