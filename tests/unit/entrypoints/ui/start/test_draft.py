"""What was typed on the page Start."""

from datetime import UTC, datetime, timedelta

import pytest

from application.submit.requests import SubmissionRequest
from domain.operation.operation_type import OperationType
from entrypoints.ui.start.draft import submission, typed

DECLARED = OperationType("deploy", "Deploy", "queue")


def valid(_: SubmissionRequest) -> None:
    """A service that refuses nothing."""


@pytest.mark.parametrize(
    ("text", "local", "at"),
    [
        ("", True, None),
        ("2026-01-31T12:00", True, datetime(2026, 1, 31, 12, tzinfo=UTC)),
        ("2026-01-31T12:00:07", True, datetime(2026, 1, 31, 12, 0, 7, tzinfo=UTC)),
        ("2026-01-31T12:00:07.5", True, datetime(2026, 1, 31, 12, 0, 7, 500_000, tzinfo=UTC)),
        ("2026-01-31T12:00:00+02:00", False, datetime(2026, 1, 31, 10, tzinfo=UTC)),
    ],
)
def test_a_time_without_a_zone_is_in_utc(text: str, local: bool, at: datetime | None) -> None:
    """Browsers send none. A text that their date field cannot hold is shown in a text field."""
    draft = typed(DECLARED, {"key": "k", "start_at": text})
    assert draft.has_local_time is local
    request, violations = submission(draft, valid)
    assert (request.start.at, violations) == (at, [])


@pytest.mark.parametrize("text", ["2026-02-31T12:00", "2026-01-31", "12:00"])
def test_a_text_that_is_no_time_is_refused(text: str) -> None:
    """At its field."""
    _, [violation] = submission(typed(DECLARED, {"key": "k", "start_at": text}), valid)
    assert violation.pointer == "/start_at"


def test_a_submission_has_what_was_typed() -> None:
    """Browsers send line breaks as CRLF."""
    posted = {"key": "k-1", "json": '{\r\n"a": 1}', "labels": "a=1\r\nb=2", "delay": " 1h30m ", "form_token": "t"}
    request, violations = submission(typed(DECLARED, posted), valid)
    assert violations == []
    assert (request.type, request.input, request.idempotency_key) == ("deploy", {"a": 1}, "k-1")
    assert (request.labels, request.start.delay) == ({"a": "1", "b": "2"}, timedelta(minutes=90))
