"""Response headers of routes that return an operation."""

from litestar.datastructures import ResponseHeader

LOCATION = ResponseHeader(name="Location", documentation_only=True, description="URL of the operation")
REPLAYED = ResponseHeader(
    name="Idempotent-Replayed",
    documentation_only=True,
    description="`true` if an earlier request made the operation: one with the same `Idempotency-Key`, or one whose "
    "workflow id this one uses",
)
RETRY_AFTER = ResponseHeader(
    name="Retry-After",
    documentation_only=True,
    description="Seconds to wait before the next poll. Absent when the operation is done",
)
