"""Reads a JSON Web Key Set (RFC 7517) from a file or a URL."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

from adapters.identity_provider.http import read_url
from application.ports.token_verifier import IdentityProviderUnavailable

KeySource = Callable[[], Awaitable[bytes]]
"""Returns the content. Raises IdentityProviderUnavailable."""


def key_source(place: str) -> KeySource:
    """Returns a function that reads an http or https URL, or a file by its path."""
    if place.startswith(("https://", "http://")):
        return partial(read_url, place)
    return partial(_read, Path(place))


async def _read(path: Path) -> bytes:
    try:
        return await asyncio.to_thread(path.read_bytes)
    except OSError as error:
        raise IdentityProviderUnavailable(f"{path} cannot be read: {error.strerror}") from None
