"""Workflow id templates: what they mean, what fills them, and which schemas they trust."""

import re
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import InvalidInput
from domain.json_value import JsonValue
from domain.operation.chain import MAX_WORKFLOW_ID
from domain.operation.operation import MISSING
from domain.operation.start.workflow_id_template import MAX_CHARS, WorkflowIdTemplate

ID = UUID(int=7)
TEXT: JsonValue = {"type": "string"}


def fill(text: str, value: Any = MISSING, labels: Mapping[str, str] | None = None, tenant: str = "acme") -> str:
    return WorkflowIdTemplate.parse(text).fill(ID, tenant, value, labels or {})


def refused(text: str, value: Any = MISSING, labels: Mapping[str, str] | None = None) -> list[tuple[str, str]]:
    """Message and pointer of each violation."""
    found = WorkflowIdTemplate.parse(text).violations("acme", value, labels or {})
    return [(violation.message, violation.pointer) for violation in found]


@pytest.mark.parametrize(
    ("text", "value", "filled"),
    [
        ("nightly", MISSING, "nightly"),
        ("deploy-{input.machine}", {"machine": "m1"}, "deploy-m1"),
        ("{input.a.b}/{input.a.c}", {"a": {"b": 1, "c": True}}, "1/true"),
        ("{input.n}", {"n": -(10**30)}, "-1" + "0" * 30),
        ("{input.n}", {"n": False}, "false"),
        ("{input.n}", {"n": 0}, "0"),
        ("{labels.team}", MISSING, "blue"),
        ("{labels.example.com/team}", MISSING, "red"),
        ("{tenant}-{id}", MISSING, f"acme-{ID}"),
        ("{{{tenant}}}", MISSING, "{acme}"),
        ("{{input.a}}", MISSING, "{input.a}"),
        ("{input.a}", {"a": "{input.b}"}, "{input.b}"),
        ("{input.a/b}", {"a/b": "x"}, "x"),
        ("é{input.a}", {"a": "☃"}, "é☃"),
    ],
)
def test_template_is_filled_with_values_of_the_submission(text: str, value: Any, filled: str) -> None:
    """Text, integers and booleans of the input, labels, tenant and id, and braces."""
    assert fill(text, value, {"team": "blue", "example.com/team": "red"}) == filled


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty"),
        ("{", "single '{'"),
        ("a}", "single '}'"),
        ("{input.a", "single '{'"),
        ("{{input.a}", "single '}'"),
        ("{}", "names {}"),
        ("{input}", "names {input}"),
        ("{input.}", "names {input.}"),
        ("{input..a}", "names {input..a}"),
        ("{labels}", "names {labels}"),
        ("{tenant.a}", "names {tenant.a}"),
        ("{id.}", "names {id.}"),
        ("{other}", "names {other}"),
        ("a\n", "control character"),
        ("x" * 256, "longer"),
        ("\N{GRINNING FACE}" * 251, "longer"),
    ],
)
def test_malformed_template_is_refused_by_field(text: str, words: str) -> None:
    """The message names the field or the character."""
    with pytest.raises(ValueError, match=re.escape(words)):
        WorkflowIdTemplate.parse(text)


@pytest.mark.parametrize(
    ("value", "rule"),
    [
        (MISSING, "is required"),
        (None, "is required"),
        ([], "is required"),
        ("text", "is required"),
        ({}, "is required"),
        ({"a": 1}, "is required"),
        ({"a": {}}, "is required"),
        ({"a": {"b": None}}, "must be a text, an integer or a boolean"),
        ({"a": {"b": {}}}, "must be a text, an integer or a boolean"),
        ({"a": {"b": ["x"]}}, "must be a text, an integer or a boolean"),
        ({"a": {"b": 1.5}}, "must be a text, an integer or a boolean"),
        ({"a": {"b": 1.0}}, "must be a text, an integer or a boolean"),
        ({"a": {"b": ""}}, "must not be empty"),
        ({"a": {"b": "x\n"}}, "must not have control characters"),
        ({"a": {"b": "x\x00"}}, "must not have control characters"),
        ({"a": {"b": "\x85"}}, "must not have control characters"),
        ({"a": {"b": "\ud800"}}, "must not have control characters"),
        ({"a": {"b": 10**5000}}, "is too large"),
    ],
)
def test_value_that_fills_nothing(value: Any, rule: str) -> None:
    """The violation names the field, and its place in the body."""
    [(message, pointer)] = refused("d-{input.a.b}", value)
    assert message == f"input.a.b {rule}: it is part of the workflow id"
    assert pointer == "/input/a/b"


def test_every_violation_is_reported() -> None:
    """A label too. Pointers are escaped."""
    found = refused("{input.a}{input.b/~}{labels.x/y}{tenant}{id}", {"b/~": None})
    assert [pointer for _, pointer in found] == ["/input/a", "/input/b~1~0", "/labels/x~1y"]
    assert refused("{labels.x}", labels={"x": ""}) == [
        ("labels.x must not be empty: it is part of the workflow id", "/labels/x")
    ]


@pytest.mark.parametrize(
    ("value", "fits"),
    [("x" * 253, True), ("x" * 254, False), ("\N{GRINNING FACE}" * 249, True), ("\N{GRINNING FACE}" * 250, False)],
    ids=["255 characters", "256 characters", "998 bytes", "1002 bytes"],
)
def test_filled_id_has_limits_in_characters_and_bytes(value: str, fits: bool) -> None:
    """255 characters, and Temporal's 1,000 bytes. The longest value is at fault."""
    found = refused("{input.s}-{input.a}", {"a": value, "s": "s"})
    assert [pointer for _, pointer in found] == ([] if fits else ["/input/a"])


