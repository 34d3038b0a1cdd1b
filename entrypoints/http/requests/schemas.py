"""Request bodies of single operations."""

from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID

from msgspec import UNSET, Meta, Struct, UnsetType

from application.submit.requests import StartRequest, SubmissionRequest
from application.submit.retry import UNCHANGED, Retry
from domain.errors import InvalidInput
from domain.json_value import MAX_TEXT
from domain.operation.chain import MAX_WORKFLOW_ID
from domain.operation.operation import MISSING
from domain.operation.start.labels import KEY, MAX_LABELS, MAX_VALUE, VALUE
from domain.operation.start.workflow_id_policy import OnRunning
from domain.scheduling.start_time import StartTime
from entrypoints.settings.durations import parse_duration

MAX_TYPE_LENGTH: Final = 255
_TypeName = Annotated[
    str, Meta(min_length=1, max_length=MAX_TYPE_LENGTH, description="Name of a declared operation type")
]
LABELS = {
    "maxProperties": MAX_LABELS,
    "propertyNames": {"pattern": f"^{KEY}$"},
    "additionalProperties": {"type": "string", "maxLength": MAX_VALUE, "pattern": f"^{VALUE}$"},
}
"""JSON Schema keywords of labels."""


_StartAt = Annotated[
    datetime,
    Meta(tz=True, description="Start the workflow not before this time, at most 366 days ahead. Default: now"),
]
_Delay = Annotated[
    str,
    Meta(
        pattern=r"^([0-9]{1,8}(ms|s|m|h|d)){1,5}$(?!\n)",  # Python's $ also matches before a last newline
        description="Start the workflow after this time, such as 90s, 1h30m or 2d; at most 366d. Not beside `start_at`",
    ),
]


class SubmitBody(Struct, frozen=True, forbid_unknown_fields=True):
    """A submission."""

    type: _TypeName
    input: (
        Annotated[Any, Meta(description="Any JSON value. Without it, the workflow starts without an argument")]
        | UnsetType
    ) = UNSET
    labels: Annotated[dict[str, str], Meta(max_length=MAX_LABELS, description="Key-value pairs to filter by")] = {}
    parent_id: (
        Annotated[
            UUID,
            Meta(
                description="Operation on whose behalf this one is submitted. Its cancellation is passed on to this one"
            ),
        ]
        | None
    ) = None
    start_at: _StartAt | None = None
    delay: _Delay | None = None
    keep: Annotated[bool, Meta(description="Retention does not delete the operation")] | UnsetType = UNSET


class AdoptBody(Struct, frozen=True, forbid_unknown_fields=True):
    """An execution to adopt."""

    type: _TypeName
    workflow_id: Annotated[str, Meta(min_length=1, max_length=MAX_WORKFLOW_ID)]
    run_id: (
        Annotated[UUID, Meta(description="Any run of the execution. Default: the latest one with the workflow id")]
        | None
    ) = None


class RecordBody(Struct, frozen=True, forbid_unknown_fields=True):
    """An operation whose workflow the client starts."""

    type: Annotated[
        str, Meta(min_length=1, max_length=MAX_TYPE_LENGTH, description="Operation type, or name of the workflow type")
    ]
    workflow_id: Annotated[
        str, Meta(min_length=1, max_length=MAX_WORKFLOW_ID, description="At most 1000 bytes of UTF-8")
    ]
    on_running: Annotated[
        OnRunning,
        Meta(
            description="The client's policy for an execution that runs under the workflow id. If an operation with it "
            "is open: 409, that operation, or a new one"
        ),
    ] = OnRunning.REJECT
    input: Annotated[Any, Meta(description="Any JSON value. Stored for readers, not checked")] | UnsetType = UNSET
    labels: Annotated[dict[str, str], Meta(max_length=MAX_LABELS, description="Key-value pairs to filter by")] = {}


class CancelBody(Struct, frozen=True, forbid_unknown_fields=True):
    """A cancellation request."""

    reason: Annotated[str, Meta(max_length=MAX_TEXT)] | None = None
    force: Annotated[bool, Meta(description="Terminate the workflow. It cannot clean up")] | UnsetType = UNSET


class AcknowledgeBody(Struct, frozen=True, forbid_unknown_fields=True):
    """An acknowledgement."""

    reason: Annotated[str, Meta(max_length=MAX_TEXT, description="For the history")] | None = None


class KeepBody(Struct, frozen=True, forbid_unknown_fields=True):
    """Whether an operation is kept."""

    keep: Annotated[bool, Meta(description="True: retention does not delete the operation")]


class RetryBody(Struct, frozen=True, forbid_unknown_fields=True):
    """What a retry changes."""

    input: (
        Annotated[Any, Meta(description="Any JSON value. Default: the input of the retried operation")] | UnsetType
    ) = UNSET
    labels: (
        Annotated[
            dict[str, str],
            Meta(max_length=MAX_LABELS, description="Default: the labels of the retried operation"),
        ]
        | UnsetType
    ) = UNSET
    start_at: _StartAt | None = None
    delay: _Delay | None = None


def retry_request(body: RetryBody, idempotency_key: str | None) -> Retry:
    """The retry request of a body."""
    return Retry(
        UNCHANGED if body.input is UNSET else body.input,
        UNCHANGED if body.labels is UNSET else body.labels,
        _start_time(body.start_at, body.delay),
        idempotency_key,
    )


def submission_request(body: SubmitBody, idempotency_key: str | None) -> SubmissionRequest:
    """The submission request of a body."""
    value = MISSING if body.input is UNSET else body.input
    start = _start_time(body.start_at, body.delay)
    return SubmissionRequest(body.type, value, body.labels, idempotency_key, body.parent_id, start, body.keep is True)


def _start_time(start_at: datetime | None, delay: str | None) -> StartTime:
    return StartTime(start_at, None if delay is None else parse_duration(delay))


def start_request(body: RecordBody, idempotency_key: str | None) -> StartRequest:
    """The request of a body to record an operation. Raises InvalidInput."""
    if len(body.workflow_id.encode()) > MAX_WORKFLOW_ID:
        raise InvalidInput(f"has more than {MAX_WORKFLOW_ID} bytes", pointer="/workflow_id")
    value = MISSING if body.input is UNSET else body.input
    return StartRequest(body.type, body.workflow_id, body.on_running, value, body.labels, idempotency_key)
