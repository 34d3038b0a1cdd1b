"""HTTP requests to the identity provider, with limits on time and size. Redirects are not followed."""

import asyncio
import ssl
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

import httpx

from application.ports.token_verifier import IdentityProviderUnavailable

TIMEOUT = 5.0
"""Timeout of a request in seconds."""
MAX_BYTES = 1024 * 1024
"""Limit of a response body in bytes."""
_ACCEPT: Final = {"Accept": "application/json"}


async def read_url(url: str) -> bytes:
    """Returns the body of a response with status 200. Raises IdentityProviderUnavailable."""
    status, body = await exchange("GET", url)
    if status != httpx.codes.OK:
        raise IdentityProviderUnavailable(f"{url} answers {status}")
    return body


async def exchange(
    method: str, url: str, *, headers: Mapping[str, str] | None = None, body: str | None = None
) -> tuple[int, bytes]:
    """Returns status and body of the response. Raises IdentityProviderUnavailable, with the URL alone."""
    content = b""
    try:
        async with (
            asyncio.timeout(TIMEOUT),
            httpx.AsyncClient(timeout=TIMEOUT, verify=_tls()) as client,
            client.stream(method, url, headers={**_ACCEPT, **(headers or {})}, content=body) as answer,
        ):
            async for chunk in answer.aiter_bytes():
                content += chunk
                if len(content) > MAX_BYTES:
                    raise IdentityProviderUnavailable(f"{url} answers with more than {MAX_BYTES} bytes")
            return answer.status_code, content
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
        raise IdentityProviderUnavailable(f"{url} cannot be read: {str(error) or type(error).__name__}") from None


@lru_cache(maxsize=1)
def _tls() -> ssl.SSLContext:
    """To make one takes 20 ms, in which the event loop would do nothing else."""
    return httpx.create_ssl_context()
