"""Converts JSON values to the text of a `json` column and back."""

import json
from collections.abc import Callable
from typing import Final

import msgspec

from domain.errors import InvalidInput
from domain.json_value import JsonValue, strict_json

MAX_DEPTH = 200
"""Levels of nesting that are stored. Python's parser stops at the recursion limit (1,000 frames, the web server's
included): a reader could fail on a deeper value."""
_READ: Final[Callable[[str], JsonValue]] = msgspec.json.Decoder().decode


def dump(value: JsonValue) -> str:
    """Returns the value as ASCII JSON, with null for NaN and the infinities. Raises InvalidInput: nested too deeply."""
    _check_depth(value)
    try:
        return json.dumps(value, allow_nan=False, separators=(",", ":"))
    except ValueError:
        return json.dumps(strict_json(value), allow_nan=False, separators=(",", ":"))


def load(text: str) -> JsonValue:
    """Returns the value that `dump` was given. msgspec is several times as fast as `json`, but refuses two things that
    may be stored: half of a surrogate pair, and a number beyond a double."""
    value: JsonValue
    try:
        value = _READ(text)
    except msgspec.DecodeError:
        value = json.loads(text)
    return value


def _check_depth(value: JsonValue) -> None:
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [item for container in level for item in _items(container) if isinstance(item, (list, dict))]
        if not level:
            return
    raise InvalidInput(f"the JSON is nested more than {MAX_DEPTH} levels deep")


def _items(value: JsonValue) -> list[JsonValue]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []
