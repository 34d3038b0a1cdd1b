"""Compiles schemas with jsonschema-rs so that clients cannot make validation slow."""

import json
from typing import Any, Final

import msgspec
from jsonschema_rs import Draft202012Validator, RegexOptions

_MAX_PATTERN: Final = 1_000_000
"""Limit of a compiled regular expression in bytes. Matching is linear in the text; this bounds the factor."""

_encode = msgspec.json.Encoder(order="deterministic").encode


class UniqueItems:
    """The keyword `uniqueItems`, in linear time.

    jsonschema-rs compares integers beyond 64 bits in pairs: 11,000 of them take half a minute and hold the GIL."""

    def __init__(self, schema: dict[str, Any], unique: Any, path: list[str | int]) -> None:  # noqa: ARG002
        self._unique = unique is True

    def validate(self, value: Any) -> None:
        """Raises ValueError: two items are equal."""
        if self._unique and isinstance(value, list) and len({_text(item) for item in value}) < len(value):
            raise ValueError("two items are equal")


def compile_schema(schema: dict[str, Any]) -> Draft202012Validator:
    """Compiles a schema of draft 2020-12.

    It fetches nothing, treats `format` as an annotation, and accepts patterns without look-around and back-references
    only, which match in linear time. Raises jsonschema_rs.ValidationError, ValueError."""
    return Draft202012Validator(
        schema,
        offline=True,
        validate_formats=False,
        pattern_options=RegexOptions(size_limit=_MAX_PATTERN),
        keywords={"uniqueItems": UniqueItems},
    )


def _text(value: Any) -> bytes:
    """Returns equal texts for values that are equal in JSON Schema: 1 and 1.0 are, 1 and true are not.

    Texts, because a client can choose integers whose hashes collide."""
    try:
        text = _encode(value)
        return _encode(_plain(value)) if b"." in text or b"e" in text else text
    except OverflowError:  # msgspec does not encode integers beyond 64 bits.
        return json.dumps(_plain(value), sort_keys=True).encode()


def _plain(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value
