"""Refuses repeated headers where one value is expected: a proxy may have checked the other value."""

from typing import Final

from litestar.types import HTTPScope

from domain.access.callback_token import TOKEN_HEADER
from entrypoints.http.problems.problems import InvalidHeader

_NAMES: Final = (
    "Authorization",
    "Content-Encoding",
    "Content-Length",
    "Content-Type",
    "Host",
    "Idempotency-Key",
    "Last-Event-ID",
    "Origin",
    "Sec-Fetch-Site",
    TOKEN_HEADER,
)
_SINGLE: Final = {name.lower().encode(): name for name in _NAMES}


def check_single_headers(scope: HTTPScope) -> None:
    """Raises InvalidHeader for the first repeated header."""
    names = [name for name, _ in scope["headers"] if name in _SINGLE]
    if len(names) > len({*names}):
        repeated = next(name for index, name in enumerate(names) if name in names[:index])
        raise InvalidHeader(_SINGLE[repeated], "must not be repeated")
