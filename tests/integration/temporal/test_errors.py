"""The table of the server's errors, row by row, with errors as the SDK raises them."""

import pytest
from google.protobuf.any_pb2 import Any
from google.protobuf.message import Message
from temporalio.api.common.v1 import GrpcStatus
from temporalio.api.errordetails.v1 import NamespaceNotFoundFailure, NotFoundFailure
from temporalio.service import RPCError, RPCStatusCode

from adapters.temporal.connection.errors import engine_error, start_error, unknown_execution
from application.ports.engine.workflow_engine import (
    CallbackRefused,
    CallbacksExhausted,
    EngineUnavailable,
    ExecutionExists,
    StartFailed,
    StartRejected,
)

GRPC_LIMIT = "grpc: received message after decompression larger than max 4194304"
NO_MAPPING = "Namespace default has no mapping defined for search attribute OperationUUID"
FULL = "callbacks to a workflow (32 callbacks already attached)"
CALLBACK = "url does not match any configured callback address"


def refusal(status: RPCStatusCode, words: str = "words", *details: Message) -> RPCError:
    packed = []
    for detail in details:
        packed.append(Any())
        packed[-1].Pack(detail)
    raw = GrpcStatus(code=status.value, message=words, details=packed)
    return RPCError(words, status, raw.SerializeToString())


@pytest.mark.parametrize(
    ("status", "words", "expected"),
    [
        (RPCStatusCode.INVALID_ARGUMENT, "Blob data size exceeds limit.", StartRejected),
        (RPCStatusCode.INVALID_ARGUMENT, NO_MAPPING, StartFailed),
        (RPCStatusCode.INVALID_ARGUMENT, "Namespace is empty.", StartFailed),
        (RPCStatusCode.INVALID_ARGUMENT, CALLBACK, StartFailed),
        (RPCStatusCode.RESOURCE_EXHAUSTED, GRPC_LIMIT, StartRejected),
        (RPCStatusCode.RESOURCE_EXHAUSTED, "namespace rate limit exceeded", EngineUnavailable),
        (RPCStatusCode.ALREADY_EXISTS, "Workflow execution already finished.", ExecutionExists),
        (RPCStatusCode.UNAVAILABLE, "tcp connect error", EngineUnavailable),
        (RPCStatusCode.DEADLINE_EXCEEDED, "deadline", EngineUnavailable),
        (RPCStatusCode.CANCELLED, "Timeout expired", EngineUnavailable),
        (RPCStatusCode.UNKNOWN, "transport error", EngineUnavailable),
        (RPCStatusCode.INTERNAL, "h2 protocol error: error reading a body", EngineUnavailable),
        (RPCStatusCode.UNKNOWN, "panic", StartFailed),
        (RPCStatusCode.INTERNAL, "bug", StartFailed),
        (RPCStatusCode.NOT_FOUND, "Namespace nope is not found.", StartFailed),
        (RPCStatusCode.PERMISSION_DENIED, "Request unauthorized.", StartFailed),
        (RPCStatusCode.UNAUTHENTICATED, "expired", StartFailed),
        (RPCStatusCode.FAILED_PRECONDITION, "not active", StartFailed),
        (RPCStatusCode.UNIMPLEMENTED, "not there", StartFailed),
        (RPCStatusCode.ABORTED, "again", StartFailed),
    ],
)
def test_only_a_permanent_refusal_rejects_a_start(status: RPCStatusCode, words: str, expected: type[Exception]) -> None:
    """Only an error that a retry cannot solve fails an operation. The server's message is kept."""
    error = start_error(refusal(status, words))
    assert (type(error), str(error)) == (expected, words)


@pytest.mark.parametrize(
    ("status", "words", "expected"),
    [
        (RPCStatusCode.INVALID_ARGUMENT, f"invalid url: {CALLBACK}: http://ledger/", CallbackRefused),
        (RPCStatusCode.INVALID_ARGUMENT, "invalid url: unknown scheme: ftp://ledger/", CallbackRefused),
        (RPCStatusCode.INVALID_ARGUMENT, "invalid url: missing host", CallbackRefused),
        (RPCStatusCode.INVALID_ARGUMENT, "invalid callback url: parse: missing ']' in host", CallbackRefused),
        (RPCStatusCode.INVALID_ARGUMENT, "url length longer than max length allowed of 1000", CallbackRefused),
        (RPCStatusCode.INVALID_ARGUMENT, "invalid header: header size longer than max allowed size", CallbackRefused),
        (
            RPCStatusCode.INVALID_ARGUMENT,
            "attaching workflow callbacks is disabled for namespace",
            CallbackRefused,
        ),
        (RPCStatusCode.INVALID_ARGUMENT, "cannot attach more than 32 callbacks to an execution", CallbackRefused),
        (RPCStatusCode.FAILED_PRECONDITION, f"cannot attach more than 32 {FULL}", CallbacksExhausted),
        (RPCStatusCode.FAILED_PRECONDITION, "callbacks are not enabled", CallbackRefused),
        (RPCStatusCode.UNIMPLEMENTED, "unknown callback variant: <nil>", CallbackRefused),
        (RPCStatusCode.INVALID_ARGUMENT, "Blob data size exceeds limit.", StartRejected),
        (RPCStatusCode.INVALID_ARGUMENT, NO_MAPPING.replace("default", "nexus"), StartFailed),
        (RPCStatusCode.INVALID_ARGUMENT, "Namespace is empty.", StartFailed),
        (RPCStatusCode.NOT_FOUND, "Namespace callback is not found.", StartFailed),
        (RPCStatusCode.UNAVAILABLE, "callback", EngineUnavailable),
    ],
)
def test_refused_callback_is_distinguished_from_a_refused_start(
    status: RPCStatusCode, words: str, expected: type[Exception]
) -> None:
    """For all messages that servers have had for a refused callback."""
    error = start_error(refusal(status, words), with_callback=True)
    assert (type(error), str(error)) == (expected, words)


@pytest.mark.parametrize("status", [status for status in RPCStatusCode if status is not RPCStatusCode.OK])
def test_any_other_refused_call_is_unavailable(status: RPCStatusCode) -> None:
    """An error without a message gets one."""
    error = engine_error(refusal(status, ""))
    assert (type(error), str(error)) == (EngineUnavailable, f"the engine answered {status.name}")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (refusal(RPCStatusCode.NOT_FOUND, "workflow not found", NotFoundFailure()), True),
        (
            refusal(
                RPCStatusCode.NOT_FOUND, "workflow not found", NotFoundFailure(current_cluster="a", active_cluster="a")
            ),
            True,
        ),
        (
            refusal(
                RPCStatusCode.NOT_FOUND, "workflow not found", NotFoundFailure(current_cluster="a", active_cluster="b")
            ),
            False,
        ),
        (refusal(RPCStatusCode.NOT_FOUND, "no namespace", NamespaceNotFoundFailure(namespace="x")), False),
        (refusal(RPCStatusCode.NOT_FOUND, "404 page not found"), False),
        (refusal(RPCStatusCode.UNAVAILABLE, "workflow not found", NotFoundFailure()), False),
    ],
    ids=["plain", "active cluster", "standby cluster", "namespace", "a proxy's", "another status"],
)
def test_unknown_execution_is_strict(error: RPCError, expected: bool) -> None:
    """The ledger gives up operations after NOT_FOUND: only the server's own detail about the execution counts."""
    assert unknown_execution(error) is expected