def test_length_counts_the_id() -> None:
    """Of an operation that is not made yet."""
    assert not refused("{id}{input.a}", {"a": "x" * (255 - 36)})
    assert refused("{id}{input.a}", {"a": "x" * (256 - 36)})


SCALARS = st.text(max_size=300) | st.integers() | st.booleans() | st.none() | st.floats()


@given(text=st.text(alphabet="{}ab.", max_size=12))
def test_any_template_is_read_or_refused(text: str) -> None:
    """With no other error. What has no field means itself."""
    try:
        template = WorkflowIdTemplate.parse(text)
    except ValueError:
        return
    if not template.fields:
        assert fill(text) == text.replace("{{", "{").replace("}}", "}")


@given(one=SCALARS, two=SCALARS)
def test_filled_or_refused(one: Any, two: Any) -> None:
    """Whatever the values are: a workflow id that Temporal takes, or violations that name places in the body."""
    template, value = WorkflowIdTemplate.parse("w-{input.one}-{input.two}"), {"one": one, "two": two}
    if violations := template.violations("acme", value, {}):
        assert {violation.pointer for violation in violations} <= {"/input/one", "/input/two"}
        return
    filled = template.fill(ID, "acme", value, {})
    assert 1 <= len(filled) <= MAX_CHARS
    assert len(filled.encode()) <= MAX_WORKFLOW_ID
    assert filled.isprintable() or not any(ord(character) < 32 for character in filled)


@given(one=st.text(min_size=1), two=st.text(min_size=1))
def test_two_values_give_two_workflow_ids(one: str, two: str) -> None:
    """Where the template has one field."""
    try:
        filled = [fill("w-{input.a}", {"a": value}) for value in (one, two)]
    except InvalidInput:
        return
    assert (filled[0] == filled[1]) == (one == two)


SCHEMAS: list[tuple[Any, str]] = [
    ({"required": ["m"], "properties": {"m": TEXT}}, ""),
    ({"required": ["m"], "properties": {"m": {"type": ["integer", "boolean"]}}}, ""),
    ({"required": ["m"], "properties": {"m": {"enum": ["a", 1, True]}}}, ""),
    ({"required": ["m"], "properties": {"m": {"const": "a"}}}, ""),
    ({"required": ["m"], "properties": {"m": {"$ref": "#/$defs/m"}}, "$defs": {"m": TEXT}}, ""),
    ({"$ref": "#/$defs/a~1b", "$defs": {"a/b": {"required": ["m"], "properties": {"m": TEXT}}}}, ""),
    ({"allOf": [{"required": ["m"]}, {"properties": {"m": TEXT}}]}, ""),
    ({"allOf": [{"$ref": "#"}], "required": ["m"], "properties": {"m": TEXT}}, ""),
    (None, "does not require input.m"),
    ({}, "does not require input.m"),
    ({"properties": {"m": TEXT}}, "does not require input.m"),
    ({"required": ["x"], "properties": {"m": TEXT}}, "does not require input.m"),
    ({"anyOf": [{"required": ["m"]}, {"required": ["x"]}]}, "does not require input.m"),
    ({"required": ["m"]}, "allows input.m to be something else"),
    ({"required": ["m"], "properties": {"m": True}}, "allows input.m to be something else"),
    ({"required": ["m"], "properties": {"m": {"type": "number"}}}, "allows input.m to be something else"),
    ({"required": ["m"], "properties": {"m": {"type": ["string", "null"]}}}, "allows input.m to be something else"),
    ({"required": ["m"], "properties": {"m": {"enum": ["a", None]}}}, "allows input.m to be something else"),
    ({"required": ["m"], "properties": {"m": {"enum": [1.5]}}}, "allows input.m to be something else"),
    ({"required": ["m"], "properties": {"m": {"type": "object"}}}, "allows input.m to be something else"),
    ({"required": ["m"], "properties": {"m": {"$ref": "#m"}}}, "allows input.m to be something else"),
]


@pytest.mark.parametrize(("schema", "words"), SCHEMAS, ids=str)
def test_schema_has_to_require_a_scalar(schema: Any, words: str) -> None:
    """Otherwise a valid input would be refused."""
    template = WorkflowIdTemplate.parse("deploy-{input.m}-{labels.any}-{tenant}")
    if not words:
        template.check_schema(schema)
        return
    with pytest.raises(ValueError, match=words):
        template.check_schema(schema)


def test_schema_of_a_nested_field() -> None:
    """Each field on the way is required."""
    inner: JsonValue = {"required": ["b"], "properties": {"b": TEXT}}
    template = WorkflowIdTemplate.parse("{input.a.b}")
    template.check_schema({"required": ["a"], "properties": {"a": inner}})
    with pytest.raises(ValueError, match=r"does not require input\.a$"):
        template.check_schema({"properties": {"a": inner}})
    with pytest.raises(ValueError, match=r"does not require input\.a\.b$"):
        template.check_schema({"required": ["a"], "properties": {"a": {"properties": {"b": TEXT}}}})


def test_template_without_a_field_of_the_input_needs_no_schema() -> None:
    """Labels are no part of a schema: a missing one is found at the submission."""
    WorkflowIdTemplate.parse("{labels.team}-{tenant}").check_schema(None)
