"""JSON as PostgreSQL's `json` keeps it: as text, with whatever escapes, order and numbers JSON allows."""

import json
from collections.abc import Callable
from typing import Final

import msgspec

from domain.errors import InvalidInput
from domain.json_value import JsonValue, strict_json

MAX_DEPTH = 200
"""Deepest nesting that is stored. Python's parser stops at what is left of the recursion limit (1,000 frames, those of
the web server among them): a deeper value could be written by one caller and then break every reader."""
_READ: Final[Callable[[str], JsonValue]] = msgspec.json.Decoder().decode


def dump(value: JsonValue) -> str:
    """The value as ASCII JSON, NaN and the infinities as null. Raises InvalidInput: nested too deeply."""
    _check_depth(value)
    try:
        return json.dumps(value, allow_nan=False, separators=(",", ":"))
    except ValueError:
        return json.dumps(strict_json(value), allow_nan=False, separators=(",", ":"))


def load(text: str) -> JsonValue:
    """The value that `dump` was given. msgspec reads several times as fast as `json`, and refuses two things that may
    be stored: half a surrogate pair, and a number that is beyond a double."""
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
