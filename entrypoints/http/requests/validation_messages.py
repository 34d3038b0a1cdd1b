"""Rewrites msgspec's messages in terms of JSON."""

import re
from typing import Final

_TERMS: Final = {
    "str": "a string",
    "int": "an integer",
    "bool": "true or false",
    "dict": "an object",
    "float": "a number",
    "datetime": "an RFC 3339 time",
}
_TERM = re.compile(r"`(\w+)(?P<rule>[^`]*)`")


def plain(message: str) -> str:
    """ "Expected `str`, got `int`" as "expected a string, got an integer"."""
    words = _TERM.sub(lambda match: _TERMS.get(match[1], match[1]) + match["rule"], message)
    return words[:1].lower() + words[1:]
