"""Telling all processes, and hearing from them, that something was committed.

PostgreSQL commits one transaction that notifies at a time, in the whole cluster. So no transaction that changes an
operation does: the process that committed says so a moment later, once for all its commits until then, on a connection
of its own. It may be killed before it does; who listens looks by itself now and then.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from adapters.postgres.connection.driver import Connection
from adapters.postgres.connection.errors import connecting
from application.ports.unit_of_work import DatabaseUnavailable

CHANNEL: Final = "opledger_changes"
ANNOUNCE_DELAY: Final = 0.005
"""Seconds for which commits are gathered before they are announced."""
RETRY_INTERVAL: Final = 0.5
"""Seconds between two attempts to listen."""
IDLE_INTERVAL: Final = 10.0
"""Seconds without a word after which a connection is tried: one that a firewall forgot says nothing either."""
RESPONSE_TIMEOUT: Final = 5.0
"""Seconds within which it then has to answer."""
SHUTDOWN_TIMEOUT: Final = 2.0
"""Seconds for what is still to be announced when the process ends."""
_log = logging.getLogger(__name__)


class Announcer:
    """Says that something was committed; many times within ANNOUNCE_DELAY count as one."""

    def __init__(self, connect: Callable[[], Awaitable[Connection]]) -> None:
        self._connect = connect
        self._connection: Connection | None = None
        self._pending = False
        self._task: asyncio.Task[None] | None = None

    def announce(self) -> None:
        """Something was committed. Returns at once."""
        self._pending = True
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def close(self) -> None:
        """Say what is still to be said, if that can be done soon, and hang up."""
        if self._task is not None:
            await asyncio.wait({self._task}, timeout=SHUTDOWN_TIMEOUT)
            self._task.cancel()
        self._disconnect()

    async def _run(self) -> None:
        while self._pending:
            await asyncio.sleep(ANNOUNCE_DELAY)
            self._pending = False
            try:
                with connecting():
                    await self._notify()
            except DatabaseUnavailable as error:
                # Nobody is worse off than by the wait for the next look.
                _log.info("a change was not announced: %s", error)
                self._disconnect()

    async def _notify(self) -> None:
        if self._connection is None or self._connection.lost:
            self._connection = await self._connect()
        await self._connection.execute(f"NOTIFY {CHANNEL}", timeout=RESPONSE_TIMEOUT)

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.terminate()
        self._connection = None


class Listener:
    """Hears what any process announces, from the first question on."""

    def __init__(self, connect: Callable[[], Awaitable[Connection]]) -> None:
        self._connect = connect
        self._announced = asyncio.Event()
        self._last_heard_at = 0.0
        self._listening: asyncio.Task[None] | None = None

    async def wait(self, within: float) -> None:
        """Wait for an announcement since the last call, at most so many seconds. Comes back too where it only now
        begins to listen: what was said before is not known."""
        if self._listening is None or self._listening.done():
            self._listening = asyncio.get_running_loop().create_task(self._keep_listening())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within):
                await self._announced.wait()
        self._announced.clear()

    def close(self) -> None:
        """Hang up."""
        if self._listening is not None:
            self._listening.cancel()

    async def _keep_listening(self) -> None:
        """Whatever becomes of the connection, soon there is another."""
        while True:
            try:
                with connecting():
                    await self._listen()
            except DatabaseUnavailable as error:
                _log.info("changes cannot be heard of just now: %s", error)
            await asyncio.sleep(RETRY_INTERVAL)

    async def _listen(self) -> None:
        """Until the connection is severed, does not answer, or its server accepts no writes any more. Raises what the
        driver does."""
        severed = asyncio.Event()
        connection = await self._connect()
        try:
            connection.add_termination_listener(lambda _: severed.set())
            await connection.add_listener(CHANNEL, self._on_notification)
            self._on_notification()
            while not severed.is_set() and not connection.lost:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(IDLE_INTERVAL):
                        await severed.wait()
                if asyncio.get_running_loop().time() - self._last_heard_at >= IDLE_INTERVAL:
                    await connection.execute("SELECT 1", timeout=RESPONSE_TIMEOUT)
        finally:
            connection.terminate()

    def _on_notification(self, *_: object) -> None:
        self._last_heard_at = asyncio.get_running_loop().time()
        self._announced.set()
