"""A cache of the identity provider's keys."""

import json
import time
from collections.abc import Callable, Mapping
from typing import Any

from jwt import PyJWK
from jwt.exceptions import InvalidKeyError, PyJWKError

from adapters.identity_provider.key_source import KeySource
from adapters.identity_provider.published import Published
from application.ports.token_verifier import IdentityProviderUnavailable

_Keys = Mapping[str | None, PyJWK]


class KeySet:
    """The provider's keys by id, cached."""

    def __init__(self, read: KeySource, algorithm: str, monotonic: Callable[[], float] = time.monotonic) -> None:
        """Ignores keys that are not for signatures with `algorithm`."""

        async def usable() -> _Keys:
            return _usable(await read(), algorithm)

        self._published = Published("the keys", usable, monotonic)

    async def key(self, key_id: str | None) -> PyJWK | None:
        """Returns the key with this id; without an id, the only key; None if there is none. Reads the keys again for an
        unknown id, which may be new. Raises IdentityProviderUnavailable if the keys were never read."""
        return _find(await self._published.get(), key_id) or _find(await self._published.renewed(), key_id)

    async def check(self) -> int:
        """Reads the keys and returns the number of usable ones. Raises IdentityProviderUnavailable."""
        return len(await self._published.check())


def _find(keys: _Keys, key_id: str | None) -> PyJWK | None:
    if key_id is None and len(keys) == 1:
        return next(iter(keys.values()))
    return keys.get(key_id)


def _usable(content: bytes, algorithm: str) -> dict[str | None, PyJWK]:
    try:
        listed = json.loads(content)["keys"]
        keys = [key for key in (_key(item, algorithm) for item in listed) if key is not None]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise IdentityProviderUnavailable("the content is not a JSON Web Key Set") from None
    if not keys:
        raise IdentityProviderUnavailable(f"the JSON Web Key Set has no key for {algorithm}")
    return {key.key_id: key for key in keys}


def _key(item: dict[str, Any], algorithm: str) -> PyJWK | None:
    if item.get("use", "sig") != "sig" or item.get("alg", algorithm) != algorithm:
        return None
    try:
        return PyJWK(item, algorithm=algorithm)
    except (PyJWKError, InvalidKeyError, ValueError):
        return None
