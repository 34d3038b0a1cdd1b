"""Converts Temporal's failures to operation errors, with the message of the root cause."""

from collections.abc import Iterator

from temporalio.api.failure.v1 import Failure

from adapters.temporal.payloads.payloads import PayloadReader, UnreadablePayload, json_of, read_json
from domain.json_value import JsonValue, clean_text
from domain.operation.operation_error import ErrorCode, OperationError

MAX_DETAILS_BYTES = 16 * 1024
"""Larger application details are omitted."""
MAX_CAUSES = 50
MAX_TYPE = 255

_TYPES = {
    "timeout_failure_info": "TimeoutError",
    "canceled_failure_info": "CancelledError",
    "terminated_failure_info": "TerminatedError",
    "server_failure_info": "ServerError",
    "activity_failure_info": "ActivityError",
    "child_workflow_execution_failure_info": "ChildWorkflowError",
    "nexus_operation_execution_failure_info": "NexusOperationError",
    "nexus_handler_failure_info": "HandlerError",
}
"""Names of the failure types, the same as in the SDK's reports."""


async def to_operation_error(failure: Failure, reader: PayloadReader) -> OperationError:
    """The operation error of an execution that closed with this failure."""
    decoded = Failure()
    decoded.CopyFrom(failure)
    unreadable = await reader.decode_failure(decoded)
    chain = list(_chain(decoded))
    root = chain[-1]
    details: dict[str, JsonValue] = {
        "type": _type(root),
        "non_retryable": root.application_failure_info.non_retryable,
        "causes": [_type(link) for link in chain],
    }
    message, hidden = _message(root)
    application, missing = _application_details(root)
    if application:
        details["details"] = application
    if notes := [note for note in (unreadable, hidden, missing) if note]:
        details["unreadable"] = "; ".join(notes)
    return OperationError(ErrorCode.WORKFLOW_FAILED, message or _type(root), details)


def _chain(failure: Failure) -> Iterator[Failure]:
    yield failure
    for _ in range(MAX_CAUSES):
        if not failure.HasField("cause"):
            return
        failure = failure.cause
        yield failure


def _type(failure: Failure) -> str:
    kind = failure.WhichOneof("failure_info")
    name = _TYPES.get(kind or "") or failure.application_failure_info.type or "ApplicationError"
    return clean_text(name, MAX_TYPE)


def _message(failure: Failure) -> tuple[str, str | None]:
    """The message, and why it could not be read. A failure converter may hide the message in the encoded attributes."""
    if failure.HasField("encoded_attributes"):
        try:
            attributes = json_of(failure.encoded_attributes)
        except UnreadablePayload as error:
            return failure.message, f"the message could not be read: {error}"
        if isinstance(attributes, dict) and isinstance(message := attributes.get("message"), str):
            return message, None
    return failure.message, None


def _application_details(failure: Failure) -> tuple[list[JsonValue], str | None]:
    """The application details, and a message about what is missing. If one detail is not JSON or they are too large,
    all are omitted: a part of them would mislead."""
    payloads = failure.application_failure_info.details.payloads
    if sum(len(payload.data) for payload in payloads) > MAX_DETAILS_BYTES:
        return [], f"the details are left out: more than {MAX_DETAILS_BYTES} bytes"
    try:
        decoded = [read_json(payload) for payload in payloads]
    except UnreadablePayload as error:
        return [], f"the details could not be read: {error}"
    altered = next((one.altered for one in decoded if one.altered is not None), None)
    return [one.value for one in decoded], altered and f"the details are not complete: {altered}"
