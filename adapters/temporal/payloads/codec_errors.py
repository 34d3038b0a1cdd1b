"""Separates outages of a payload codec from payloads that it cannot decode."""

import sys

from domain.errors import OpledgerError


class CodecUnavailable(OpledgerError):
    """The payload codec is unavailable. It may decode the same payload later."""


def is_outage(error: BaseException) -> bool:
    """Whether the codec may decode the same payload later: for TimeoutError, another OSError such as ConnectionError,
    or an error of httpx. Every other exception is about the payload."""
    if isinstance(error, CodecUnavailable | OSError):
        return True
    httpx = sys.modules.get("httpx")  # not imported here, because that takes long: without it there is no such error
    return httpx is not None and isinstance(error, httpx.HTTPError)
