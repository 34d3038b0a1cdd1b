"""Converts a workflow's outcome to a report: the root cause of a failure, the JSON of a result. Pure functions."""

import asyncio
import contextlib
import json
from collections.abc import Iterable
from typing import Any

from temporalio.api.common.v1 import Payload
from temporalio.api.enums.v1 import TimeoutType
from temporalio.api.failure.v1 import Failure
from temporalio.common import RetryPolicy
from temporalio.converter import DefaultFailureConverter, PayloadConverter
from temporalio.exceptions import CancelledError

from opledger.wire import ReportedError

MAX_RESULT_BYTES = 256 * 1024
"""A larger result is omitted from the report, because the workflow's history would contain it twice. The ledger fetches
it from Temporal."""

MAX_MESSAGE_CHARS = 10_000
MAX_DETAILS_BYTES = 16 * 1024

_FAILURE_NAMES = {
    "timeout_failure_info": "TimeoutError",
    "canceled_failure_info": "CancelledError",
    "terminated_failure_info": "TerminatedError",
    "server_failure_info": "ServerError",
    "activity_failure_info": "ActivityError",
    "child_workflow_execution_failure_info": "ChildWorkflowError",
    "nexus_operation_execution_failure_info": "NexusOperationError",
    "nexus_handler_failure_info": "HandlerError",
}


def to_failure(error: BaseException, converter: PayloadConverter) -> Failure:
    """The failure with which Temporal will close the workflow.

    Reports are built from it, not from the exception, so that a report and a later observation of the same close name
    the same cause.
    """
    failure = Failure()
    if isinstance(error, asyncio.CancelledError):
        error = CancelledError(str(error))
    # Details that cannot be encoded do not prevent the close: the SDK sends the failure without them (measured).
    with contextlib.suppress(Exception):
        DefaultFailureConverter().to_failure(error, converter, failure)
    return failure


def describe_failure(failure: Failure) -> ReportedError:
    """Describes the root cause, the last failure in the chain of causes."""
    while failure.HasField("cause"):
        failure = failure.cause
    info = failure.application_failure_info
    kind = failure.WhichOneof("failure_info")
    name = _FAILURE_NAMES.get(kind or "") or info.type or "ApplicationError"
    return ReportedError(
        message=clean_text(failure.message or name, MAX_MESSAGE_CHARS),
        type=clean_text(name, MAX_MESSAGE_CHARS),
        non_retryable=info.non_retryable,
        details=_describe_details(info.details.payloads),
    )


def _describe_details(payloads: Iterable[Payload]) -> list[Any]:
    """All details, or none if one is not JSON or they are too large: a part of them would mislead."""
    payloads = list(payloads)
    if sum(len(payload.data) for payload in payloads) > MAX_DETAILS_BYTES:
        return []
    try:
        return [_json_value(payload) for payload in payloads]
    except (ValueError, RecursionError):
        return []


def describe_result(payload: Payload) -> tuple[Any, bool]:
    """The result as a JSON value, and whether it was omitted (too large, or not JSON)."""
    if len(payload.data) > MAX_RESULT_BYTES:
        return None, True
    try:
        return _json_value(payload), False
    except (ValueError, RecursionError):
        return None, True


def _json_value(payload: Payload) -> Any:
    """The payload's value, if it is standard JSON.

    Raises:
        ValueError: another encoding; or the value contains NaN, an infinity or a lone surrogate, which Python writes
                and PostgreSQL and other languages cannot read.
    """
    encoding = payload.metadata.get("encoding", b"")
    if encoding == b"binary/null":
        return None
    if not encoding.startswith(b"json/"):
        raise ValueError(f"not JSON: {encoding!r}")
    value = json.loads(payload.data)
    json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
    return value


def clean_text(text: str, limit: int) -> str:
    """The text, cut to `limit` characters, with `?` for characters that UTF-8 cannot encode."""
    return text[:limit].encode(errors="replace").decode()


def may_be_retried(failure: Failure, policy: RetryPolicy | None, attempt: int) -> bool:
    """Whether Temporal may retry the workflow after this failure. False only if it certainly will not.

    Follows `isRetryable` in the server's history service, which checks only the outermost failure.
    """
    if policy is None or 0 < policy.maximum_attempts <= attempt:
        return False
    stops = policy.non_retryable_error_types or ()
    match failure.WhichOneof("failure_info"):
        case "application_failure_info":
            info = failure.application_failure_info
            return not info.non_retryable and info.type not in stops
        case "canceled_failure_info" | "terminated_failure_info":
            return False
        case "server_failure_info":
            return not failure.server_failure_info.non_retryable
        case "timeout_failure_info":
            return failure.timeout_failure_info.timeout_type in (
                TimeoutType.TIMEOUT_TYPE_START_TO_CLOSE,
                TimeoutType.TIMEOUT_TYPE_HEARTBEAT,
            )
        case _:
            return True
