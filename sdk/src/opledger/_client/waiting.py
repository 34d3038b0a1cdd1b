"""Which operations a wait still waits for."""

import math
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Final
from uuid import UUID

from opledger._client.filters import MAX_VALUES
from opledger._client.models import Event, Operation

MAX_HOLD: Final = 50.0
"""Seconds for which the ledger holds back an answer; it takes up to 55."""
MIN_HOLD: Final = 0.01


class Waiting:
    """The open operations of a wait for many. They are read once the stream has begun, and followed on the stream."""

    def __init__(self, operation_ids: Iterable[str], on_change: Callable[[Operation], object] | None = None) -> None:
        """`on_change` is called with each of them after every change."""
        self.open = dict.fromkeys(str(UUID(str(one))) for one in operation_ids)
        self._on_change = on_change

    def parts(self) -> Iterator[tuple[str, ...]]:
        """The open operations, as many at a time as one list can name."""
        waiting = iter([*self.open])
        while part := tuple(islice(waiting, MAX_VALUES)):
            yield part

    def take(self, event: Event | None) -> Operation | None:
        """The operation of the event, if the event ends one that is waited for."""
        return None if event is None or event.operation is None else self.ended(event.operation)

    def ended(self, operation: Operation) -> Operation | None:
        """The operation, if it is done and was waited for."""
        if operation.id not in self.open:
            return None
        if self._on_change is not None:
            self._on_change(operation)
        if not operation.done:
            return None
        del self.open[operation.id]
        return operation


class Deadline:
    """When a wait gives up."""

    def __init__(self, timeout: float | None) -> None:
        """`timeout`: seconds; None: never."""
        self._at = math.inf if timeout is None else time.monotonic() + timeout

    @property
    def remaining(self) -> float:
        """Seconds, at least 0."""
        return max(0.0, self._at - time.monotonic())

    @property
    def is_over(self) -> bool:
        """Whether no time remains."""
        return self.remaining <= 0.0

    @property
    def hold(self) -> float:
        """Seconds for which the ledger may hold the next answer back."""
        return min(MAX_HOLD, max(self.remaining, MIN_HOLD))


def not_done(waiting: Iterable[str], timeout: float | None) -> TimeoutError:
    """The error of a wait whose time is over. `timeout`: seconds."""
    assert timeout is not None
    left = list(waiting)
    shown = ", ".join(left[:3]) + (f" and {len(left) - 3} more" if len(left) > 3 else "")
    return TimeoutError(f"not done after {timeout:g} s: {shown}; the operations go on")
