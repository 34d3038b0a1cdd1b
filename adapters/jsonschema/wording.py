"""Messages for inputs that do not fit. They name the rule and never repeat the input, which may contain secrets."""

import json
from collections.abc import Sequence
from typing import Any, Final

from domain.errors import Violation

UNEXPLAINED: Final = "does not fit the schema of its operation type"
"""The rule if the limits allow no better explanation."""
_MAX_NAME: Final = 100
_MAX_TEXT: Final = 200
_MAX_POINTER: Final = 300
RULES: Final = {
    "type": "must be of type {}",
    "enum": "must be one of {}",
    "const": "must be {}",
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
    "uniqueItems": "must not hold an item twice",
}
"""Messages of rules that depend on a single value."""
_FORMS: Final = {
    "contains": "must contain an item of the kind asked for",
    "minContains": "must contain at least {} items of the kind asked for",
    "maxContains": "must contain at most {} items of the kind asked for",
    "anyOf": "must have one of the allowed forms",
    "oneOf": "must have exactly one of the allowed forms",
    "not": "has a form that is not allowed",
}


def violation(path: Sequence[str | int], rule: str) -> Violation:
    """Returns the violation of this rule by the value at this path."""
    name = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    pointer = "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)
    return Violation(f"input{_short(name, _MAX_NAME)} {rule}", f"/input{_short(pointer, _MAX_POINTER)}")


def rule_text(keyword: str, value: Any) -> str:
    """Returns the message of a rule."""
    text = RULES.get(keyword) or _FORMS[keyword]
    if keyword == "type":
        return text.format(" or ".join([value] if isinstance(value, str) else value))
    if keyword == "enum":
        return _short(text.format(", ".join(json.dumps(item) for item in value[:20])), _MAX_TEXT)
    return _short(text.format(json.dumps(value)), _MAX_TEXT) if "{}" in text else text


def _short(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
