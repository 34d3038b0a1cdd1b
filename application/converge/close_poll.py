"""Close poll: finds closed executions without a completion callback within seconds."""

import asyncio
from collections.abc import Collection
from datetime import datetime, timedelta

from application.batching.claim_loop import ClaimResult
from application.converge.inquiry import Inquiry, answered, likely_closed
from application.ports.unit_of_work import UnitOfWorkFactory
from application.ports.workflow_engine import EngineUnavailable, IndexEntry, WorkflowEngine
from domain.evidence.reconciliation import Verdict
from domain.operation.transition import Source

TURN = "close-poll"
OVERLAP = timedelta(seconds=10)
"""Time before the last turn at which a turn starts to read: the index lags by seconds, and the clocks of engine and
database differ. The reconciliation finds what the index lists later."""
PAUSE = timedelta(seconds=0.25)
"""Wait between two pages: Temporal allows a namespace 10 list calls a second, of all clients together."""


class PollCloses:
    """Any number of workers poll, and one has the turn. The engine is asked where index and ledger differ. No close is
    asked about twice."""

    def __init__(
        self,
        units: UnitOfWorkFactory,
        engine: WorkflowEngine,
        inquiry: Inquiry,
        every: timedelta,
        *,
        pause: timedelta = PAUSE,
    ) -> None:
        """`every`: interval of turns; `pause`: wait between two pages of a turn."""
        self._units = units
        self._engine = engine
        self._inquiry = inquiry
        self._every = every
        self._pause = pause
        self._asked: dict[IndexEntry, datetime] = {}
        """Closes that were asked about, and the time of the turn. The ledger need not show them: another run may have
        followed, or the operation may be deleted."""

    async def step(self, limit: int) -> ClaimResult:
        """Takes the turn if it is due and an open operation has no callback. The result counts what it asked about.
        `limit` is not used: a turn reads everything that has closed."""
        since_and_now = await self._begin()
        if since_and_now is None:
            return ClaimResult(0)
        try:
            return ClaimResult(await self._read(*since_and_now), engine_asked=True)
        except EngineUnavailable:
            return ClaimResult(0, engine_available=False)

    async def _begin(self) -> tuple[datetime, datetime] | None:
        """Returns the time from which on closes matter, and the database's time; None if there is no turn to take."""
        async with self._units() as unit:
            oldest = await unit.operations.oldest_without_callback()
            turn = None if oldest is None else await unit.turns.take(TURN, self._every)
            if oldest is None or turn is None:
                return None
            await unit.commit()
        # An execution cannot close before its operation is accepted.
        since = max(oldest, turn.mark) if turn.mark is not None else oldest
        return min(since, turn.now) - OVERLAP, turn.now

    async def _read(self, since: datetime, now: datetime) -> int:
        """Returns the number of operations asked about. The mark moves after the last page."""
        self._asked = {entry: at for entry, at in self._asked.items() if at >= now - 3 * OVERLAP}
        asked, page = 0, None
        while True:
            index = await self._engine.changed_since(since, page, closed_only=True)
            asked += await self._ask(index.entries, now)
            if index.next_page is None:
                break
            page = index.next_page
            await self._keep()
            await asyncio.sleep(self._pause.total_seconds())
        async with self._units() as unit:
            await unit.turns.advance(TURN, now)
            await unit.commit()
        return asked

    async def _ask(self, entries: Collection[IndexEntry], now: datetime) -> int:
        fresh = [entry for entry in entries if entry not in self._asked]
        suspects = await self._inquiry.suspects(fresh)
        answers = await self._inquiry.ask(likely_closed(suspects), Source.RECONCILIATION)
        await self._inquiry.plan_open(answers)
        for entry in fresh:
            answer = answers.get(entry.operation_id)
            if answered(answer) and answer is not Verdict.WAIT:
                self._asked[entry] = now
        return len(answers)

    async def _keep(self) -> None:
        async with self._units() as unit:
            await unit.turns.keep(TURN, self._every)
            await unit.commit()
