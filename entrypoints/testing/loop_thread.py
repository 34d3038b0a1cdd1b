"""An event loop in a thread of its own, for an application that synchronous and asynchronous callers use."""

import asyncio
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

_T = TypeVar("_T")


class LoopThread:
    """Runs until `close`."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name="opledger-in-memory", daemon=True)
        self._thread.start()

    def begin(self, work: Coroutine[Any, Any, _T]) -> "Future[_T]":
        """Starts the work in the loop."""
        return asyncio.run_coroutine_threadsafe(work, self.loop)

    def run(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Runs the work in the loop, and waits for its result. Raises RuntimeError in the loop's own thread."""
        if threading.current_thread() is self._thread:
            work.close()
            raise RuntimeError("a function that the ledger calls must not call the ledger")
        return self.begin(work).result()

    def close(self) -> None:
        """Cancels what runs, and ends the thread."""
        self.run(self._cancel_all())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()

    async def _cancel_all(self) -> None:
        running = asyncio.all_tasks() - {asyncio.current_task()}
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await asyncio.get_running_loop().shutdown_asyncgens()
