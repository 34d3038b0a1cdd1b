"""Batches concurrent requests: look-ups into one query, writes into one transaction."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Hashable, Mapping, Sequence
from contextlib import suppress
from contextvars import copy_context
from dataclasses import dataclass
from typing import Final, Generic, TypeAlias, TypeVar

from application.ports.storage.unit_of_work import DatabaseContended, DatabaseUnavailable

_V = TypeVar("_V")
_R = TypeVar("_R")
_K = TypeVar("_K", bound=Hashable)
SHUTDOWN_TIMEOUT: Final = 5.0
"""Seconds that `Batcher.close` waits for requests in flight."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Limits of a batcher. Times in seconds; None means no limit."""

    max_batch: int | None
    """Requests in a batch."""
    concurrency: int
    """Batches that are processed at the same time, slow ones not counted."""
    slow_after: float
    """Time after which a batch, for example on a connection that hangs, no longer holds up the next one."""
    max_in_flight: int | None = None
    """Batches that are processed at the same time, slow ones included."""
    max_wait: float | None = None
    """Time, about, that a request waits for its batch. Under overload the wait would grow without end."""


WRITES: Final = Limits(max_batch=32, concurrency=2, slow_after=1.0, max_wait=5.0)
"""Two transactions at a time: the next is prepared while the database commits the other."""


class Unsettled(Exception):
    """The batch has changed nothing for this request. Alone, the request may succeed."""


@dataclass(eq=False, slots=True)
class Request(Generic[_V, _R]):
    """One request of a batch. Its caller waits for the result."""

    value: _V
    key: Hashable | None
    created_at: float
    """Event loop time."""
    result: "asyncio.Future[_R]"

    def resolve(self, result: _R) -> None:
        """Returns the result to the caller, unless the caller was cancelled."""
        if not self.result.done():
            self.result.set_result(result)

    def reject(self, error: BaseException) -> None:
        """Raises the error at the caller, unless the caller has its result or was cancelled."""
        if not self.result.done():
            self.result.set_exception(error)


Process: TypeAlias = Callable[[Sequence[Request[_V, _R]]], Awaitable[None]]
"""Processes a batch and resolves or rejects its requests. An error that it raises rejects those that are left; without
an error they are rejected with Unsettled."""


