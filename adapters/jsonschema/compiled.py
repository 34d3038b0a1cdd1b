"""Compiles schemas with jsonschema-rs, so that no verdict takes time that a client can drive up."""

import json
from typing import Any, Final

import msgspec
from jsonschema_rs import Draft202012Validator, RegexOptions

_MAX_PATTERN: Final = 1_000_000
"""Bytes of a compiled regular expression. Matching is linear in the text, and this bounds the factor."""

_encode = msgspec.json.Encoder(order="deterministic").encode


class UniqueItems:
    """The keyword `uniqueItems`, in linear time.

    jsonschema-rs compares every two integers beyond 64 bits: 11,000 of them take half a minute, and the GIL is held."""

    def __init__(self, schema: dict[str, Any], unique: Any, path: list[str | int]) -> None:
        self._unique = unique is True

    def validate(self, value: Any) -> None:
        """Raises ValueError: an item is there twice."""
        if self._unique and isinstance(value, list) and len({_text(item) for item in value}) < len(value):
            raise ValueError("an item is there twice")


def compile_schema(schema: dict[str, Any]) -> Draft202012Validator:
    """Draft 2020-12. Nothing is fetched, `format` is an annotation, and patterns have neither look-around nor
    back-references, so that they match in linear time. Raises jsonschema_rs.ValidationError, ValueError."""
    return Draft202012Validator(
        schema,
        offline=True,
        validate_formats=False,
        pattern_options=RegexOptions(size_limit=_MAX_PATTERN),
        keywords={"uniqueItems": UniqueItems},
    )


def _text(value: Any) -> bytes:
    """The same text for values that JSON Schema calls equal: 1 and 1.0 are, 1 and true are not.

    Texts and not numbers, because a client can choose integers whose hashes collide."""
    try:
        text = _encode(value)
        return _encode(_plain(value)) if b"." in text or b"e" in text else text
    except OverflowError:  # An integer beyond 64 bits, which msgspec does not write.
        return json.dumps(_plain(value), sort_keys=True).encode()


def _plain(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value
