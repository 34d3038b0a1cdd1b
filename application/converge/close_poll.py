"""Close poll: finds closed executions without a completion callback within seconds."""

import asyncio
from collections.abc import Collection
from datetime import datetime, timedelta

from application.batching.step_result import StepResult
from application.converge.inquiry import Inquiry, answered, likely_closed
from application.converge.watched import WatchedWorkflows
from application.ports.engine.index import IndexEntry
from application.ports.engine.workflow_engine import EngineUnavailable, WorkflowEngine
from application.ports.storage.unit_of_work import UnitOfWorkFactory
from domain.evidence.reconciliation import Verdict
from domain.operation.transition import Source

LEASE_NAME = "close-poll"
OVERLAP = timedelta(seconds=10)
"""How far before the mark a poll starts to read: the index lags by seconds, and the clocks of engine and database
differ. The reconciliation finds what the index lists later."""
PAUSE = timedelta(seconds=0.25)
"""Wait between two pages: Temporal allows a namespace 10 list calls a second, of all clients together."""


class PollCloses:
    """Polls while this worker holds the lease. Asks the engine where index and ledger differ, once for each close."""

    def __init__(
        self,
        units: UnitOfWorkFactory,
        engine: WorkflowEngine,
        inquiry: Inquiry,
        every: timedelta,
        watched: WatchedWorkflows,
        *,
        pause: timedelta = PAUSE,
    ) -> None:
        """`every`: interval of polls; `pause`: wait between two pages."""
        self._units = units
        self._engine = engine
        self._inquiry = inquiry
        self._every = every
        self._watched = watched
        self._pause = pause
        self._asked: dict[IndexEntry, datetime] = {}
        """Closes that were asked about, and when. The ledger need not show them: another run may have followed, or the
        operation may be deleted."""

    async def step(self, limit: int) -> StepResult:
        """Polls if an open operation has no callback and no other worker holds the lease. The result counts the
        operations asked about. `limit` is not used: a poll reads everything that has closed."""
        begun = await self._begin()
        if begun is None:
            return StepResult(0)
        try:
            return StepResult(await self._read(*begun), engine_asked=True)
        except EngineUnavailable:
            return StepResult(0, engine_available=False)

    async def _begin(self) -> tuple[datetime, datetime, frozenset[str]] | None:
        """Acquires the lease. Returns the time from which on closes matter, the database's time, and the workflow types
        to watch; None if no poll is due."""
        async with self._units() as unit:
            oldest = await unit.operations.oldest_without_callback()
            lease = None if oldest is None else await unit.leases.acquire(LEASE_NAME, self._every)
            if oldest is None or lease is None:
                return None
            watched = await self._watched.workflow_types(unit)
            await unit.commit()
        # An execution cannot close before its operation is accepted.
        since = max(oldest, lease.mark) if lease.mark is not None else oldest
        return min(since, lease.now) - OVERLAP, lease.now, watched

    async def _read(self, since: datetime, now: datetime, watched: Collection[str]) -> int:
        """Returns the number of operations asked about. The mark moves after the last page."""
        self._asked = {entry: at for entry, at in self._asked.items() if at >= now - 3 * OVERLAP}
        asked, page = 0, None
        while True:
            index = await self._engine.changed_since(since, page, closed_only=True, watched=watched)
            asked += await self._ask(index.entries, now)
            if index.next_page is None:
                break
            page = index.next_page
            await self._extend_lease()
            await asyncio.sleep(self._pause.total_seconds())
        async with self._units() as unit:
            await unit.leases.advance(LEASE_NAME, now)
            await unit.commit()
        return asked

    async def _ask(self, entries: Collection[IndexEntry], now: datetime) -> int:
        fresh = [entry for entry in entries if entry not in self._asked]
        suspects = await self._inquiry.suspects(fresh)
        answers = await self._inquiry.ask(likely_closed(suspects), Source.RECONCILIATION)
        await self._inquiry.plan_open(answers)
        for suspect in suspects:
            answer = answers.get(suspect.summary.id)
            if answered(answer) and answer is not Verdict.WAIT:
                self._asked |= dict.fromkeys(suspect.entries, now)
        return len(answers)

    async def _extend_lease(self) -> None:
        async with self._units() as unit:
            await unit.leases.extend(LEASE_NAME, self._every)
            await unit.commit()
