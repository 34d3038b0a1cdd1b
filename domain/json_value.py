"""JSON values, and text that a database and a log can take."""

import math
from collections.abc import Iterator
from typing import TypeAlias

JsonValue: TypeAlias = "bool | int | float | str | list[JsonValue] | dict[str, JsonValue] | None"

MAX_TEXT = 10_000
"""Longest message or reason that is kept, in characters."""
MAX_DEPTH = 100
"""Deepest nesting that the ledger takes in. Readers and writers of JSON recurse; what one of them can write and
another cannot read would break an operation for ever."""


def too_deep(value: JsonValue) -> bool:
    """Whether arrays and objects are nested more than MAX_DEPTH levels deep. Does not recurse."""
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [item for container in level for item in _items(container) if isinstance(item, list | dict)]
        if not level:
            return False
    return True


def _items(value: JsonValue) -> list[JsonValue]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


def clean_text(text: str, limit: int = MAX_TEXT) -> str:
    """Text without what PostgreSQL's `text` refuses (NUL, lone surrogates), cut to `limit` characters."""
    cut = text if len(text) <= limit else text[: limit - 1] + "…"
    return cut.replace("\x00", "�").encode("utf-8", "replace").decode("utf-8")


def strict_json(value: JsonValue) -> JsonValue:
    """The value with NaN and the infinities, which JSON does not have, as null (what ECMAScript's JSON writes)."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, list):
        return [strict_json(item) for item in value]
    if isinstance(value, dict):
        return {key: strict_json(item) for key, item in value.items()}
    return value


SHOWN_POINTERS = 5
"""How many places a note about a value names."""


def not_finite_note(value: JsonValue) -> str | None:
    """Says which numbers are NaN, infinite or beyond a double, as JSON Pointers (RFC 6901); None if there are none.
    `strict_json` replaces exactly these by null."""
    pointers = list(_not_finite(value, ""))
    if not pointers:
        return None
    places = ", ".join(clean_text(pointer, 100) or "the whole value" for pointer in pointers[:SHOWN_POINTERS])
    more = f" and {len(pointers) - SHOWN_POINTERS} more" if len(pointers) > SHOWN_POINTERS else ""
    return f"JSON has no NaN and no infinity; shown as null: {places}{more}"


def _not_finite(value: JsonValue, pointer: str) -> Iterator[str]:
    if isinstance(value, float):
        if not math.isfinite(value):
            yield pointer
    elif isinstance(value, list):
        for index, item in enumerate(value):
            if isinstance(item, float | list | dict):
                yield from _not_finite(item, f"{pointer}/{index}")
    elif isinstance(value, dict):
        for key, item in value.items():
            if isinstance(item, float | list | dict):
                yield from _not_finite(item, f"{pointer}/{key.replace('~', '~0').replace('/', '~1')}")
