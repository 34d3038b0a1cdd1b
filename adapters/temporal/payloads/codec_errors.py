"""Separates outages of a payload codec from payloads that it cannot decode."""

import httpx

from domain.errors import OpledgerError


class CodecUnavailable(OpledgerError):
    """The payload codec is unavailable. It may decode the same payload later."""


def is_outage(error: BaseException) -> bool:
    """Whether the codec may decode the same payload later: for TimeoutError, another OSError such as ConnectionError,
    or an error of httpx. Every other exception is about the payload."""
    return isinstance(error, CodecUnavailable | OSError | httpx.HTTPError)
