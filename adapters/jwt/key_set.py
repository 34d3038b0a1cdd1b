"""The identity provider's keys, as they were when they were last read."""

import asyncio
import json
import logging
import time
from collections.abc import Callable
from typing import Any

from jwt import PyJWK
from jwt.exceptions import InvalidKeyError, PyJWKError

from adapters.jwt.key_source import KeySource
from application.ports.token_verifier import IdentityProviderUnavailable

REFRESH_INTERVAL = 600.0
"""Seconds after which the keys are read again, behind the requests' back: a key that was withdrawn counts no longer."""
MIN_REFRESH_INTERVAL = 10.0
"""Seconds between two readings at least, however many unknown keys are named meanwhile."""
_log = logging.getLogger(__name__)


class KeySet:
    """Keys by id. Where they cannot be read again, those that are there go on being used."""

    def __init__(self, read: KeySource, algorithm: str, monotonic: Callable[[], float] = time.monotonic) -> None:
        """Keys that are not for signatures by `algorithm` are left out."""
        self._read = read
        self._algorithm = algorithm
        self._monotonic = monotonic
        self._keys: dict[str | None, PyJWK] = {}
        self._read_at: float | None = None
        self._tried_at: float | None = None
        self._reading: asyncio.Task[None] | None = None

    async def key(self, key_id: str | None) -> PyJWK | None:
        """The key of that id; where a token names none, the only key there is. One that is not known is looked for
        anew, for it may have been made just now. Raises IdentityProviderUnavailable where no key was ever read."""
        known = self._find(key_id)
        if known is not None:
            if self._age() >= REFRESH_INTERVAL:
                self._begin_reading()
            return known
        reading = self._begin_reading()
        if reading is not None:
            await asyncio.shield(reading)
        if self._read_at is None:
            raise IdentityProviderUnavailable
        return self._find(key_id)

    def _find(self, key_id: str | None) -> PyJWK | None:
        if key_id is None and len(self._keys) == 1:
            return next(iter(self._keys.values()))
        return self._keys.get(key_id)

    async def check(self) -> int:
        """Read the keys now, and say how many can be used. Raises IdentityProviderUnavailable."""
        self._keys = _usable(await self._read(), self._algorithm)
        self._read_at = self._monotonic()
        return len(self._keys)

    def _age(self) -> float:
        return 0.0 if self._read_at is None else self._monotonic() - self._read_at

    def _begin_reading(self) -> asyncio.Task[None] | None:
        """The reading that is under way, or a new one; None: it is too soon for that."""
        if self._reading is not None and not self._reading.done():
            return self._reading
        if self._tried_at is not None and self._monotonic() - self._tried_at < MIN_REFRESH_INTERVAL:
            return None
        self._tried_at = self._monotonic()
        self._reading = asyncio.create_task(self._refresh())
        return self._reading

    async def _refresh(self) -> None:
        try:
            await self.check()
        except IdentityProviderUnavailable as error:
            _log.warning("the identity provider's keys stay as they were: %s", error)


def _usable(content: bytes, algorithm: str) -> dict[str | None, PyJWK]:
    try:
        listed = json.loads(content)["keys"]
        keys = [key for key in (_key(item, algorithm) for item in listed) if key is not None]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise IdentityProviderUnavailable("it is not a JSON Web Key Set") from None
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