class Batcher(Generic[_V, _R]):
    """Processes a single request at once, and concurrent requests in batches.

    The first request starts a batch. Requests that arrive while it is processed form the next one, so a request is
    never answered by a batch that started before it.
    """

    def __init__(self, process: Process[_V, _R], limits: Limits) -> None:
        self._process = process
        self._limits = limits
        self._context = copy_context()
        self._waiting: deque[Request[_V, _R]] = deque()
        """Oldest first."""
        self._keys_in_flight: set[Hashable] = set()
        self._workers: set[asyncio.Task[None]] = set()
        self._slow: set[asyncio.Task[None]] = set()
        """Workers whose batch is slow."""

    async def submit(self, value: _V, *, key: Hashable | None = None) -> _R:
        """Returns the result for the value. Requests with the same key are processed one after the other, in the order
        in which they arrive; None orders nothing.

        Raises what `process` rejects the request with, Unsettled, and DatabaseUnavailable at shutdown or after
        `max_wait`. Cancelling the caller affects no other request; whether its own was processed is then unknown.
        """
        loop = asyncio.get_running_loop()
        request: Request[_V, _R] = Request(value, key, loop.time(), loop.create_future())
        self._waiting.append(request)
        self._start_worker()
        return await request.result

    async def close(self, within: float = SHUTDOWN_TIMEOUT) -> None:
        """Waits up to `within` seconds for all requests, then rejects those that are left with DatabaseUnavailable."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within):
                while self._workers:
                    await asyncio.wait(self._workers)
        late = list(self._workers)
        for worker in late:
            worker.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    def _start_worker(self) -> None:
        """Starts a worker if requests wait and the limits allow one more."""
        limits, workers = self._limits, len(self._workers)
        if (
            self._waiting
            and workers - len(self._slow) < limits.concurrency
            and (limits.max_in_flight is None or workers < limits.max_in_flight)
        ):
            # A batch serves many requests: it must not run in the context (log fields) of one of them.
            worker = asyncio.get_running_loop().create_task(self._work(), context=self._context.copy())
            self._workers.add(worker)

    async def _work(self) -> None:
        """Processes batch after batch while requests wait. A slow worker ends after its batch: it was replaced."""
        worker = asyncio.current_task()
        assert worker is not None
        try:
            while worker not in self._slow and (batch := self._next_batch()):
                await self._process_batch(batch, worker)
        except asyncio.CancelledError:
            for request in self._waiting:
                request.reject(_shutdown())
            raise
        finally:
            # Not in a done callback: a request that arrives before the callback runs would wait forever.
            self._workers.discard(worker)
            was_slow = worker in self._slow
            self._slow.discard(worker)
        if was_slow:
            self._start_worker()

    def _mark_slow(self, worker: asyncio.Task[None]) -> None:
        self._slow.add(worker)
        self._start_worker()

    def _next_batch(self) -> list[Request[_V, _R]]:
        """Takes the oldest requests: one per key, and none whose key is in flight. Rejects those that waited too
        long."""
        limits = self._limits
        oldest = None if limits.max_wait is None else asyncio.get_running_loop().time() - limits.max_wait
        batch: list[Request[_V, _R]] = []
        deferred: list[Request[_V, _R]] = []
        while self._waiting and (limits.max_batch is None or len(batch) < limits.max_batch):
            request = self._waiting.popleft()
            if request.result.done():
                continue
            if oldest is not None and request.created_at < oldest:
                request.reject(DatabaseUnavailable("overloaded: the request waited too long for the database"))
            elif request.key is None:
                batch.append(request)
            elif request.key in self._keys_in_flight:
                deferred.append(request)
            else:
                self._keys_in_flight.add(request.key)
                batch.append(request)
        self._waiting.extendleft(reversed(deferred))
        return batch

    async def _process_batch(self, batch: list[Request[_V, _R]], worker: asyncio.Task[None]) -> None:
        """Every request of the batch has a result or an error in the end."""
        error: BaseException = Unsettled()
        slow = asyncio.get_running_loop().call_later(self._limits.slow_after, self._mark_slow, worker)
        try:
            await self._process(batch)
        except asyncio.CancelledError:
            error = _shutdown()
            raise
        except BaseException as raised:
            error = raised
        finally:
            slow.cancel()
            self._keys_in_flight.difference_update(request.key for request in batch)
            for request in batch:
                request.reject(error)


def lookup(find: Callable[[Collection[_K]], Awaitable[Mapping[_K, _V]]]) -> Process[_K, _V | None]:
    """Processes look-ups: `find` returns what exists of the requested keys, and the others are resolved with None."""

    async def process(batch: Sequence[Request[_K, _V | None]]) -> None:
        found = await find({request.value for request in batch})
        for request in batch:
            request.resolve(found.get(request.value))

    return process


def transaction(commit: Process[_V, _R]) -> Process[_V, _R]:
    """Processes writes: `commit` stores a batch in one transaction.

    An error of one request must not fail the others. So every error that proves that nothing was stored becomes
    Unsettled, and each caller retries alone. DatabaseUnavailable stays: the outcome is unknown.
    """

    async def process(batch: Sequence[Request[_V, _R]]) -> None:
        try:
            await commit(batch)
        except DatabaseContended:
            if len(batch) == 1:  # It has waited as long as it would alone.
                raise
            raise Unsettled from None
        except DatabaseUnavailable:
            raise
        except Exception as error:
            raise Unsettled from error

    return process


def _shutdown() -> DatabaseUnavailable:
    return DatabaseUnavailable("the process is shutting down")
