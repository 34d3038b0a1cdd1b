"""Throughput: how many operations started and ended, in buckets of a window that ends now."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final

from domain.operation.operation_error import ErrorCode
from domain.operation.status import OperationStatus

Became = tuple[str, OperationStatus, ErrorCode | None]
"""The type of an operation, and the status that it reached: RUNNING, COMPLETED, or FAILED with its error code."""


class Window(StrEnum):
    """The time that a chart shows. It ends with the bucket of the present time, which is not over."""

    HOUR = "hour"
    DAY = "day"
    WEEK = "week"

    @property
    def bucket(self) -> timedelta:
        """Length of a bucket: 1 minute, 15 minutes or 2 hours. Buckets begin at multiples of it, in UTC."""
        return _BUCKETS[self]

    @property
    def buckets(self) -> int:
        """Number of buckets."""
        return _LENGTHS[self] // self.bucket

    @property
    def kept(self) -> timedelta:
        """How long buckets are stored: longer than any clock of another process may be off."""
        return 2 * _LENGTHS[self]

    def start_of(self, at: datetime) -> datetime:
        """Returns when the bucket of that time begins."""
        return at - (at - _EPOCH) % self.bucket

    def since(self, now: datetime) -> datetime:
        """Returns when the first bucket of the window begins."""
        return self.start_of(now) - (self.buckets - 1) * self.bucket

    def starts(self, now: datetime) -> list[datetime]:
        """Returns when each bucket begins, the oldest first."""
        return [self.since(now) + number * self.bucket for number in range(self.buckets)]


_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LENGTHS: Final = {Window.HOUR: timedelta(hours=1), Window.DAY: timedelta(days=1), Window.WEEK: timedelta(days=7)}
_BUCKETS: Final = {
    Window.HOUR: timedelta(minutes=1),
    Window.DAY: timedelta(minutes=15),
    Window.WEEK: timedelta(hours=2),
}


@dataclass(frozen=True, slots=True)
class Bucket:
    """Numbers of operations that started and ended from `at` to the next bucket."""

    at: datetime
    started: int = 0
    completed: int = 0
    failed: int = 0


@dataclass(frozen=True, slots=True)
class Throughput:
    """Numbers of operations that started and ended in a window. Operations that were deleted since count too."""

    window: Window
    buckets: Sequence[Bucket]
    """Every bucket of the window, the oldest first."""
    totals: Mapping[Became, int]
    """Over the window. None is 0."""

    @property
    def started(self) -> int:
        """Operations that started."""
        return sum(bucket.started for bucket in self.buckets)

    @property
    def completed(self) -> int:
        """Operations that completed."""
        return sum(bucket.completed for bucket in self.buckets)

    @property
    def failed(self) -> int:
        """Operations that failed."""
        return sum(bucket.failed for bucket in self.buckets)

    @property
    def failures(self) -> Mapping[ErrorCode, Mapping[str, int]]:
        """Failed operations by error code and type, the most frequent first."""
        found: dict[ErrorCode, dict[str, int]] = {}
        for (type_name, _, code), many in sorted(self.totals.items(), key=lambda entry: (-entry[1], entry[0][0])):
            if code is not None:
                found.setdefault(code, {})[type_name] = many
        return dict(sorted(found.items(), key=lambda entry: (-sum(entry[1].values()), entry[0])))
