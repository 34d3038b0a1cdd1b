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

import asyncpg

from adapters.postgres.engine import Connection
from adapters.postgres.errors import connecting
from application.ports.unit_of_work import DatabaseUnavailable

CHANNEL: Final = "opledger_changes"
GATHER: Final = 0.005
"""Seconds for which commits are gathered before they are announced."""
SILENT: Final = 10.0
"""Seconds without a word after which a connection is tried: one that a firewall forgot says nothing either."""
ANSWERS: Final = 5.0
"""Seconds within which it then has to answer."""
_log = logging.getLogger(__name__)


class OwnConnection:
    """One connection beside the pool; made when it is first used, and made again after it was severed."""

    def __init__(self, connect: Callable[[], Awaitable[Connection]]) -> None:
        self._connect = connect
        self._connection: Connection | None = None

    @property
    def open(self) -> bool:
        """Whether it is there, as far as anybody has heard."""
        return self._connection is not None and not self._connection.is_closed()

    async def get(self) -> Connection:
        """The connection. Raises DatabaseUnavailable."""
        if self._connection is None or self._connection.is_closed():
            with connecting():
                self._connection = await self._connect()
        return self._connection

    def drop(self) -> None:
        """Let go of it without a word to the server."""
        if self._connection is not None:
            self._connection.terminate()
        self._connection = None


class Announcer:
    """Says that something was committed; many times within GATHER count as one."""

    def __init__(self, connect: Callable[[], Awaitable[Connection]]) -> None:
        self._connection = OwnConnection(connect)
        self._pending = False
        self._task: asyncio.Task[None] | None = None

    def announce(self) -> None:
        """Something was committed. Returns at once."""
        self._pending = True
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def close(self) -> None:
        """Say what is still to be said, and hang up."""
        if self._task is not None:
            await self._task
        self._connection.drop()

    async def _run(self) -> None:
        while self._pending:
            await asyncio.sleep(GATHER)
            self._pending = False
            try:
                connection = await self._connection.get()
                with connecting():
                    await connection.execute(f"NOTIFY {CHANNEL}")
            except DatabaseUnavailable as error:
                # Nobody is worse off than by the wait for the next look.
                _log.info("a change was not announced: %s", error)


class Listener:
    """Hears what any process announces."""

    def __init__(self, connect: Callable[[], Awaitable[Connection]]) -> None:
        self._connection = OwnConnection(connect)
        self._something = asyncio.Event()
        self._last_word = 0.0

    async def heard(self, within: float) -> None:
        """Wait for an announcement since the last call, at most so many seconds. Comes back at once where it only now
        begins to listen: what was said before is not known."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within):
                if self._connection.open or not await self._listens():
                    await self._something.wait()
        if self._connection.open and asyncio.get_running_loop().time() - self._last_word >= SILENT:
            await self._try()
        self._something.clear()

    def close(self) -> None:
        """Hang up."""
        self._connection.drop()

    async def _listens(self) -> bool:
        try:
            connection = await self._connection.get()
            with connecting():
                connection.add_termination_listener(self._wake)
                await connection.add_listener(CHANNEL, self._wake)
        except DatabaseUnavailable as error:
            _log.info("changes cannot be heard of just now: %s", error)
            self._connection.drop()
            return False
        except asyncio.CancelledError:
            # The time was over: a connection that is open and does not listen would never say anything.
            self._connection.drop()
            raise
        self._wake()
        return True

    async def _try(self) -> None:
        try:
            connection = await self._connection.get()
            await connection.execute("SELECT 1", timeout=ANSWERS)
            self._wake()
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            self._connection.drop()

    def _wake(self, *_: object) -> None:
        self._last_word = asyncio.get_running_loop().time()
        self._something.set()
