"""A cache of the identity provider's keys."""

import json
import logging
import time
from collections.abc import Callable
from typing import Any

from jwt import PyJWK
from jwt.exceptions import InvalidKeyError, PyJWKError

from adapters.identity_provider.key_source import KeySource
from application.batching.single_flight import SingleFlight
from application.ports.token_verifier import IdentityProviderUnavailable

REFRESH_INTERVAL = 600.0
"""Seconds after which the keys are read again in the background. A revoked key is accepted until then."""
MIN_REFRESH_INTERVAL = 10.0
"""Seconds between two reads at least, whatever number of unknown keys tokens name meanwhile."""
_log = logging.getLogger(__name__)


class KeySet:
    """Keys by id. If they cannot be read again, the cached ones stay in use."""

    def __init__(self, read: KeySource, algorithm: str, monotonic: Callable[[], float] = time.monotonic) -> None:
        """Ignores keys that are not for signatures with `algorithm`."""
        self._read = read
        self._algorithm = algorithm
        self._monotonic = monotonic
        self._keys: dict[str | None, PyJWK] = {}
        self._read_at: float | None = None
        self._refreshing = SingleFlight(self._refresh, max_age=MIN_REFRESH_INTERVAL, monotonic=monotonic)

    async def key(self, key_id: str | None) -> PyJWK | None:
        """Returns the key with this id; without an id, the only key; None if there is none. Reads the keys again for an
        unknown id, which may be new. Raises IdentityProviderUnavailable if the keys were never read."""
        known = self._find(key_id)
        if known is not None:
            if self._age() >= REFRESH_INTERVAL:
                self._refreshing.start()
            return known
        await self._refreshing.get()
        if self._read_at is None:
            raise IdentityProviderUnavailable("the keys of the identity provider cannot be read")
        return self._find(key_id)

    def _find(self, key_id: str | None) -> PyJWK | None:
        if key_id is None and len(self._keys) == 1:
            return next(iter(self._keys.values()))
        return self._keys.get(key_id)

    async def check(self) -> int:
        """Reads the keys and returns the number of usable ones. Raises IdentityProviderUnavailable."""
        self._keys = _usable(await self._read(), self._algorithm)
        self._read_at = self._monotonic()
        return len(self._keys)

    def _age(self) -> float:
        return 0.0 if self._read_at is None else self._monotonic() - self._read_at

    async def _refresh(self) -> None:
        try:
            await self.check()
        except IdentityProviderUnavailable as error:
            _log.warning("cannot read the identity provider's keys, keeping the old ones: %s", error)


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
