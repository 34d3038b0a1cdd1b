"""Fields from schemas: what becomes which kind of field, and what is left to the JSON editor."""

from typing import Any

import pytest

from domain.operation.operation import MISSING
from entrypoints.ui.start.fields import MAX_CHOICES, MAX_FIELDS, Field, Kind, fields_of

PYDANTIC: dict[str, Any] = {
    "$ref": "#/$defs/Deploy",
    "$defs": {
        "Deploy": {
            "type": "object",
            "title": "Deploy",
            "properties": {
                "machine": {"type": "string", "title": "Machine", "description": "Name in the inventory"},
                "strategy": {"allOf": [{"$ref": "#/$defs/Strategy"}], "default": "rolling"},
                "note": {"anyOf": [{"type": "string", "maxLength": 9}, {"type": "null"}], "default": None},
                "owner": {"$ref": "#/$defs/Owner"},
            },
            "required": ["machine", "owner"],
        },
        "Strategy": {"enum": ["rolling", "blue/green"], "type": "string"},
        "Owner": {"type": "object", "properties": {"team": {"type": "string"}}},
    },
}


def only(schema: Any, **more: Any) -> Field:
    """The field of an object's only property."""
    fields = fields_of({"type": "object", "properties": {"x": schema}, **more})
    assert fields is not None
    [field] = fields
    return field


@pytest.mark.parametrize(
    ("schema", "kind"),
    [
        ({"type": "string"}, Kind.TEXT),
        ({"type": ["string", "null"]}, Kind.TEXT),
        ({"type": "integer"}, Kind.INTEGER),
        ({"type": "number", "minimum": 1}, Kind.NUMBER),
        ({"type": "boolean"}, Kind.CHOICE),
        ({"enum": ["a", 1, None]}, Kind.CHOICE),
        ({"const": "v1"}, Kind.CHOICE),
        ({"type": "string", "enum": [str(each) for each in range(MAX_CHOICES + 1)]}, Kind.JSON),
        ({"type": ["string", "integer"]}, Kind.JSON),
        ({"type": "array", "items": {"type": "string"}}, Kind.JSON),
        ({"type": "object"}, Kind.JSON),
        ({"oneOf": [{"type": "string"}, {"type": "integer"}]}, Kind.JSON),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, Kind.INTEGER),
        ({"$ref": "https://elsewhere.example/schema"}, Kind.JSON),
        ({"$ref": "#/$defs/missing"}, Kind.JSON),
        ({"$ref": "#/properties/x"}, Kind.JSON),
        ({"type": "string", "default": "two\nlines"}, Kind.JSON),
        ({"type": "integer", "default": "seven"}, Kind.JSON),
        ({"type": 7}, Kind.JSON),
        (True, Kind.JSON),
        ({}, Kind.JSON),
    ],
)
def test_a_property_becomes_a_field_of_a_kind(schema: Any, kind: Kind) -> None:
    """What has no control of its own is a field for JSON."""
    assert only(schema).kind is kind


@pytest.mark.parametrize(
    "schema",
    [
        None,
        {},
        True,
        {"type": "array"},
        {"type": "object"},
        {"type": "object", "properties": {}},
        {"type": "object", "properties": {"a": {}}, "required": ["b"]},
        {"type": ["object", "null"], "properties": {"a": {}}},
        {"properties": {"a": {}}, "oneOf": [{"required": ["a"]}, {"required": ["b"]}]},
        {"properties": {"a": {}}, "patternProperties": {"^x": {}}},
        {"properties": {"a": {}}, "if": {"required": ["a"]}, "then": {"required": ["b"]}},
        {"properties": {"a": {}}, "enum": [{"a": 1}]},
        {"anyOf": [{"type": "object", "properties": {"a": {}}}, {"type": "null"}]},
        {"$ref": "#"},
        {"properties": {f"p{each}": {} for each in range(MAX_FIELDS + 1)}},
    ],
)
def test_an_unusual_schema_has_no_fields(schema: Any) -> None:
    """Its input is edited as JSON."""
    assert fields_of(schema) is None


def test_the_schema_of_a_model_has_the_fields_of_the_model() -> None:
    """References, titles, descriptions, defaults and optional values, as pydantic writes them."""
    fields = fields_of(PYDANTIC)
    assert fields is not None
    machine, strategy, note, owner = fields
    assert (machine.title, machine.description, machine.required) == ("Machine", "Name in the inventory", True)
    assert (strategy.choices, strategy.default, strategy.required) == (["rolling", "blue/green"], "rolling", False)
    assert (note.kind, note.nullable, note.default, note.rules) == (Kind.TEXT, True, None, "At most 9 characters")
    assert (owner.kind, owner.required, owner.default) == (Kind.JSON, True, MISSING)


def test_rules_are_said_in_words() -> None:
    """With an example, if there is one."""
    rules = only({"type": "integer", "minimum": 1, "maximum": 3600, "examples": [60]}).rules
    assert rules == "At least 1, at most 3600, for example 60"
    assert only({"type": "string", "pattern": "^m-", "format": "hostname"}).rules == "Matches ^m-, format hostname"


def test_values_of_a_choice_differ_as_in_json() -> None:
    """1, true and "1" are three values; equal ones are there once."""
    field = only({"enum": [1, True, "1", 1, None, ""]})
    assert field.options == [("1", "1"), ("true", "Yes"), ('"1"', "1"), ("null", "null"), ('""', '""')]


def test_any_property_has_a_name_in_the_form_and_a_pointer() -> None:
    """Browsers change line breaks in names; JSON Pointers escape two characters."""
    fields = fields_of({"properties": {"a/b~c": {}, "\n\"'<é": {}, "": {}}})
    assert fields is not None
    assert [field.name for field in fields] == ["input.a%2Fb~c", "input.%0A%22%27%3C%C3%A9", "input."]
    assert fields[0].pointer == "/input/a~1b~0c"
