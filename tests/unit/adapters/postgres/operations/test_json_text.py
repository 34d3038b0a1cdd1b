"""JSON text: stored values round trip, and any JSON in a column can be read."""

import json
import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from adapters.postgres.operations.json_text import dump, load
from domain.json_value import JsonValue, strict_json

TEXTS = st.text() | st.text(st.characters(categories=["Cs", "Cc", "Ll"]))
VALUES: st.SearchStrategy[JsonValue] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner),
)


@given(VALUES)
@example("\ud800")
@example({"\udc00\ud800": [10**400, -(10**30), -0.0, 5e-324, math.nan]})
def test_values_round_trip(value: JsonValue) -> None:
    """With type and last digit. NaN and infinities become null; two separate halves of a surrogate pair become one
    character."""
    assert repr(load(dump(value))) == repr(json.loads(json.dumps(strict_json(value))))


@pytest.mark.parametrize(
    "text",
    ['"\\ud800"', '"\\ud83d\\ude00\\ud83d"', "1e400", "-1e400", '{"a": 1, "a": 2}', "1.0", "-0", "1E5", "1" * 400,
     '"\\u0000"', " [1 , 2]\n", "0.1e-400", "18446744073709551616", '{"": {}}', '"\\/"'],
)  # fmt: skip
def test_json_of_other_writers_is_read_as_python_reads_it(text: str) -> None:
    """The value is that of `json.loads`."""
    assert repr(load(text)) == repr(json.loads(text))
