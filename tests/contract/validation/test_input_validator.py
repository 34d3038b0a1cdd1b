"""The contract of input validators, and the messages of the one for JSON Schema."""

from typing import Any

import pytest

from adapters.jsonschema.input_validator import JsonSchemaInputValidator
from adapters.jsonschema.schema_check import check_schema
from application.ports.input_validator import InputValidator
from domain.errors import StartupError, Violation
from domain.json_value import JsonValue
from domain.operation.operation import MISSING, Input
from domain.operation.operation_type import OperationType

_MISNAMED = "input.xx has a wrong name: it must have at most 1 characters"
VALUES: list[JsonValue] = [None, {}, [], 0, "", False, 1.5, {"a": [1, {"b": None}]}]


def declared(schema: dict[str, JsonValue] | None) -> OperationType:
    """An operation type with this schema."""
    return OperationType("deploy", "Deploy", "queue", input_schema=schema)


def violations(schema: dict[str, JsonValue] | None, value: Input) -> list[Violation]:
    """Returns the violations of an input."""
    check_schema(declared(schema))
    validator: InputValidator = JsonSchemaInputValidator()
    return list(validator.violations(declared(schema), value))


def deep(levels: int) -> dict[str, JsonValue]:
    """A schema with this depth."""
    schema: dict[str, JsonValue] = {}
    for _ in range(levels):
        schema = {"not": schema}
    return schema


def refused(schema: dict[str, JsonValue], value: Input) -> Violation:
    """Returns the only violation of an input."""
    [violation] = violations(schema, value)
    return violation


@pytest.mark.parametrize("value", [MISSING, *VALUES])
def test_without_a_schema_every_input_is_valid(value: Input) -> None:
    """A missing input too."""
    assert violations(None, value) == []


@pytest.mark.parametrize("value", VALUES)
def test_a_schema_that_allows_everything_requires_an_input(value: Input) -> None:
    """A schema describes an input, so there must be one."""
    assert violations({}, value) == []
    assert refused({}, MISSING) == Violation("input is required", "/input")


@pytest.mark.parametrize(
    ("schema", "value", "pointer", "message"),
    [
        ({"type": "object"}, 1, "/input", "input must be of type object"),
        ({"type": ["object", "null"]}, 1, "/input", "input must be of type object or null"),
        ({"type": "integer"}, True, "/input", "input must be of type integer"),
        ({"required": ["a"]}, {}, "/input/a", "input.a is required"),
        ({"required": ["a", "b~/"]}, {"a": 1}, "/input/b~0~1", "input.b~/ is required"),
        ({"items": {"required": ["a"]}}, [{"a": 1}, {}], "/input/1/a", "input[1].a is required"),
        ({"dependentRequired": {"a": ["b"]}}, {"a": 1}, "/input/b", "input.b is required"),
        ({"properties": {"a": {"maximum": 3600}}}, {"a": 3601}, "/input/a", "input.a must be at most 3600"),
        ({"properties": {"a": {"minimum": 1}}}, {"a": 0}, "/input/a", "input.a must be at least 1"),
        ({"exclusiveMaximum": 1}, 1, "/input", "input must be less than 1"),
        ({"multipleOf": 0.5}, 0.7, "/input", "input must be a multiple of 0.5"),
        ({"maxLength": 2}, "abc", "/input", "input must have at most 2 characters"),
        ({"pattern": "^a+$"}, "b", "/input", 'input must match the pattern "^a+$"'),
        ({"enum": ["a", 1, None]}, "b", "/input", 'input must be one of "a", 1, null'),
        ({"const": {"a": 1}}, 2, "/input", 'input must be {"a": 1}'),
        ({"maxItems": 1}, [1, 2], "/input", "input must have at most 1 items"),
        ({"uniqueItems": True}, [{"a": 1}, {"a": 1.0}], "/input", "input must not hold an item twice"),
        ({"additionalProperties": False}, {"x": 1}, "/input/x", "input.x is not a known field"),
        ({"unevaluatedProperties": False}, {"x": 1}, "/input/x", "input.x is not a known field"),
        ({"propertyNames": {"maxLength": 1}}, {"xx": 1}, "/input/xx", _MISNAMED),
        ({"not": {}}, 1, "/input", "input has a form that is not allowed"),
        ({"properties": {"a": False}}, {"a": 1}, "/input/a", "input.a is not allowed"),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, 1, "/input", "input must have one of the allowed forms"),
        ({"contains": {"const": 1}}, [2], "/input", "input must contain an item of the kind asked for"),
        ({"$ref": "#/$defs/n", "$defs": {"n": {"minimum": 5}}}, 1, "/input", "input must be at least 5"),
    ],
)
def test_a_violation_names_the_field_and_the_rule(schema: Any, value: Any, pointer: str, message: str) -> None:
    """With a JSON pointer. A missing field is "required"."""
    assert refused(schema, value) == Violation(message, pointer)


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "integer"},
        {"enum": [1]},
        {"const": 1},
        {"maxLength": 3},
        {"pattern": "^a$"},
        {"anyOf": [{"const": 1}, {"const": 2}]},
        {"oneOf": [{"const": 1}, {"const": 2}]},
        {"not": {"type": "string"}},
        {"format": "date", "maxLength": 1},
        {"allOf": [{"minLength": 10_000}]},
    ],
)
def test_a_violation_does_not_repeat_the_input(schema: Any) -> None:
    """It may contain secrets. The message stays short."""
    violation = refused(schema, "s3cret" * 1_000)
    assert "s3cret" not in violation.message
    assert len(violation.message) < 300


