"""Reads the header `Idempotency-Key`."""

import re
from typing import Final

from entrypoints.http.problems.problems import InvalidHeader
from entrypoints.http.requests.api_request import ApiRequest
from entrypoints.http.requests.parameters import IDEMPOTENCY_KEY

KEY_RULE: Final = "must be 1 to 255 printable ASCII characters"
_KEY: Final = re.compile(r"[\x20-\x7e]{1,255}")


def checked_key(request: ApiRequest) -> str | None:
    """The key; None if the request has none. Raises InvalidHeader."""
    keys = IDEMPOTENCY_KEY.values(request)
    if keys and not is_key(keys[0]):
        raise InvalidHeader("Idempotency-Key", KEY_RULE)
    return keys[0] if keys else None


def is_key(text: str) -> bool:
    """Whether the text may be a key."""
    return _KEY.fullmatch(text) is not None
