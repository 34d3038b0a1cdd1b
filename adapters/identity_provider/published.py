"""A cache of a document that the identity provider publishes."""

import logging
import time
from collections.abc import Awaitable, Callable
from typing import Final, Generic, TypeVar

from application.batching.single_flight import SingleFlight
from application.ports.token_verifier import IdentityProviderUnavailable

REFRESH_INTERVAL: Final = 600.0
"""Seconds for which a document is used before it is read again in the background. A revoked key is accepted until
then."""
MIN_REFRESH_INTERVAL: Final = 10.0
"""Minimum seconds between two reads, whatever number of requests need one meanwhile."""
_T = TypeVar("_T")
_log = logging.getLogger(__name__)


class Published(Generic[_T]):
    """Reads the document at its first use, and again while it is in use. If that fails, the old one stays in use."""

    def __init__(
        self, name: str, read: Callable[[], Awaitable[_T]], monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        """
        Args:
            name: The document in errors and logs, such as "the keys".
            read: Returns the content, decoded and checked. Raises IdentityProviderUnavailable.
            monotonic: Seconds on a clock that does not go back.
        """
        self._name = name
        self._read = read
        self._monotonic = monotonic
        self._content: _T | None = None
        self._read_at = 0.0
        self._reading = SingleFlight(self._try, max_age=MIN_REFRESH_INTERVAL, monotonic=monotonic)

    async def get(self) -> _T:
        """Returns the document as it was read last. Raises IdentityProviderUnavailable if it was never read."""
        if self._content is None:
            return await self.renewed()
        if self._monotonic() - self._read_at >= REFRESH_INTERVAL:
            self._reading.start()
        return self._content

    async def renewed(self) -> _T:
        """Returns the document, read again unless that was tried within MIN_REFRESH_INTERVAL. Raises
        IdentityProviderUnavailable if it was never read."""
        await self._reading.get()
        if self._content is None:
            raise IdentityProviderUnavailable(f"{self._name} of the identity provider cannot be read")
        return self._content

    async def check(self) -> _T:
        """Reads the document now, and returns it. Raises IdentityProviderUnavailable, with the reason."""
        self._content = content = await self._read()
        self._read_at = self._monotonic()
        return content

    async def _try(self) -> None:
        try:
            await self.check()
        except IdentityProviderUnavailable as error:
            _log.warning("cannot read %s of the identity provider: %s", self._name, error)
