"""The rules of repeats, on a clock of the test's own: nothing is sent and nothing sleeps."""

import json
from collections.abc import Sequence
from typing import Any

import pytest

from opledger import (
    ApiKeyRefused,
    Conflict,
    InvalidRequest,
    LedgerRefused,
    LedgerUnavailable,
    Operation,
    OperationNotFound,
    Submission,
)
from opledger._client import calls
from opledger._client.calls import Answer, Call
from opledger._client.exchange import MAX_PAUSE, Backoff, ConnectionFailed, Pause, Send, exchange
from opledger._client.setup import TIMEOUT
from opledger._unavailable import UNAVAILABLE

ID = "01a227c6-ce62-76f9-a22f-0f60d8c49e00"
LOST = ConnectionFailed("ReadError")
HUNG = ConnectionFailed("ReadTimeout", is_silent=True)


class Clock:
    """A clock that pauses move."""

    def __init__(self) -> None:
        self.now = 100.0
        self.pauses: list[float] = []

    def run(self, call: Call[Any], answers: Sequence[Answer | ConnectionFailed], within: float = 30.0) -> object:
        """Sends the call; the answers come in turn, and the last one again and again."""
        steps = exchange(call, Backoff("http://ledger", within, lambda: self.now))
        left = list(answers)
        step = next(steps)
        self.sent: list[Send] = []
        while True:
            try:
                if isinstance(step, Pause):
                    self.pauses.append(step.seconds)
                    self.now += step.seconds
                    step = steps.send(None)
                else:
                    self.sent.append(step)
                    given = left.pop(0) if len(left) > 1 else left[0]
                    self.now += step.silence if given == HUNG else 0.0
                    step = steps.send(given)
            except StopIteration as ended:
                return ended.value


@pytest.fixture
def clock() -> Clock:
    return Clock()


def answer(status: int, body: bytes = b"{}", **headers: str) -> Answer:
    return Answer(status, {name.replace("_", "-"): value for name, value in headers.items()}, body)


OPERATION: dict[str, Any] = {
    "id": ID, "type": "t", "status": "FAILED", "done": True, "labels": {}, "result": None, "progress": None,
    "error": {"code": "CANCELED", "message": "m", "details": {}}, "accepted_at": "2026-01-01T00:00:00Z",
    "started_at": None, "finished_at": "2026-01-01T00:00:03Z", "updated_at": "2026-01-01T00:00:03Z",
    "cancel_requested": None, "attention": None, "execution": {"workflow_id": "w", "origin": "LEDGER"}, "version": 3,
}  # fmt: skip
REQUEST = {"at": "2026-01-01T00:00:03Z", "by": None, "reason": None, "force": False, "delivered_at": None}
COUNTS = answer(200, b'{"by_status": {}, "by_type": {}, "by_error_code": {}}')


@pytest.mark.parametrize("first", [LOST, *(answer(status) for status in sorted(UNAVAILABLE))], ids=str)
def test_repeats_until_the_answer(clock: Clock, first: Answer | ConnectionFailed) -> None:
    """Pauses grow, to the longest one."""
    clock.run(calls.counts(), [first] * 9 + [COUNTS], within=600)
    assert len(clock.pauses) == 9
    assert 0.05 <= clock.pauses[0] <= 0.1
    assert 2.5 <= clock.pauses[-1] <= MAX_PAUSE
    assert clock.pauses[-1] > clock.pauses[0]


def test_pause_is_at_least_what_the_ledger_asks_for(clock: Clock) -> None:
    """A date counts as nothing."""
    clock.run(calls.counts(), [answer(429, retry_after="7"), answer(503, retry_after="Sun, 29 Nov 2026"), COUNTS])
    assert clock.pauses[0] == 7
    assert clock.pauses[1] < 1


def test_ends_before_the_time_is_over(clock: Clock) -> None:
    """With the last reason. It does not sleep first when the pause would be too long."""
    with pytest.raises(LedgerUnavailable, match=r"http://ledger is not available \(ReadError\)"):
        clock.run(calls.counts(), [LOST], within=10)
    assert clock.now <= 110
    assert all(one.within <= 10 for one in clock.sent)
    before = clock.now
    with pytest.raises(LedgerUnavailable, match="429"):
        clock.run(calls.counts(), [answer(429, retry_after="60")], within=10)
    assert clock.now == before


def test_hung_attempt_is_repeated_within_the_time(clock: Clock) -> None:
    """The next one may take twice as long; the last one has what is left. The default timeout allows two. A connection
    that breaks says nothing about how long an answer takes."""
    with pytest.raises(LedgerUnavailable, match="ReadTimeout"):
        clock.run(calls.counts(), [HUNG], within=60)
    assert [one.silence for one in clock.sent[:2]] == [10, 20]
    assert clock.sent[2].silence == clock.sent[2].within < 30
    assert clock.now <= 160
    clock.run(calls.counts(), [HUNG, COUNTS], within=TIMEOUT)
    assert 19 < clock.sent[1].silence < 20
    clock.run(calls.counts(), [LOST, LOST, COUNTS])
    assert [one.silence for one in clock.sent] == [10, 10, 10]


@pytest.mark.parametrize("within", [5.0, 12.0, 20.0])
def test_attempt_is_not_cut_for_one_that_could_not_be_longer(clock: Clock, within: float) -> None:
    """A request that takes most of the timeout is answered. So is one whose answer the ledger holds back."""
    clock.run(calls.counts(), [COUNTS], within=within)
    clock.run(calls.get(ID, 50), [answer(200, json.dumps(OPERATION).encode())], within=50 + within)
    assert clock.sent[0].silence == 50 + within
    with pytest.raises(LedgerUnavailable, match="ReadTimeout"):
        clock.run(calls.counts(), [HUNG], within=within)
    assert [one.silence for one in clock.sent] == [within]


