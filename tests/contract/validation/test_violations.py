"""All violations of an input are reported with their pointers, up to the limit."""

from typing import Any

import pytest

from adapters.jsonschema.explanation import MAX_VIOLATIONS
from adapters.jsonschema.input_validator import JsonSchemaInputValidator
from domain.operation.operation_type import OperationType

JOB: dict[str, Any] = {
    "type": "object",
    "required": ["machine", "steps"],
    "additionalProperties": False,
    "properties": {
        "machine": {"type": "string", "maxLength": 4},
        "steps": {"type": "array", "items": {"$ref": "#/$defs/step"}},
        "note": {"anyOf": [{"$ref": "#/$defs/note"}, {"type": "null"}]},
    },
    "$defs": {
        "step": {"type": "object", "required": ["run"], "properties": {"seconds": {"minimum": 1}}},
        "note": {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]},
    },
}


def messages(schema: Any, value: Any) -> dict[str, str]:
    """Returns the violations by their pointers."""
    validator = JsonSchemaInputValidator()
    found = validator.violations(OperationType("job", "Job", "queue", input_schema=schema), value)
    assert len({violation.pointer for violation in found}) == len(found)
    return {violation.pointer: violation.message for violation in found}


def test_every_violation_is_reported_at_its_place() -> None:
    """Missing, unknown and too long fields, violations in items and behind a reference."""
    value = {"machine": "too long", "x": 1, "y": 2, "steps": [{"run": 1}, {"seconds": 0}, 5]}
    assert messages(JOB, value) == {
        "/input/machine": "input.machine must have at most 4 characters",
        "/input/x": "input.x is not a known field",
        "/input/y": "input.y is not a known field",
        "/input/steps/1/run": "input.steps[1].run is required",
        "/input/steps/1/seconds": "input.steps[1].seconds must be at least 1",
        "/input/steps/2": "input.steps[2] must be of type object",
    }


@pytest.mark.parametrize("keyword", ["anyOf", "oneOf"])
def test_the_only_plausible_form_is_explained(keyword: str) -> None:
    """Violations of an object, where "an object or null" is allowed, are those of its fields."""
    schema = {keyword: [JOB["$defs"]["note"], {"type": "null"}]}
    assert messages(schema, {"text": 1}) == {"/input/text": "input.text must be of type string"}
    assert messages(schema, 1) == {"/input": rule(keyword)}
    assert messages({keyword: [{"required": ["a"]}, {"required": ["b"]}]}, {}) == {"/input": rule(keyword)}


def rule(keyword: str) -> str:
    """Returns the rule of the input itself."""
    exactly = "exactly " if keyword == "oneOf" else ""
    return f"input must have {exactly}one of the allowed forms"


@pytest.mark.parametrize(
    ("schema", "value", "pointer", "message"),
    [
        ({"oneOf": [{"type": "integer"}, {"minimum": 1}]}, 1, "/input", rule("oneOf")),
        ({"if": {"type": "string"}, "then": {"maxLength": 1}}, "ab", "/input", "input must have at most 1 characters"),
        ({"if": {"type": "string"}, "else": {"minimum": 1}}, 0, "/input", "input must be at least 1"),
        ({"dependentSchemas": {"a": {"required": ["b"]}}}, {"a": 1}, "/input/b", "input.b is required"),
        ({"patternProperties": {"^x": {"type": "null"}}}, {"xa": 1}, "/input/xa", "input.xa must be of type null"),
        (
            {"patternProperties": {"^x": {}}, "additionalProperties": False},
            {"xa": 1, "ya": 1},
            "/input/ya",
            "input.ya is not a known field",
        ),
        ({"additionalProperties": {"type": "null"}}, {"a": 1}, "/input/a", "input.a must be of type null"),
        ({"prefixItems": [{"type": "null"}]}, [1], "/input/0", "input[0] must be of type null"),
        ({"prefixItems": [{}], "items": False}, [1, 2], "/input/1", "input[1] is not allowed"),
        (
            {"contains": {"const": 1}, "minContains": 2},
            [1],
            "/input",
            "input must contain at least 2 items of the kind asked for",
        ),
        (
            {"contains": {"const": 1}, "maxContains": 1},
            [1, 1],
            "/input",
            "input must contain at most 1 items of the kind asked for",
        ),
        (
            {"$defs": {"a": {"$anchor": "x", "minimum": 5}}, "items": {"$ref": "#x"}},
            [1],
            "/input/0",
            "input[0] must be at least 5",
        ),
        (
            {"$id": "urn:a", "$defs": {"b": {"$id": "urn:b", "items": {"$ref": "#/$defs/c"}, "$defs": {"c": False}}}}
            | {"$ref": "urn:b"},
            [1],
            "/input/0",
            "input[0] is not allowed",
        ),
        (
            {"allOf": [{"properties": {"a": True}}], "unevaluatedProperties": False},
            {"b": 1},
            "/input",
            "input does not fit the schema of its operation type",
        ),
    ],
)
def test_every_keyword_is_explained(schema: Any, value: Any, pointer: str, message: str) -> None:
    """Combinations, references with and without an `$id`, and a keyword with a verdict only."""
    assert messages(schema, value) == {pointer: message}


def test_violations_are_limited() -> None:
    """A body with a hundred thousand violations gets the first ones."""
    found = messages({"items": {"type": "string"}}, [1] * 100_000)
    assert list(found) == [f"/input/{index}" for index in range(MAX_VIOLATIONS)]
    names = {"x" * 2_000 + str(number): 1 for number in range(100)}
    assert sum(map(len, messages({"additionalProperties": False}, names))) < MAX_VIOLATIONS * 400
