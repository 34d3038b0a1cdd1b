"""Does the work of the ledger's worker at once instead of in loops."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

import httpx
from litestar.types import ASGIApp

from application.batching.claim_loop import ClaimLoop
from application.ports.engine.workflow_engine import EngineUnavailable, StartRequest
from entrypoints.own_workflow import BULK_WORKFLOW
from entrypoints.wiring.memory import MemoryEngine
from entrypoints.wiring.worker import WorkerServices
from entrypoints.worker.activities import numbers_of
from entrypoints.worker.perform_bulk_action import Handled

_BATCH: Final = 1_000
_MAX_ROUNDS: Final = 100
"""A round can make more work due, such as children to cancel."""
_STEPS: Final = 20
"""Steps in which the clock moves: work that is due again and again is done at most as often."""
_UNAVAILABLE: Final = 500


class _Claiming(Protocol):
    def claim_loop(self) -> ClaimLoop: ...


class DueWork:
    """The loops of the worker, the reconciliation, and the callbacks of the engine."""

    def __init__(self, worker: WorkerServices, temporal: MemoryEngine, app: ASGIApp, url: str) -> None:
        worker.bulk.add_kwargs(pace=None)  # nothing else happens meanwhile
        self._worker = worker
        self._engine = temporal.engine()
        transport = httpx.ASGITransport(app=app)  # type: ignore[arg-type]
        self._temporal = httpx.AsyncClient(transport=transport, base_url=url)
        self._one_at_a_time = asyncio.Lock()
        self._seen_starts = 0
        self.on_start: Callable[[StartRequest], None] = lambda _request: None
        """Called for each workflow of a declared type that the ledger has started."""

    async def do(self) -> None:
        """Does what is due, until nothing is due any more."""
        async with self._one_at_a_time:
            await self._worker.presence().step(_BATCH)
            for _ in range(_MAX_ROUNDS):
                if not await self._round():
                    break
            with suppress(EngineUnavailable):
                await self._reconcile()

    async def advance(self, by: timedelta) -> datetime:
        """Moves the clock, and does what becomes due on the way."""
        clock = self._worker.adapters.clock()
        end: datetime = clock.now() + by
        step = max(by / _STEPS, timedelta(seconds=1))
        while clock.now() < end:
            clock.advance(min(step, end - clock.now()))
            await self.do()
            await self._periodic()
        await self.do()
        return end

    async def _round(self) -> bool:
        """Returns whether anything was due."""
        services = (
            self._worker.dispatcher(),
            self._worker.follow_ups(),
            self._worker.cancel_children(),
            self._worker.verifier(),
        )
        claimed = [await _claim(service) for service in services]
        await self._tell_of_starts()
        return bool(sum(claimed) + await self._call_back())

    async def _reconcile(self) -> None:
        """Makes one pass. Raises EngineUnavailable."""
        page = await self._worker.reconciler().page()
        while page.cursor is not None:
            page = await self._worker.reconciler().page(page.cursor)

    async def _periodic(self) -> None:
        """Does what looks at the clock alone. What asks Temporal waits while that is down."""
        await self._worker.forgetter().step(_BATCH)
        await self._worker.dry_runs().step(_BATCH)
        await self._worker.folder().step(_BATCH)
        if self._worker.retention().deletes:
            await self._worker.retainer().step(_BATCH)
        with suppress(EngineUnavailable):
            await self._worker.start_watch().step(_BATCH)
            await self._worker.watch_rules().step(_BATCH)

    async def _tell_of_starts(self) -> None:
        while self._seen_starts < len(self._engine.starts):
            started = self._engine.starts[self._seen_starts]
            self._seen_starts += 1
            if started.type.workflow == BULK_WORKFLOW:
                await self._perform_bulk_action(started)
            else:
                self.on_start(started)

    async def _perform_bulk_action(self, started: StartRequest) -> None:
        """Does what the workflow of a bulk action does in the ledger's worker."""
        self._engine.pick_up(started.workflow_id)
        handled = Handled()
        while not (handled.complete or handled.stopped):
            piece = await self._worker.bulk().handle(started.operation_id, handled.upto)
            handled = handled.plus(numbers_of(piece))
        if handled.stopped:
            return  # the engine's cancellation ends it
        self._engine.complete(started.workflow_id, {**handled.numbers()})

    async def _call_back(self) -> int:
        """Posts the callbacks of closed workflows, as Temporal does. Returns how many the application took."""
        waiting: list[Any] = [*self._engine.callbacks]
        self._engine.callbacks.clear()
        for pending in waiting:
            sent = pending.message
            answer = await self._temporal.post(pending.callback.url, headers=sent.headers, content=sent.body)
            if answer.status_code >= _UNAVAILABLE:
                self._engine.callbacks.append(pending)
            else:
                answer.raise_for_status()
        return len(waiting) - len(self._engine.callbacks)


async def _claim(service: _Claiming) -> int:
    async with service.claim_loop() as loop:
        result = await loop.step(_BATCH)
        await loop.drain()
        return result.found
