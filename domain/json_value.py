"""JSON values, and text that is safe for PostgreSQL and logs."""

import math
from collections.abc import Iterator
from typing import TypeAlias

JsonValue: TypeAlias = "bool | int | float | str | list[JsonValue] | dict[str, JsonValue] | None"

MAX_TEXT = 10_000
"""Maximum length of a stored message or reason, in characters."""
MAX_DEPTH = 100
"""Maximum nesting that the ledger accepts. JSON readers and writers recurse: a value that one of them can write and
another cannot read would make its operation unreadable."""


def too_deep(value: JsonValue) -> bool:
    """Whether arrays and objects are nested more than MAX_DEPTH levels deep. Works without recursion."""
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
    """The text without characters that PostgreSQL's `text` refuses (NUL, lone surrogates), cut to `limit`
    characters."""
    cut = text if len(text) <= limit else text[: limit - 1] + "…"
    return cut.replace("\x00", "�").encode("utf-8", "replace").decode("utf-8")


def strict_json(value: JsonValue) -> JsonValue:
    """The value with null for NaN and the infinities, which JSON does not have. ECMAScript's `JSON.stringify` does the
    same."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, list):
        return [strict_json(item) for item in value]
    if isinstance(value, dict):
        return {key: strict_json(item) for key, item in value.items()}
    return value


SHOWN_POINTERS = 5
"""Maximum number of JSON pointers in a note."""


def not_finite_note(value: JsonValue) -> str | None:
    """Message that lists the numbers that are NaN or infinite, as JSON pointers (RFC 6901); None if there are none.

    `strict_json` replaces exactly these numbers by null. A number beyond the range of a double reads as infinite.
    """
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
