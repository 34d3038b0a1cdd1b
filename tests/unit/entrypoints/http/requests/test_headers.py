"""Header parsers, with valid values and with garbage."""

import re
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from entrypoints.http.problems.problems import InvalidHeader
from entrypoints.http.requests.conditional import entity_tags, expected_version, matches
from entrypoints.http.requests.headers import media_type, preferences
from entrypoints.http.server.tracing import in_trace_of, trace_to_carry
from tests.support.http.api import Api, raw

LONG = 60_000
"""Characters, close to the limit of a head. With this length a backtracking pattern does not end."""
API = Api()
garbage = st.text(st.characters(max_codepoint=255, exclude_characters="\0\r\n"), max_size=40)
likely = st.lists(
    st.sampled_from(['"9"', 'W/"9"', "*", ",", " ", '"', "9", "x", ";", "=", "wait", "wait=5", "\\", "charset", "a/b"]),
    max_size=8,
).map("".join)
opaque = st.text("!#$%&'()*+,-./09:;<=>?@AZ[\\]^_`az{|}~ÿ", max_size=5)
tags = st.tuples(st.sampled_from(["", "W/"]), opaque).map(lambda parts: f'{parts[0]}"{parts[1]}"')
separators = st.sampled_from([",", ", ", " ,\t", ",,", " , , "])


@given(st.lists(tags, min_size=1, max_size=4), st.data())
async def test_entity_tags_of_a_list_are_found(given_tags: list[str], data: st.DataObject) -> None:
    """With any separators. A comma within a tag is no separator."""
    header = data.draw(st.sampled_from(["", ", ", ",,"]))
    for number, tag in enumerate(given_tags):
        header += (data.draw(separators) if number else "") + tag
    assert entity_tags([header]) == given_tags
    assert entity_tags(given_tags) == given_tags
    assert all(matches([header], tag.removeprefix("W/")) for tag in given_tags)
    assert not matches([header], '"another one"')


@pytest.mark.parametrize(
    "header",
    [
        '"9"x',
        'x"9"',
        '"9" "9"',
        '"9',
        '9"',
        "9",
        'w/"9"',
        'W /"9"',
        'W/ "9"',
        '"9";q=1',
        '*, "9"',
        '"9", *',
        "**",
        '"9" x,',
    ],
)
def test_an_invalid_list_of_entity_tags_matches_nothing(header: str) -> None:
    """As a condition of a change it is refused."""
    assert entity_tags([header]) is None
    assert not matches([header], '"9"')
    with pytest.raises(InvalidHeader):
        expected_version([header])


@given(garbage | likely)
@example('"9"' + " ," * LONG)
@example('"9"' + " " * LONG + "x")
@example('"9",' * LONG + "x")
@example("," * LONG)
def test_no_text_breaks_the_entity_tag_parser(header: str) -> None:
    """A tag matches only in a valid header. A long header takes no time."""
    rest = re.sub(r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"', "", header).strip(" \t,")
    if entity_tags([header]) is None:
        assert not matches([header], '"9"')
    else:
        assert rest == ("*" if header.strip(" \t") == "*" else "")


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("application/json", ("application/json", [])),
        ("Application/JSON ;Charset=UTF-8", ("application/json", [("charset", "UTF-8")])),
        ('a/b; x="1;\\"charset=y"; ;', ("a/b", [("x", '1;"charset=y')])),
        ("application/json, text/plain", None),
        ("application/json charset=utf-8", None),
        ("application/json; charset", None),
        ("application/json; charset =utf-8", None),
        ('application/json; charset="utf-8', None),
        ("application /json", None),
        ("json", None),
        ("", None),
    ],
)
def test_media_types_are_parsed_with_parameters(text: str, parsed: Any) -> None:
    """RFC 9110, 8.3.1."""
    assert media_type(text) == parsed


@pytest.mark.parametrize(
    ("values", "wait"),
    [
        (["wait=5"], "5"),
        (["WAIT = 5"], "5"),
        (['wait="5"'], "5"),
        (["respond-async, wait=5"], "5"),
        (["respond-async", "wait=5; x=y"], "5"),
        (["wait=5, wait=6"], "5"),
        (['x="a, wait=6", wait=5'], "5"),
        (['x="a, wait=6"'], None),
        (["xwait=5"], None),
        (["a;wait=5"], None),
        (["a b, wait=5"], None),
        (['"wait=5'], None),
        (["wait=5 6"], None),
    ],
)
def test_first_preference_of_each_name_counts(values: list[str], wait: str | None) -> None:
    """RFC 7240: the first of each name counts, and text in quotes is no preference."""
    assert preferences(values).get("wait") == wait


@given(garbage | likely)
@example("a;" + " " * LONG + "@")
@example("a" + "; " * LONG + "@")
@example("a=" + '"' * LONG)
@example('a="' + "\\" * LONG)
@example("a/b;" + " ;" * LONG + "@")
@example("a," * LONG)
def test_no_text_breaks_a_parser(text: str) -> None:
    """None takes long, and the results are parts of the text."""
    for name, value in preferences([text]).items():
        assert name in text.lower()
        assert value.replace("\\", "") in text.replace("\\", "")
    parsed = media_type(text)
    assert parsed is None or parsed[0] in text.lower()


names = st.sampled_from(
    [
        "prefer",
        "last-event-id",
        "content-type",
        "accept",
        "traceparent",
        "tracestate",
        "if-match",
        "if-none-match",
        "host",
        "x-request-id",
        "origin",
        "sec-fetch-site",
        "content-length",
        "content-encoding",
        "expect",
        "idempotency-key",
    ]
)
requests = st.sampled_from(
    [
        ("GET", "/v1/operations"),
        ("POST", "/v1/operations"),
        ("GET", "/v1/operations/019b76da-a800-7000-8000-000000000009"),
        ("GET", "/v1/operations/019b76da-a800-7000-8000-000000000009/events"),
        ("DELETE", "/v1/operations/019b76da-a800-7000-8000-000000000009"),
        ("GET", "/docs/initializer.js"),
    ]
)


@settings(deadline=None)
@given(requests, st.lists(st.tuples(names, garbage | likely), max_size=4))
async def test_no_headers_cause_a_500(request: tuple[str, str], given_headers: list[tuple[str, str]]) -> None:
    """On any route."""
    headers = [(name.encode(), value.encode("latin-1")) for name, value in given_headers]
    assert (await raw(API.app, *request, headers=headers))[0].status < 500


@given(garbage, garbage)
@example("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "a=" + "b" * LONG)
@example("00-" + "0" * LONG, "")
def test_a_stored_trace_is_short_and_valid(parent: str, state: str) -> None:
    """Of any headers; otherwise nothing is stored."""
    headers = [(b"traceparent", parent.encode("latin-1")), (b"tracestate", state.encode("latin-1"))]
    with in_trace_of(headers):
        carried = trace_to_carry()
    assert set(carried) <= {"traceparent", "tracestate"}
    assert all(len(value) <= 512 for value in carried.values())