def test_held_answer_may_be_late_and_a_repeat_asks_for_it_at_once(clock: Clock) -> None:
    """The time that is left may be shorter than the hold."""
    found = clock.run(calls.get(ID, 50), [HUNG, answer(200, json.dumps(OPERATION).encode())], within=80)
    assert isinstance(found, Operation)
    assert [bool(one.call.query) for one in clock.sent] == [True, False]
    assert clock.sent[0].silence == 60
    assert 19 < clock.sent[1].silence == clock.sent[1].within < 20


def test_refusal_is_not_repeated(clock: Clock) -> None:
    """A problem document, or the page of a proxy."""
    body = (
        b'{"type": "urn:x", "title": "Wrong", "detail": "no", "errors": [{"detail": "required", "pointer": "/type"}]}'
    )
    with pytest.raises(InvalidRequest, match="422: no\n  /type: required") as refused:
        clock.run(calls.counts(), [answer(422, body)])
    assert (refused.value.problem, refused.value.status) == ("urn:x", 422)
    with pytest.raises(OperationNotFound, match="404: Not Found"):
        clock.run(calls.get(ID), [answer(404, b"<html>")])
    with pytest.raises(LedgerRefused, match="418"):
        clock.run(calls.get(ID), [answer(418, b"\xff")])
    assert clock.pauses == []


@pytest.mark.parametrize("body", [b"<html>", b"", b"[]", b'{"by_status": 1}', b"\xff"])
def test_answer_of_something_else_is_an_error(clock: Clock, body: bytes) -> None:
    """A login page, for example."""
    with pytest.raises(LedgerUnavailable, match="not one of an opledger"):
        clock.run(calls.counts(), [answer(200, body)])


def test_repeat_of_a_deletion_finds_it_done(clock: Clock) -> None:
    """The first request may have deleted it. Without a repeat, a missing operation is an error."""
    clock.run(calls.delete(ID), [LOST, answer(404)])
    with pytest.raises(OperationNotFound):
        clock.run(calls.delete(ID), [answer(404)])


def test_repeat_of_a_cancellation_finds_it_requested(clock: Clock) -> None:
    """The first request may have ended the operation. A request of another client counts as none of this one's."""
    refused = answer(409, b'{"detail": "the operation is already FAILED"}')
    ended = {**OPERATION, "cancel_requested": {**REQUEST, "reason": "wrong"}}
    found = clock.run(calls.cancel(ID, "wrong", force=False), [LOST, refused, answer(200, json.dumps(ended).encode())])
    assert isinstance(found, Operation)
    assert [one.call.method for one in clock.sent] == ["POST", "POST", "GET"]
    for reason, request in (("other", ended["cancel_requested"]), ("wrong", None)):
        body = json.dumps({**OPERATION, "cancel_requested": request}).encode()
        with pytest.raises(Conflict, match="already FAILED"):
            clock.run(calls.cancel(ID, reason, force=False), [LOST, refused, answer(200, body)])
    with pytest.raises(Conflict):
        clock.run(calls.cancel(ID, "wrong", force=False), [refused])
    assert len(clock.sent) == 1


def troubled(kind: str | None, minute: int = 0) -> Answer:
    attention = {"kind": kind, "since": f"2026-01-01T00:{minute:02}:00Z", "message": "m"}
    return answer(200, json.dumps({**OPERATION, "attention": attention if kind else None}).encode())


def test_repeat_of_an_acknowledgement_spares_a_newer_problem(clock: Clock) -> None:
    """The request whose answer was lost has acknowledged the problem, and another one has come, or none."""
    call, stalled = calls.acknowledge(ID, None), troubled("STALLED")
    for now in (troubled("STALLED", 5), troubled("NO_WORKER"), troubled(None)):
        assert clock.run(call, [stalled, HUNG, now]) == call.read(now)
        assert [one.call.method for one in clock.sent] == ["GET", "POST", "GET"]
    for lost in (HUNG, answer(503)):
        assert clock.run(call, [stalled, lost, stalled, lost, stalled, troubled(None)], within=90) is not None
        assert [one.call.method for one in clock.sent] == ["GET", "POST", "GET", "POST", "GET", "POST"]
    clock.run(call, [stalled, answer(429), troubled(None)])
    assert [one.call.method for one in clock.sent] == ["GET", "POST", "POST"]


def test_acknowledgement_needs_no_scope_to_read(clock: Clock) -> None:
    """Its scope is `cancel`. Another refusal is one of the acknowledgement."""
    clock.run(calls.acknowledge(ID, None), [answer(403), LOST, troubled(None)])
    assert [one.call.method for one in clock.sent] == ["GET", "POST", "POST"]
    for status, error in ((401, ApiKeyRefused), (404, OperationNotFound)):
        with pytest.raises(error):
            clock.run(calls.acknowledge(ID, None), [answer(status)])
        assert [one.call.method for one in clock.sent] == ["GET"]


def test_repeats_have_the_same_key_and_calls_have_not(clock: Clock) -> None:
    """So that a repeat makes no second operation."""
    call = calls.submit(Submission("deploy"))
    with pytest.raises(LedgerUnavailable):
        clock.run(call, [LOST], within=5)
    assert len(clock.sent) > 3
    assert len({one.call.headers["Idempotency-Key"] for one in clock.sent}) == 1
    assert call.headers != calls.submit(Submission("deploy")).headers


def test_a_missing_operation_after_too_many_requests_is_missing(clock: Clock) -> None:
    """Nothing was processed before: it was not deleted by this call."""
    with pytest.raises(OperationNotFound):
        clock.run(calls.delete(ID), [answer(429), answer(404)])
    assert clock.run(calls.delete(ID), [LOST, answer(404)]) is None
