"""Reads a JSON Web Key Set (RFC 7517) from a file or a URL."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx

from application.ports.token_verifier import IdentityProviderUnavailable

FETCH_TIMEOUT = 5.0
"""Timeout of a URL in seconds."""
MAX_BYTES = 1024 * 1024
"""Limit of the content of a URL in bytes."""
KeySource = Callable[[], Awaitable[bytes]]
"""Returns the content. Raises IdentityProviderUnavailable."""


def key_source(place: str) -> KeySource:
    """Returns a function that reads an http or https URL, or a file by its path."""
    if place.startswith(("https://", "http://")):
        return lambda: _fetch(place)
    return lambda: _read(Path(place))


async def _fetch(url: str) -> bytes:
    content = b""
    try:
        async with (
            asyncio.timeout(FETCH_TIMEOUT),
            httpx.AsyncClient(timeout=FETCH_TIMEOUT) as client,
            client.stream("GET", url, headers={"Accept": "application/json"}) as answer,
        ):
            if answer.status_code != httpx.codes.OK:
                raise IdentityProviderUnavailable(f"{url} answers {answer.status_code}")
            async for chunk in answer.aiter_bytes():
                content += chunk
                if len(content) > MAX_BYTES:
                    raise IdentityProviderUnavailable(f"{url} answers with more than {MAX_BYTES} bytes")
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
        raise IdentityProviderUnavailable(f"{url} cannot be read: {str(error) or type(error).__name__}") from None
    return content


async def _read(path: Path) -> bytes:
    try:
        return await asyncio.to_thread(path.read_bytes)
    except OSError as error:
        raise IdentityProviderUnavailable(f"{path} cannot be read: {error.strerror}") from None
