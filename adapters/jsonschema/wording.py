"""What to say about an input that does not fit. The rule is named; the input is not repeated, it may hold secrets."""

import json
from collections.abc import Callable, Sequence
from typing import Any, Final

from jsonschema import ValidationError

_LONGEST = 200
_BOUNDS: Final = {
    "minimum": "must be at least {}",
    "maximum": "must be at most {}",
    "exclusiveMinimum": "must be more than {}",
    "exclusiveMaximum": "must be less than {}",
    "multipleOf": "must be a multiple of {}",
    "minLength": "must have at least {} characters",
    "maxLength": "must have at most {} characters",
    "pattern": "must match the pattern {}",
    "minItems": "must have at least {} items",
    "maxItems": "must have at most {} items",
    "minProperties": "must have at least {} fields",
    "maxProperties": "must have at most {} fields",
    "const": "must be {}",
    "minContains": "must contain at least {} items of the kind asked for",
    "maxContains": "must contain at most {} items of the kind asked for",
}
_FORMS: Final = {
    "uniqueItems": "must not hold an item twice",
    "contains": "must contain an item of the kind asked for",
    "anyOf": "must have one of the allowed forms",
    "oneOf": "must have exactly one of the allowed forms",
    "not": "has a form that is not allowed",
    None: "holds a field or item that is not allowed",
}


def place_and_rule(error: ValidationError) -> tuple[list[str | int], str]:
    """Where under the input something is wrong, and which rule it breaks."""
    place = list(error.absolute_path)
    if error.validator in _NAMES:
        name, rule = _NAMES[error.validator](error)
        return ([*place, name] if name is not None else place), rule
    return place, _rule(str(error.validator) if error.validator is not None else None, error.validator_value)


def _rule(keyword: str | None, value: Any) -> str:
    if keyword in _FORMS:
        return _FORMS[keyword]
    if keyword == "type":
        return f"must be of type {' or '.join([value] if isinstance(value, str) else value)}"
    if keyword == "enum":
        return _short(f"must be one of {', '.join(json.dumps(item) for item in value[:20])}")
    if keyword in _BOUNDS:
        return _short(_BOUNDS[keyword].format(json.dumps(value)))
    return f"breaks the rule {keyword}"


def _required(error: ValidationError) -> tuple[str | None, str]:
    wanted: Any = error.validator_value
    return _missing(error, wanted)


def _dependent(error: ValidationError) -> tuple[str | None, str]:
    rules: Any = error.validator_value
    instance: Any = error.instance
    return _missing(error, [name for given, names in rules.items() if given in instance for name in names])


def _missing(error: ValidationError, wanted: Sequence[str]) -> tuple[str | None, str]:
    instance: Any = error.instance
    return next((name for name in wanted if name not in instance), None), "is required"


def _additional(error: ValidationError) -> tuple[str | None, str]:
    """jsonschema knows which fields are too many, and says so in words alone."""
    known = error.schema.get("properties", {}) if isinstance(error.schema, dict) else {}
    unknown = [name for name in error.instance if name not in known] if isinstance(error.instance, dict) else []
    if len(unknown) == 1 and not (isinstance(error.schema, dict) and "patternProperties" in error.schema):
        return unknown[0], "is not a known field"
    return None, "has fields or items that are not known"


_NAMES: Final[dict[Any, Callable[[ValidationError], tuple[str | None, str]]]] = {
    "required": _required,
    "dependentRequired": _dependent,
    "additionalProperties": _additional,
    "unevaluatedProperties": _additional,
}


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
