"""Bodies of responses that are numbers of operations, and their conversion from the domain."""

from datetime import datetime
from typing import Annotated

from msgspec import Meta, Struct

from application.ports.storage.operation_queries import Counts
from application.watch.durations import DurationsOfType
from domain.operation.operation_error import ErrorCode
from domain.operation.status import OperationStatus
from domain.throughput import Throughput, Window
from entrypoints.response_bodies import utc


class CountsBody(Struct, frozen=True):
    """Numbers of operations. Every status is present."""

    by_status: dict[OperationStatus, int]
    by_type: dict[str, dict[OperationStatus, int]]
    by_error_code: Annotated[dict[ErrorCode, int], Meta(description="Failed operations. Every error code is present")]


class DurationBody(Struct, frozen=True):
    """Percentiles of durations, in seconds. A percentile is a duration that so many percent of the operations do not
    exceed. All are null without operations."""

    count: Annotated[int, Meta(description="Operations that were read")]
    sampled: Annotated[bool, Meta(description="Whether the window has more: the ones read finished last")]
    p50: float | None
    p90: float | None
    p95: float | None
    p99: float | None
    max: float | None


class DurationsBody(Struct, frozen=True):
    """Durations of the operations of a type that finished between the times, from `started_at` to `finished_at`."""

    type: str
    finished_after: datetime
    finished_before: datetime
    by_status: Annotated[dict[OperationStatus, DurationBody], Meta(description="COMPLETED and FAILED are present")]


class BucketBody(Struct, frozen=True):
    """Numbers of operations that started, completed and failed from `at` to the next bucket."""

    at: datetime
    started: int
    completed: int
    failed: int


class ThroughputBody(Struct, frozen=True):
    """Numbers of operations that started and ended in a window that ends now. Deleted operations count too."""

    window: Window
    buckets: Annotated[
        list[BucketBody],
        Meta(
            description="Every bucket, oldest first: 60 of 1 minute, 96 of 15 minutes, or 84 of 2 hours. The last one "
            "is not over"
        ),
    ]
    failures: Annotated[
        dict[ErrorCode, dict[str, int]], Meta(description="Failed operations of the window by error code and type")
    ]


def counts_body(counts: Counts) -> CountsBody:
    """The response body of counts."""
    by_status = dict.fromkeys(OperationStatus, 0)
    by_type = {name: dict.fromkeys(OperationStatus, 0) for name in sorted({name for name, _, _ in counts})}
    by_error_code = dict.fromkeys(ErrorCode, 0)
    for (name, status, error_code), count in counts.items():
        by_status[status] += count
        by_type[name][status] += count
        if error_code is not None:
            by_error_code[error_code] += count
    return CountsBody(by_status, by_type, by_error_code)


def durations_body(found: DurationsOfType) -> DurationsBody:
    """The response body of durations."""
    by_status = {
        status: DurationBody(each.count, each.sampled, each.p50, each.p90, each.p95, each.p99, each.max)
        for status, each in found.by_status.items()
    }
    return DurationsBody(found.type, utc(found.finished_after), utc(found.finished_before), by_status)


def throughput_body(found: Throughput) -> ThroughputBody:
    """The response body of the throughput."""
    buckets = [BucketBody(utc(each.at), each.started, each.completed, each.failed) for each in found.buckets]
    return ThroughputBody(found.window, buckets, {code: dict(types) for code, types in found.failures.items()})
