"""What an error of a payload codec means: an outage, which passes, or a payload that it cannot decode."""

import httpx

from domain.errors import OpledgerError


class CodecUnavailable(OpledgerError):
    """The codec is unavailable. It may decode the same payload later."""


def is_outage(error: BaseException) -> bool:
    """Whether the same payload may be decoded later. A codec says so with TimeoutError, another OSError such as
    ConnectionError, or an error of httpx; every other exception is about the payload."""
    return isinstance(error, CodecUnavailable | OSError | httpx.HTTPError)
