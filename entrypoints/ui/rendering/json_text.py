"""JSON values as text for people."""

import json
from typing import Any, Final

from application.ports.storage.operation_view import JsonText
from domain.operation.operation import MISSING
from entrypoints.ui.rendering.words import clip

MAX_SHOWN: Final = 200_000
"""Characters of a value on the page of an operation. A larger one is cut; the API returns it complete."""
_GIST: Final = 140


def pretty(value: Any) -> str:
    """The value with line breaks, at most MAX_SHOWN characters."""
    if isinstance(value, JsonText):
        if len(value.text) > MAX_SHOWN:
            return clip(value.text, MAX_SHOWN)
        value = json.loads(value.text)
    return clip(json.dumps(value, indent=2, ensure_ascii=False), MAX_SHOWN)


def parsed_json(value: Any) -> Any:
    """The value, which stores may have as text."""
    return json.loads(value.text) if isinstance(value, JsonText) else value


def gist(value: Any) -> str:
    """The start of the value, in one line."""
    text = value.text if isinstance(value, JsonText) else json.dumps(value, ensure_ascii=False)
    return clip(text, _GIST)


def is_missing(value: Any) -> bool:
    """Whether an operation has no input, which differs from null."""
    return value is MISSING


def is_null(value: Any) -> bool:
    """Whether the value is null."""
    return value is None or (isinstance(value, JsonText) and value.text == "null")
