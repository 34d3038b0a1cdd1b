"""Reads request headers: their values, and the grammar that they share (RFC 9110, 5.6).

The patterns do not backtrack, because a header may have 64 KiB.
"""

import re
from typing import Final

from litestar.types import HTTPScope, WebSocketScope

TOKEN: Final = r"[!#$%&'*+.^_`|~0-9A-Za-z-]++"
_QUOTED: Final = r'"(?:[\t \x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t\x20-\x7e\x80-\xff])*+"'
_VALUE: Final = rf"(?:{TOKEN}|{_QUOTED})"
_SPACE: Final = r"[ \t]*+"
_PARAMETERS: Final = rf"(?P<parameters>(?:{_SPACE};{_SPACE}(?:{TOKEN}={_VALUE})?+)*+){_SPACE}"
_PARAMETER: Final = re.compile(rf"({TOKEN})=({_VALUE})")
_MEDIA_TYPE: Final = re.compile(rf"{_SPACE}(?P<type>{TOKEN}/{TOKEN}){_PARAMETERS}")
_PREFERENCE: Final = re.compile(
    rf"[ \t,]*+(?P<name>{TOKEN})(?:{_SPACE}={_SPACE}(?P<value>{_VALUE}))?+"
    rf"(?:{_SPACE};{_SPACE}(?:{TOKEN}(?:{_SPACE}={_SPACE}{_VALUE})?+)?+)*+{_SPACE}(?:,|\Z)"
)


def header_values(scope: HTTPScope | WebSocketScope, lower_name: bytes) -> list[str]:
    """All values of a header."""
    return [value.decode("latin-1") for name, value in scope["headers"] if name == lower_name]


def media_type(text: str) -> tuple[str, list[tuple[str, str]]] | None:
    """Type and parameters of a Content-Type (RFC 9110, 8.3.1), names and type in lower case. None: it is invalid."""
    found = _MEDIA_TYPE.fullmatch(text)
    if found is None:
        return None
    parameters = _PARAMETER.findall(found["parameters"])
    return found["type"].lower(), [(name.lower(), _unquoted(value)) for name, value in parameters]


def preferences(values: list[str]) -> dict[str, str]:
    """The preferences of a request (RFC 7240) by lower-case name. Of repeated names the first counts. Everything after
    an invalid element is ignored."""
    header, position, found = ",".join(values), 0, dict[str, str]()
    while match := _PREFERENCE.match(header, position):
        found.setdefault(match["name"].lower(), _unquoted(match["value"] or ""))
        position = match.end()
    return found


def _unquoted(value: str) -> str:
    return re.sub(r"\\(.)", r"\1", value[1:-1]) if value.startswith('"') else value
