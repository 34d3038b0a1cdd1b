"""Temporal's adapters, loaded while the API serves already.

Only callbacks and the readiness check need them, and importing Temporal's SDK takes about as long as importing the web
framework.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final
from uuid import UUID

from application.ports.callback_reader import CallbackMessage
from application.ports.metrics import CallbackOutcome
from application.ports.probe import Probe
from application.track.receive_callback import ReceiveCallback


class Deferred:
    """Work that is done once, at the first call or in the background."""

    def __init__(self, work: Callable[[], Awaitable[None]]) -> None:
        self._work = work
        self._task: asyncio.Future[None] | None = None

    async def done(self) -> None:
        """Returns when the work is done. Raises what it raised, at every call. A cancelled caller does not stop it."""
        if self._task is None:
            self._task = asyncio.ensure_future(self._work())
        await asyncio.shield(self._task)


class DeferredProbe:
    """Loads Temporal's adapters, then asks their probe."""

    name: Final = "temporal"

    def __init__(self, loading: Deferred, probe: Callable[[], Probe]) -> None:
        self._loading = loading
        self._probe = probe

    async def check(self) -> None:
        """Raises EngineUnavailable; StartupError: Temporal's configuration cannot be used."""
        await self._loading.done()
        await self._probe().check()


class DeferredReceiver:
    """Loads Temporal's adapters, then receives the callback."""

    def __init__(self, loading: Deferred, receiver: Callable[[], ReceiveCallback]) -> None:
        self._loading = loading
        self._receiver = receiver

    async def receive(self, operation_id: UUID, tenant: str, message: CallbackMessage) -> CallbackOutcome:
        """As `ReceiveCallback.receive`. Raises StartupError besides: Temporal's configuration cannot be used."""
        await self._loading.done()
        return await self._receiver().receive(operation_id, tenant, message)