def test_a_long_enumeration_is_truncated() -> None:
    """The message stays short for a schema of any size."""
    assert len(refused({"enum": ["x" * 50] * 1}, 1).message) < 300
    assert len(refused({"enum": [f"{n:050}" for n in range(500)]}, 1).message) < 300


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (1, 1.0, True),
        (1, True, False),
        (0, False, False),
        ([1], [True], False),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, True),
        ({"a": [0]}, {"a": [False]}, False),
        ("1", 1, False),
        (None, False, False),
        ([], {}, False),
    ],
)
def test_unique_items_are_compared_as_json(one: JsonValue, other: JsonValue, same: bool) -> None:
    """JSON Schema, 4.2.2: numbers by value; true and false are not numbers."""
    assert bool(violations({"uniqueItems": True}, [one, other])) is same


def test_a_number_beyond_a_double_is_checked_exactly() -> None:
    """Arithmetic is exact, without overflow."""
    assert violations({"multipleOf": 0.1}, 10**400) == []
    assert violations({"multipleOf": 7}, 7 * 10**300 + 1) == [Violation("input must be a multiple of 7", "/input")]


def test_a_changed_type_is_compiled_again() -> None:
    """The cache is by type, not by name alone."""
    validator = JsonSchemaInputValidator()
    assert not validator.violations(declared({"type": "integer"}), 1)
    assert not validator.violations(declared({"type": "string"}), "a")
    assert validator.violations(declared({"type": "string"}), 1)


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ([], "must be an object"),
        ({"type": "nope"}, "input_schema/type"),
        ({"properties": {"a": {"maxLength": -1}}}, "input_schema/properties/a/maxLength"),
        ({"pattern": "("}, "input_schema/pattern"),
        ({"$schema": "http://json-schema.org/draft-07/schema#"}, "$schema must be"),
        ({"$ref": "https://example.com/schema"}, "https://example.com/schema"),
        ({"$ref": "other.json"}, "other.json"),
        ({"properties": {"a": {"$ref": "#/$defs/missing"}}}, "#/$defs/missing"),
        ({"items": {"$ref": "#nowhere"}}, "#nowhere"),
        ({"$ref": "#"}, "refers to itself"),
        ({"items": {"allOf": [{"$ref": "#/items"}]}}, "refers to itself"),
        ({"$defs": {"a": {"not": {"$ref": "#b"}}, "b": {"$anchor": "b", "if": {"$ref": "#/$defs/a"}}}}, "to itself"),
        ({"properties": {"a": {"pattern": "(?=a)b"}}}, "input_schema/properties/a/pattern: must be a regular"),
        ({"pattern": "(a)\\1"}, "without look-around and back-references"),
        ({"patternProperties": {"(?!a)": {}}}, "without look-around and back-references"),
        ({"pattern": "(a{1,1000}){1,1000}"}, "of at most 1 MB"),
        (deep(200), "nested deeper than 100 levels"),
        (deep(100_000), "nested deeper than 100 levels"),
        ({"properties": [1]}, "input_schema/properties"),
        ({"$ref": 5}, "$ref"),
        ({"allOf": {}}, "input_schema/allOf"),
        ({"$schema": 5}, "$schema"),
    ],
)
def test_an_invalid_schema_is_reported_at_startup(schema: Any, message: str) -> None:
    """The message names type, place and violation. Nothing is fetched."""
    with pytest.raises(StartupError, match="operation type 'deploy': input_schema") as caught:
        check_schema(declared(schema))
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object"},
        {"$defs": {"a": {"$anchor": "x"}}, "properties": {"a": {"$ref": "#x"}}},
        {"$id": "urn:one", "$defs": {"a": {"$id": "urn:two", "type": "null"}}, "items": {"$ref": "urn:two"}},
        {"type": "object", "properties": {"next": {"$ref": "#"}}},
    ],
)
def test_a_valid_schema_is_accepted_and_works(schema: Any) -> None:
    """With references within it, and recursion that ends with the input."""
    assert violations(schema, {}) == []
