"""Notifications between processes that a change was committed (LISTEN and NOTIFY).

PostgreSQL serializes the commits of transactions that notify, in the whole cluster. So a transaction that changes an
operation does not notify. The process that committed notifies a moment later, once for all its commits until then, on a
connection of its own. It may be killed before that, so listeners also poll.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from adapters.postgres.connection.driver import Connection
from adapters.postgres.connection.errors import connecting
from application.ports.storage.unit_of_work import DatabaseUnavailable

CHANNEL: Final = "opledger_changes"
LISTEN: Final = f'LISTEN "{CHANNEL}"'
"""What the driver sends to subscribe. Repeated as the test of the connection: it changes nothing there, and
`pg_stat_activity` goes on showing which connection listens."""
ANNOUNCE_DELAY: Final = 0.005
"""Seconds between a commit and its announcement. Commits within them are announced together."""
RETRY_INTERVAL: Final = 0.5
"""Seconds between two attempts to connect and listen."""
IDLE_INTERVAL: Final = 10.0
"""Seconds without a notification after which the listener tests its connection: a firewall may have dropped it."""
RESPONSE_TIMEOUT: Final = 5.0
"""Timeout of a statement in seconds."""
SHUTDOWN_TIMEOUT: Final = 2.0
"""Seconds for the last announcement when the process ends."""
_log = logging.getLogger(__name__)


class Announcer:
    """Notifies all processes that a change was committed, at most once per ANNOUNCE_DELAY."""

    def __init__(self, connect: Callable[[], Awaitable[Connection]]) -> None:
        self._connect = connect
        self._connection: Connection | None = None
        self._pending = False
        self._task: asyncio.Task[None] | None = None

    def announce(self) -> None:
        """Schedules a notification and returns at once."""
        self._pending = True
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def close(self) -> None:
        """Sends the last notification, if SHUTDOWN_TIMEOUT allows, and disconnects."""
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
                # Listeners find the change at their next poll.
                _log.info("could not announce a change: %s", error)
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
    """Waits for the announcements of all processes. Connects at the first `wait`."""

    def __init__(self, connect: Callable[[], Awaitable[Connection]]) -> None:
        self._connect = connect
        self._announced = asyncio.Event()
        self._last_heard_at = 0.0
        self._listening: asyncio.Task[None] | None = None

    async def wait(self, within: float) -> None:
        """Waits at most `within` seconds for an announcement since the last call. Also returns when it has just begun
        to listen: earlier announcements may be lost."""
        if self._listening is None or self._listening.done():
            self._listening = asyncio.get_running_loop().create_task(self._keep_listening())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within):
                await self._announced.wait()
        self._announced.clear()

    def close(self) -> None:
        """Disconnects."""
        if self._listening is not None:
            self._listening.cancel()

    async def _keep_listening(self) -> None:
        """Listens, and reconnects whenever the connection is lost."""
        while True:
            try:
                with connecting():
                    await self._listen()
            except DatabaseUnavailable as error:
                _log.info("cannot listen for changes, polling instead: %s", error)
            await asyncio.sleep(RETRY_INTERVAL)

    async def _listen(self) -> None:
        """Listens until the connection is lost, does not answer, or its server accepts no writes any more. Raises the
        driver's errors."""
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
                    await connection.execute(LISTEN, timeout=RESPONSE_TIMEOUT)
        finally:
            connection.terminate()

    def _on_notification(self, *_: object) -> None:
        self._last_heard_at = asyncio.get_running_loop().time()
        self._announced.set()
