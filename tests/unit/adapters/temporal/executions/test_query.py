"""Literals in queries of the index."""

from datetime import UTC, datetime

import pytest

from adapters.temporal.executions.query import is_closed, matchable, one_of, quoted, time


@pytest.mark.parametrize(
    ("text", "literal"),
    [("Order", "'Order'"), ("it's", "'it''s'"), ("' OR 1=1 --", "''' OR 1=1 --'"), ("\\'", "'\\\\'''"), ("", "''")],
)
def test_quotes_end_no_literal(text: str, literal: str) -> None:
    """A quote is doubled, a backslash escaped."""
    assert quoted(text) == literal


@pytest.mark.parametrize(
    ("text", "expected"), [("it's 100 % ☃", True), ('"', False), ("\\", False), ("a\nb", False), ("\x7f", False)]
)
def test_characters_that_match_nothing_are_known(text: str, expected: bool) -> None:
    """The server escapes them before it compares."""
    assert matchable(text) is expected


def test_time_has_microseconds() -> None:
    """The time is in UTC."""
    assert time(datetime(2026, 11, 24, 8, tzinfo=UTC)) == "'2026-11-24T08:00:00.000000Z'"


def test_values_are_listed() -> None:
    """The order is stable."""
    assert one_of("WorkflowType", {"b", "a'"}) == "WorkflowType IN ('a''', 'b')"


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("Team = 'a' AND (Region = 'b' OR Region = 'c')", True),
        ("Team = 'a)' OR Team = \")\" OR `a)` = 1", True),
        ("Team = 'it''s (' OR Team = '\\'('", True),
        ("", True),
        ("Team = 'a') OR (Team = 'b'", False),
        ("Team = ('a'", False),
        ("Team = 'a", False),
        ("Team = 'a\\'", False),
        ('Team = "a', False),
    ],
)
def test_query_is_a_unit(query: str, expected: bool) -> None:
    """Parentheses in literals do not count."""
    assert is_closed(query) is expected
