"""The callback reader on valid and invalid messages: it returns a close, or raises UnreadableCallback."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from temporalio.converter import DataConverter

from adapters.temporal.callback_reader import MAX_MESSAGE_CHARS, TemporalCallbackReader
from application.ports.engine.callback_reader import CallbackMessage, CloseEvent, UnreadableCallback
from domain.evidence.observation import CLOSED, ExecutionState
from domain.operation.operation_error import ErrorCode

READER = TemporalCallbackReader(DataConverter.default, "default")
NOW = datetime(2026, 11, 24, 9, tzinfo=UTC)
CLOSE = "2026-11-24T08:51:03.811686141Z"
CLOSED_AT = datetime(2026, 11, 24, 8, 51, 3, 811686, tzinfo=UTC)
START = "Tue, 24 Nov 2026 08:51:03 GMT"
FAILURE = "temporal.api.failure.v1.Failure"


def headers(state: str = "succeeded", **more: str | None) -> dict[str, str]:
    usual: dict[str, str | None] = {
        "nexus-operation-state": state,
        "nexus-operation-close-time": CLOSE,
        "nexus-operation-start-time": START,
        "content-type": "application/json",
    }
    usual |= {name.replace("_", "-"): value for name, value in more.items()}
    return {name: value for name, value in usual.items() if value is not None}


async def read(headers: dict[str, str], body: Any, received_at: datetime = NOW) -> CloseEvent:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return await READER.read(uuid4(), CallbackMessage(headers, raw), received_at)


async def test_close_time_has_microseconds_and_start_time_has_seconds() -> None:
    """The server sends them with these precisions."""
    seen = (await read(headers(), {"a": 1})).observation
    assert (seen.asked_at, seen.closed_at) == (CLOSED_AT, CLOSED_AT)
    assert seen.started_at == CLOSED_AT.replace(microsecond=0)


async def test_close_later_than_its_receipt_counts_as_of_the_receipt() -> None:
    """Temporal's clock may be ahead of the ledger's."""
    received = CLOSED_AT - timedelta(seconds=2)
    seen = (await read(headers(), 1, received)).observation
    assert (seen.asked_at, seen.closed_at) == (received, CLOSED_AT)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-24T08:51:01Z", CLOSED_AT.replace(second=1, microsecond=0)),
        ("2026-11-24T09:51:01+01:00", CLOSED_AT.replace(second=1, microsecond=0)),
        ("Tue, 24 Nov 2026 08:51:04 GMT", None),
        ("yesterday", None),
        ("", None),
        (None, None),
    ],
)
async def test_start_time_is_read_in_both_formats(text: str | None, expected: datetime | None) -> None:
    """A malformed time, or one later than the close, is ignored."""
    event = await read(headers(nexus_operation_start_time=text), 1)
    assert event.observation.started_at == expected


@pytest.mark.parametrize(
    ("given_headers", "body", "words"),
    [
        (headers(nexus_operation_close_time=None), b"1", "no header nexus-operation-close-time"),
        (headers(nexus_operation_close_time="24 Nov 2026"), b"1", "its close time is '24 Nov 2026'"),
        (headers(nexus_operation_close_time="0001-01-01T00:00:00Z"), b"1", "its close time is"),
        (headers(nexus_operation_close_time="2026-11-24T08:51:03"), b"1", "its close time is"),
        ({"nexus-operation-close-time": CLOSE}, b"1", "no header nexus-operation-state"),
        (headers("running"), b"1", "its state is 'running'"),
        (headers("Succeeded"), b"1", "its state is 'Succeeded'"),
        (headers(), b"{broken", "not the JSON that it says it is"),
        (headers(), b"", "not the JSON that it says it is"),
        (headers(), b"[" * 101 + b"]" * 101, "nested more than 100 levels deep"),
        (headers(), b"[" * 100_000, "RecursionError"),
        (headers(content_type="application/x-temporal-payload"), b"\xff\xff", "not the payload that it says it is"),
        (headers("failed"), b"{broken", "its body is not JSON"),
        (headers("failed"), b"[]", "its body is not a JSON object"),
        (headers("failed"), b'{"message": NaN}', "NaN is not JSON"),
        (headers("failed"), b'{"message": 1}', "the message of its failure is not a string"),
        (headers("failed"), b'{"details": ' + b"[" * 101 + b"]" * 101 + b"}", "nested more than 100 levels deep"),
        (headers("canceled"), b"", "its body is not JSON"),
        (headers("x" * 10_000), b"1", "its state is 'xxx"),
    ],
)
async def test_invalid_message_is_refused_with_a_short_reason(
    given_headers: dict[str, str], body: bytes, words: str
) -> None:
    """The reason has at most MAX_MESSAGE_CHARS characters."""
    with pytest.raises(UnreadableCallback) as caught:
        await read(given_headers, body)
    assert words in str(caught.value)
    assert len(str(caught.value)) <= MAX_MESSAGE_CHARS


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"metadata": {"type": "nexus.HandlerError"}, "details": {"type": "INTERNAL"}},
        {"metadata": {"type": FAILURE}},
        {"metadata": {"type": FAILURE}, "details": {"applicationFailureInfo": {"type": 7}}},
        {"metadata": {"type": FAILURE}, "details": {"timeoutFailureInfo": {}, "canceledFailureInfo": {}}},
        {"metadata": [], "details": {}},
    ],
    ids=repr,
)
async def test_unknown_failure_is_a_failed_close_that_is_not_whole(more: dict[str, Any]) -> None:
    """The ledger asks Temporal for the rest."""
    event = await read(headers("failed"), {"message": "oh \x00no", **more})
    assert (event.observation.state, event.whole) == (ExecutionState.FAILED, False)
    assert event.observation.error is not None
    assert event.observation.error.code is ErrorCode.WORKFLOW_FAILED
    assert event.observation.error.message == "oh �no"


async def test_unknown_fields_of_later_versions_are_ignored() -> None:
    """A later server may add fields to a failure."""
    details = {"applicationFailureInfo": {"type": "T", "novelty": 1}, "more": {}}
    event = await read(headers("failed"), {"message": "m", "metadata": {"type": FAILURE}, "details": details, "x": 1})
    assert event.whole
    assert event.observation.error is not None
    assert event.observation.error.details["type"] == "T"


@pytest.mark.parametrize("content_type", ["text/plain", "application/json; charset=utf-8", "application/octet-stream"])
async def test_result_of_another_content_type_is_unreadable(content_type: str) -> None:
    """Temporal sends JSON with other content types only."""
    event = await read(headers(content_type=content_type), b"1")
    assert (event.observation.state, event.observation.result, event.whole) == (ExecutionState.COMPLETED, None, False)
    assert content_type in str(event.observation.result_unreadable)


async def test_body_without_content_type_is_unreadable_unless_empty() -> None:
    """An empty body is the result None."""
    event = await read(headers(content_type=None), b"")
    assert (event.observation.result, event.whole) == (None, True)
    event = await read(headers(content_type=None), b"1")
    assert (event.observation.result, event.whole) == (None, False)


json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
failure_like = st.fixed_dictionaries(
    {},
    optional={
        "message": st.text() | json_values,
        "stackTrace": json_values,
        "metadata": st.just({"type": FAILURE}) | json_values,
        "details": json_values
        | st.dictionaries(
            st.sampled_from(
                [
                    "applicationFailureInfo", "timeoutFailureInfo", "terminatedFailureInfo", "canceledFailureInfo",
                    "activityFailureInfo", "encodedAttributes", "cause", "source",
                ]
            ),
            json_values | st.just({}),
            max_size=3,
        ),
    },
)  # fmt: skip
words = st.text(max_size=40)
times = st.sampled_from([CLOSE, START, ""]) | words | st.datetimes().map(lambda time: time.isoformat() + "Z")
any_headers = st.fixed_dictionaries(
    {},
    optional={
        "nexus-operation-state": st.sampled_from(["succeeded", "failed", "canceled"]) | words,
        "nexus-operation-close-time": st.just(CLOSE) | times,
        "nexus-operation-start-time": times,
        "content-type": st.sampled_from(
            ["application/json", "application/json; format=protobuf", "application/x-temporal-payload"]
        )
        | words,
    },
)
bodies = st.binary() | (json_values | failure_like).map(lambda value: json.dumps(value).encode("utf-8", "replace"))


@given(given_headers=any_headers, body=bodies)
async def test_any_message_is_read_or_refused(given_headers: dict[str, str], body: bytes) -> None:
    """The reader raises no other error than UnreadableCallback, and returns no other observation than a close."""
    try:
        event = await read(given_headers, body)
    except UnreadableCallback as error:
        assert 0 < len(str(error)) <= MAX_MESSAGE_CHARS  # noqa: PT017
        return
    seen = event.observation
    assert seen.state in CLOSED
    assert seen.closed_at is not None
    assert seen.asked_at <= NOW
    assert seen.started_at is None or seen.started_at <= seen.closed_at
    assert event.whole <= (seen.result_unreadable is None)


@given(body=failure_like)
async def test_any_body_like_a_failure_is_an_unsuccessful_close(body: dict[str, Any]) -> None:
    """With valid headers and a message, whatever the other fields contain."""
    message = {**body, "message": str(body.get("message", ""))}
    raw = json.dumps(message).encode()
    if b"NaN" in raw or b"Infinity" in raw:
        return
    event = await read(headers("failed"), raw)
    assert event.observation.error is not None
