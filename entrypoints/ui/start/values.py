"""Converts between an input and the texts of its form."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from domain.errors import Violation
from domain.json_value import JsonValue
from domain.operation.operation import MISSING
from entrypoints.http.problems.problems import MalformedBody
from entrypoints.http.requests.json_body import parse_json
from entrypoints.ui.start.fields import Field, Kind, is_line, json_text

Texts = Mapping[str, str]
"""What the fields hold, by their names."""


class Unreadable(Exception):
    """A text is not a value. Holds the violation."""

    def __init__(self, violation: Violation) -> None:
        super().__init__(violation.message)
        self.violation = violation


def parsed(text: str, pointer: str) -> Any:
    """The value of a JSON text. Raises Unreadable."""
    try:
        return parse_json(text.encode())
    except MalformedBody as error:
        name = pointer.strip("/").replace("/", ".")
        raise Unreadable(Violation(f"{name}: {str(error).removeprefix('the body ')}", pointer)) from None


def read(fields: Sequence[Field], texts: Texts) -> tuple[dict[str, JsonValue], list[Violation]]:
    """The input, and the violations of texts that are not in it. A text that does not suit its field stays a string:
    the validation of the service reports it."""
    value: dict[str, JsonValue] = {}
    violations = []
    for field in fields:
        try:
            found = _read(field, texts.get(field.name, ""))
        except Unreadable as error:
            violations.append(error.violation)
        else:
            if found is not MISSING:
                value[field.property_name] = found
    return value, violations


def initial(fields: Sequence[Field]) -> Texts:
    """The texts of an empty form: the defaults."""
    defaults = ((field, field.default) for field in fields if field.default is not MISSING)
    return {field.name: _text(field, default) or "" for field, default in defaults}


def written(fields: Sequence[Field], value: object) -> Texts | None:
    """The texts of a form that holds the value. None: no texts would be read as this value."""
    if not isinstance(value, Mapping):
        return None
    texts = {
        field.name: _text(field, value[field.property_name]) or "" for field in fields if field.property_name in value
    }
    again, violations = read(fields, texts)
    return None if violations or _identity(again) != _identity(value) else texts


def _identity(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def _read(field: Field, text: str) -> Any:
    if not text.strip():
        return None if field.nullable and field.required and not field.choices else MISSING
    return _READERS[field.kind](field, text)


def _integer(_: Field, text: str) -> Any:
    return _number_or_text(text, int)


def _number(_: Field, text: str) -> Any:
    return _number_or_text(text, int | float)


def _number_or_text(text: str, kind: Any) -> Any:
    try:
        value = parsed(text, "")
    except Unreadable:
        return text
    return value if isinstance(value, kind) and not isinstance(value, bool) else text


def _choice(field: Field, text: str) -> Any:
    return next((choice for choice in field.choices if json_text(choice) == text), text)


_READERS: Final[Mapping[Kind, Callable[[Field, str], Any]]] = {
    Kind.TEXT: lambda _, text: text,
    Kind.INTEGER: _integer,
    Kind.NUMBER: _number,
    Kind.CHOICE: _choice,
    Kind.JSON: lambda field, text: parsed(text, field.pointer),
}


def _text(field: Field, value: Any) -> str | None:
    """The text of the field that holds the value. None: there is none."""
    match field.kind:
        case Kind.TEXT:
            return value if is_line(value) else None
        case Kind.JSON:
            return json.dumps(value, indent=2, ensure_ascii=False)
        case Kind.CHOICE:
            return json_text(value) if json_text(value) in map(json_text, field.choices) else None
    return json_text(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
