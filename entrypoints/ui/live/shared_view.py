"""Renders each view once for all pages that show it, and at a limited rate."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, aclosing
from functools import partial
from typing import Final

from application.ports.storage.unit_of_work import DatabaseUnavailable
from application.watch.change_signal import ChangeSignal
from application.watch.subscription import SubscriptionEnded
from application.watch.waiter_limit import ClientWaiterLimitReached
from domain.errors import OpledgerError
from entrypoints.http.responses.sse import data_event
from entrypoints.ui.live.view import Source, View

INTERVAL: Final = 1.0
"""Minimum seconds between the starts of two renderings of a view."""
SHARE: Final = 3
"""A slow view is rendered less often: from start to start it takes at least this many times its last duration."""
CONCURRENCY: Final = 2
"""Views that are rendered at the same time."""
MAX_VIEWS_EACH: Final = 50
"""Views of one tenant that are open at the same time."""
HEARTBEAT: Final = 15.0
"""Seconds without an update after which a watcher gets a heartbeat."""
Render = Callable[[View, Source], Awaitable[Mapping[str, str]]]
"""Reads a view, and renders its parts, by id. Raises DatabaseUnavailable."""
_log = logging.getLogger(__name__)


class SharedViews:
    """The views that open pages of this process show."""

    def __init__(self, render: Render) -> None:
        self._render = render
        self._shared: dict[View, _SharedView] = {}
        self._slots = asyncio.Semaphore(CONCURRENCY)

    @property
    def rendered(self) -> int:
        """Number of views that have watchers."""
        return len(self._shared)

    def check_room(self, view: View) -> None:
        """Raises ClientWaiterLimitReached: the tenant has as many other views open as it may have."""
        if view not in self._shared and sum(each.tenant == view.tenant for each in self._shared) >= MAX_VIEWS_EACH:
            raise ClientWaiterLimitReached

    async def watch(self, view: View, source: Source) -> AsyncGenerator[bytes | None]:
        """Yields all parts of the view as events, and then those that change. None: a heartbeat. Ends with the
        process, and if the feed of changes cannot be read."""
        shared = self._shared.get(view)
        if shared is None or shared.ended:
            shared = self._shared[view] = _SharedView(partial(self._render, view, source), view, source, self._slots)
        shared.watchers += 1
        try:
            async with aclosing(shared.updates()) as updates:
                async for update in updates:
                    yield update
        finally:
            shared.watchers -= 1
            if shared.watchers == 0:
                shared.close()
                if self._shared.get(view) is shared:
                    del self._shared[view]


class _SharedView:
    """One view. Its task reads and renders while the view has watchers."""

    def __init__(
        self, render: Callable[[], Awaitable[Mapping[str, str]]], view: View, source: Source, slots: asyncio.Semaphore
    ) -> None:
        self._read_and_render = render
        self.watchers = 0
        self.ended = False
        self._view = view
        self._source = source
        self._slots = slots
        self._wanted = ChangeSignal()
        self._parts: dict[str, tuple[int, str]] = {}
        """The number of the rendering that changed the part last, and the part."""
        self._number = 0
        self._began = -1.0
        """When the last rendering began, in the event loop's time."""
        self._renewed = asyncio.Event()
        self._task = asyncio.get_running_loop().create_task(self._run())

    def close(self) -> None:
        """Ends the task: there are no more watchers."""
        self.ended = True
        self._task.cancel()

    async def updates(self) -> AsyncGenerator[bytes | None]:
        """Yields the parts that a watcher does not have, and None as a heartbeat. An earlier rendering may be older
        than the watcher's page, so a new watcher waits for the next one."""
        loop = asyncio.get_running_loop()
        joined = sent = loop.time()
        seen = 0
        self._wanted.set()
        while not self.ended:
            renewed = self._renewed
            if self._began >= joined and self._number > seen:
                changed = [part for number, part in self._parts.values() if number > seen]
                seen = self._number
                if changed:
                    yield b"".join(map(data_event, changed))
                    sent = loop.time()
            try:
                async with asyncio.timeout_at(sent + HEARTBEAT):
                    await renewed.wait()
            except TimeoutError:
                yield None
                sent = loop.time()

    async def _run(self) -> None:
        try:
            async with AsyncExitStack() as stack:
                followed = self._view.tenant if self._view.follows_changes else None
                changes = self._source.services.ledger.stream.changes(followed)
                self._wanted = await stack.enter_async_context(changes)
                await self._render_on_changes()
        except (SubscriptionEnded, DatabaseUnavailable) as error:
            _log.info("%s ends: %s", type(self._view).__name__, error or type(error).__name__)
        finally:
            self.ended = True
            self._renewed.set()

    async def _render_on_changes(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            self._wanted.clear()
            began = loop.time()
            async with self._slots:
                await self._render()
            took = loop.time() - began
            await self._wanted.changed(self._view.refresh)
            await asyncio.sleep(max(INTERVAL, SHARE * took) - (loop.time() - began))

    async def _render(self) -> None:
        """Renders the view. If that fails, the last rendering stays in use."""
        began = asyncio.get_running_loop().time()
        try:
            parts = await self._read_and_render()
        except OpledgerError as error:
            _log.warning("cannot read %s, trying again: %s", type(self._view).__name__, error)
            return
        except Exception:
            _log.exception("cannot render %s, trying again", type(self._view).__name__)
            return
        number = self._number + 1
        self._parts = {
            name: self._parts[name] if name in self._parts and self._parts[name][1] == part else (number, part)
            for name, part in parts.items()
        }
        self._number, self._began = number, began
        self._renewed.set()
        self._renewed = asyncio.Event()
