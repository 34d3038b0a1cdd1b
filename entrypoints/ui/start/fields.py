"""The fields of a form, from the JSON schema of an input."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final
from urllib.parse import quote

from domain.json_value import JsonValue
from domain.operation.operation import MISSING, Input
from entrypoints.ui.rendering.words import clip
from entrypoints.ui.start.schemas import Schema, allows_null, simplified, types_of

MAX_FIELDS: Final = 40
"""Fields of a form. A schema with more properties has none."""
MAX_CHOICES: Final = 200
PREFIX: Final = "input."
"""Start of the names of the fields in the form."""
_MAX_TEXT: Final = 500
_UNUSUAL: Final = frozenset(
    {"$dynamicRef", "$ref", "allOf", "anyOf", "oneOf", "not", "if", "patternProperties", "dependentSchemas"}
    | {"enum", "const"}
)
"""Keywords of an object that a list of fields cannot express."""
_RULES: Final = {
    "minimum": "at least {}",
    "exclusiveMinimum": "more than {}",
    "maximum": "at most {}",
    "exclusiveMaximum": "less than {}",
    "multipleOf": "a multiple of {}",
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "pattern": "matches {}",
    "format": "format {}",
}


class Kind(StrEnum):
    """How a field is filled in."""

    TEXT = "text"
    """One line: the text is the value."""
    INTEGER = "integer"
    NUMBER = "number"
    CHOICE = "choice"
    """One of the values in a list."""
    JSON = "json"
    """A value of another kind, as JSON."""


@dataclass(frozen=True, slots=True)
class Field:
    """A property of the input."""

    property_name: str
    kind: Kind
    title: str
    description: str
    rules: str
    """What the schema asks for, in words."""
    required: bool
    nullable: bool
    default: Input
    choices: Sequence[JsonValue]

    @property
    def name(self) -> str:
        """Its name in the form. Any property has one: browsers change line breaks in names."""
        return PREFIX + quote(self.property_name, safe="")

    @property
    def pointer(self) -> str:
        """JSON Pointer of its value in the body of a submission."""
        return "/input/" + self.property_name.replace("~", "~0").replace("/", "~1")

    @property
    def options(self) -> list[tuple[str, str]]:
        """The values of a choice in the form, and their words."""
        return [(json_text(choice), _words(choice)) for choice in self.choices]


def fields_of(schema: Schema | None) -> tuple[Field, ...] | None:
    """The fields of the input. None: the input of this schema can be edited as JSON only."""
    found = None if schema is None else simplified(schema, schema)
    if schema is None or found is None or not _UNUSUAL.isdisjoint(found):
        return None
    properties, required = found.get("properties"), found.get("required", [])
    if types_of(found) not in ([], ["object"]) or not isinstance(properties, Mapping):
        return None
    if not 0 < len(properties) <= MAX_FIELDS or not {*required} <= properties.keys():
        return None
    return tuple(_field(schema, name, inner, required=name in required) for name, inner in properties.items())


def json_text(value: Any) -> str:
    """The value as JSON in one line. Values with the same text are the same: 1, 1.0 and true differ."""
    return json.dumps(value, ensure_ascii=False)


def is_line(value: object) -> bool:
    """Whether a text field of a browser can hold the value: a text without line breaks, and not the empty one, which
    stands for no value."""
    return isinstance(value, str) and value != "" and not {"\r", "\n"} & {*value}


def _field(root: Schema, name: str, schema: Any, *, required: bool) -> Field:
    found = simplified(root, schema)
    kind, choices = (Kind.JSON, []) if found is None else _kind(found)
    about: Mapping[str, Any] = found or (schema if isinstance(schema, Mapping) else {})
    default = about.get("default", MISSING)
    if not _holds(kind, choices, default):
        kind, choices = Kind.JSON, []
    return Field(
        property_name=name,
        kind=kind,
        title=_text(about.get("title")) or name,
        description=_text(about.get("description")),
        rules=_rules(about),
        required=required,
        nullable=allows_null(about),
        default=default,
        choices=choices,
    )


def _kind(schema: Schema) -> tuple[Kind, list[JsonValue]]:
    values = [schema["const"]] if "const" in schema else schema.get("enum")
    if isinstance(values, list):
        distinct = {json_text(value): value for value in values}
        return (Kind.CHOICE, [*distinct.values()]) if len(distinct) <= MAX_CHOICES else (Kind.JSON, [])
    match [name for name in types_of(schema) if name != "null"]:
        case ["boolean"]:
            return Kind.CHOICE, [True, False, *([None] if allows_null(schema) else [])]
        case [("integer" | "number") as name]:
            return Kind(name), []
        case ["string"]:
            return Kind.TEXT, []
    return Kind.JSON, []


def _holds(kind: Kind, choices: Sequence[JsonValue], default: Any) -> bool:
    """Whether the field can show the default."""
    if default is MISSING or default is None or kind is Kind.JSON:
        return True
    if kind is Kind.CHOICE:
        return json_text(default) in map(json_text, choices)
    if kind is Kind.TEXT:
        return is_line(default)
    return isinstance(default, int | float) and not isinstance(default, bool)


def _rules(schema: Schema) -> str:
    rules = [
        words.format(clip(str(value), 100))
        for keyword, words in _RULES.items()
        for value in [schema.get(keyword)]
        if isinstance(value, str | int | float) and not isinstance(value, bool)
    ]
    examples = schema.get("examples")
    if isinstance(examples, list) and examples:
        rules.append(f"for example {clip(_words(examples[0]), 100)}")
    text = ", ".join(rules)
    return f"{text[:1].upper()}{text[1:]}"


def _text(value: object) -> str:
    return clip(value, _MAX_TEXT) if isinstance(value, str) else ""


def _words(value: Any) -> str:
    if isinstance(value, bool):
        return "Yes" if value else "No"
    return value if isinstance(value, str) and value else json_text(value)
