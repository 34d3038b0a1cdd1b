"""Inputs as texts of a form, and back."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entrypoints.ui.start.fields import fields_of
from entrypoints.ui.start.label_lines import read_labels, write_labels
from entrypoints.ui.start.values import initial, read, written

SCHEMA: dict[str, Any] = {
    "properties": {
        "machine": {"type": "string"},
        "seconds": {"type": "integer", "default": 60},
        "ratio": {"type": "number"},
        "dry": {"type": "boolean", "default": False},
        "size": {"enum": ["s", "m", 1, None]},
        "parts": {"type": "array"},
        "note": {"type": ["string", "null"]},
        "ref": {"type": ["string", "null"]},
    },
    "required": ["machine", "ref"],
}
FIELDS = fields_of(SCHEMA) or ()


def value_of(**texts: str) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """What these texts mean, without the property that is always there."""
    value, wrong = read(FIELDS, {f"input.{name}": text for name, text in texts.items()})
    assert value.pop("ref", None) is None
    return value, [(each.pointer, each.message) for each in wrong]


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ({}, {}),
        ({"machine": " m-1 "}, {"machine": " m-1 "}),
        ({"machine": "  "}, {}),
        ({"seconds": " 7 "}, {"seconds": 7}),
        ({"seconds": "1.5"}, {"seconds": "1.5"}),
        ({"seconds": "true"}, {"seconds": "true"}),
        ({"seconds": "NaN"}, {"seconds": "NaN"}),
        ({"ratio": "1.50"}, {"ratio": 1.5}),
        ({"ratio": "many"}, {"ratio": "many"}),
        ({"dry": "true"}, {"dry": True}),
        ({"dry": "perhaps"}, {"dry": "perhaps"}),
        ({"size": '"s"'}, {"size": "s"}),
        ({"size": "null"}, {"size": None}),
        ({"parts": '["a", {"b": 1}]'}, {"parts": ["a", {"b": 1}]}),
        ({"note": "null"}, {"note": "null"}),
    ],
)
def test_texts_become_values(texts: dict[str, str], expected: dict[str, Any]) -> None:
    """A text that its field does not expect stays a text, so that the service refuses it in its words."""
    assert value_of(**texts) == (expected, [])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[1,", "input.parts: is not valid JSON: Expecting value at line 1, column 4"),
        ("NaN", "input.parts: NaN is not valid JSON"),
        ('{"a": 1, "a": 2}', "input.parts: the name 'a' occurs twice in one object"),
        ("[" * 65 + "]" * 65, "input.parts: is nested deeper than 64 levels"),
    ],
)
def test_json_that_cannot_be_read_is_named(text: str, words: str) -> None:
    """At its field."""
    assert value_of(parts=text) == ({}, [("/input/parts", words)])


def test_a_required_value_that_may_be_null_is_null_if_it_is_left_empty() -> None:
    """There is no other text for it."""
    assert read(FIELDS, {})[0] == {"ref": None}


def test_a_new_form_has_the_defaults() -> None:
    """As texts."""
    assert initial(FIELDS) == {"input.seconds": "60", "input.dry": "false"}


@pytest.mark.parametrize(
    "value",
    [
        7,
        None,
        ["machine"],
        {"ref": None, "other": 1},
        {"ref": None, "machine": ""},
        {"ref": None, "machine": "a\nb"},
        {"ref": None, "machine": 7},
        {"ref": None, "seconds": "7"},
        {"ref": None, "seconds": True},
        {"ref": None, "size": True},
        {"ref": None, "note": None},
        {},
    ],
)
def test_a_value_that_the_form_would_change_is_not_shown_in_it(value: Any) -> None:
    """JSON can hold it."""
    assert written(FIELDS, value) is None


_LINES = st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), min_size=1)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
_VALUES = st.fixed_dictionaries(
    {"ref": st.none() | _LINES},
    optional={
        "machine": _LINES | _JSON,
        "seconds": st.integers() | _JSON,
        "ratio": st.floats(allow_nan=False, allow_infinity=False) | _JSON,
        "dry": st.booleans(),
        "size": st.sampled_from(["s", "m", 1, None, 1.0, True]),
        "parts": _JSON,
        "note": _LINES,
    },
)


@given(_VALUES)
def test_a_value_that_is_shown_is_read_again(value: dict[str, Any]) -> None:
    """Exactly: nothing of an input is lost on its way through the form."""
    texts = written(FIELDS, value)
    if texts is not None:
        expected = {name: value[name] for name in SCHEMA["properties"] if name in value}
        assert repr(read(FIELDS, texts)[0]) == repr(expected)


@pytest.mark.parametrize(
    ("text", "labels", "wrong"),
    [
        ("", {}, []),
        ("team=core\n\n region = eu=1 \n", {"team": "core", "region": "eu=1"}, []),
        ("team", {}, ["labels, line 1: write a label as key=value"]),
        ("a=1\na=2", {"a": "1"}, ["labels, line 2: the key a is repeated"]),
    ],
)
def test_labels_are_lines(text: str, labels: dict[str, str], wrong: list[str]) -> None:
    """Wrong lines are named by their number."""
    found, violations = read_labels(text)
    assert (found, [each.message for each in violations]) == (labels, wrong)
    assert read_labels(write_labels(labels)) == (labels, [])
