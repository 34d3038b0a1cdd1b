"""Description of results and failures that a real workflow rarely produces."""

import asyncio
import json
from typing import Any

import pytest
from temporalio import exceptions
from temporalio.api.common.v1 import Payload
from temporalio.api.failure.v1 import Failure
from temporalio.common import RetryPolicy
from temporalio.converter import PayloadConverter
from temporalio.exceptions import ApplicationError, CancelledError, ServerError, TerminatedError, TimeoutType

from opledger._tracking.description import (
    MAX_DETAILS_BYTES,
    MAX_MESSAGE_CHARS,
    MAX_RESULT_BYTES,
    describe_failure,
    describe_result,
    may_be_retried,
    to_failure,
)

CONVERTER = PayloadConverter.default


def failure_of(error: BaseException) -> Failure:
    """The failure that temporalio would send for this error."""
    return to_failure(error, CONVERTER)


def json_payload(data: bytes, encoding: bytes = b"json/plain") -> Payload:
    """A payload with this data."""
    return Payload(metadata={"encoding": encoding}, data=data)


@pytest.mark.parametrize("data", [b"NaN", b"[Infinity]", b"1e999", b'"\\ud800"', b"{", b"[" * 100_000, b"\xff"])
def test_result_that_is_not_standard_json_is_omitted(data: bytes) -> None:
    """Without an error: JSON that only Python can read, and data that is not JSON at all."""
    assert describe_result(json_payload(data)) == (None, True)


def test_result_size_limit_is_in_bytes() -> None:
    """It is the maximum size of the encoded result."""
    fits = json.dumps("x" * (MAX_RESULT_BYTES - 2)).encode()
    assert describe_result(json_payload(fits)) == (json.loads(fits), False)
    assert describe_result(json_payload(fits + b" ")) == (None, True)


def test_protobuf_json_is_json() -> None:
    """A protobuf message in JSON is reported as JSON."""
    assert describe_result(json_payload(b'{"a":1}', b"json/protobuf")) == ({"a": 1}, False)


def test_long_messages_are_cut_and_many_details_dropped() -> None:
    """The size of an error's report is limited."""
    error = describe_failure(failure_of(ApplicationError("x" * 50_000, "y" * (MAX_DETAILS_BYTES + 1))))
    assert error.message == "x" * MAX_MESSAGE_CHARS
    assert error.details == []


@pytest.mark.parametrize("details", [[b"\x00"], [float("nan")], [1, "\udc00"]])
def test_details_that_are_no_json_are_dropped_together(details: list[Any]) -> None:
    """A part of the details would mislead."""
    assert describe_failure(failure_of(ApplicationError("x", *details))).details == []


def test_details_of_every_kind_are_kept() -> None:
    """Including falsy details."""
    details: list[Any] = [None, 0, "", [], {"a": [1]}]
    assert describe_failure(failure_of(ApplicationError("x", *details))).details == details


@pytest.mark.parametrize(
    ("error", "name"),
    [
        (ApplicationError("x"), "ApplicationError"),
        (ApplicationError("x", type="Mine"), "Mine"),
        (KeyError("x"), "KeyError"),
        (asyncio.CancelledError(), "CancelledError"),
        (TerminatedError("x"), "TerminatedError"),
        (ServerError("x"), "ServerError"),
        (exceptions.TimeoutError("x", type=TimeoutType.HEARTBEAT, last_heartbeat_details=[]), "TimeoutError"),
    ],
)
def test_every_error_has_a_type_and_a_message(error: BaseException, name: str) -> None:
    """The type is the application failure type, or the name of the exception class. An empty message becomes the
    type."""
    described = describe_failure(failure_of(error))
    assert described.type == name
    assert described.message


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ApplicationError("x"), True),
        (KeyError("x"), True),
        (ApplicationError("x", non_retryable=True), False),
        (ApplicationError("x", type="Stop"), False),
        (CancelledError(), False),
        (TerminatedError("x"), False),
        (ServerError("x", non_retryable=True), False),
        (ServerError("x"), True),
        (exceptions.TimeoutError("x", type=TimeoutType.START_TO_CLOSE, last_heartbeat_details=[]), True),
        (exceptions.TimeoutError("x", type=TimeoutType.SCHEDULE_TO_CLOSE, last_heartbeat_details=[]), False),
    ],
)
def test_retries_follow_the_servers_rules(error: BaseException, expected: bool) -> None:
    """Only the outermost failure decides, as in the server."""
    policy = RetryPolicy(non_retryable_error_types=["Stop"])
    assert may_be_retried(failure_of(error), policy, 1) is expected
    assert may_be_retried(failure_of(error), None, 1) is False


def test_no_retry_after_the_last_attempt() -> None:
    """`maximum_attempts` 0 means no limit."""
    failure = failure_of(ApplicationError("x"))
    assert may_be_retried(failure, RetryPolicy(maximum_attempts=0), 99)
    assert may_be_retried(failure, RetryPolicy(maximum_attempts=3), 2)
    assert not may_be_retried(failure, RetryPolicy(maximum_attempts=3), 3)
