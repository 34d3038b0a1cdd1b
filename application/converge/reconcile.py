"""Hold the ledger against what the engine's index says has changed: a pass costs what changed, not what runs."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from application.converge.inquiry import Answer, Inquiry, answered, likely_closed
from application.ports.clock import Clock
from application.ports.metrics import Metrics
from application.ports.unit_of_work import UnitOfWorkFactory
from application.ports.workflow_engine import EngineUnavailable, WorkflowEngine
from domain.evidence.reconciliation import Verdict
from domain.evidence.summary import OperationSummary
from domain.operation.attention import AttentionKind
from domain.operation.chain import Chain
from domain.operation.transition import Source

OVERLAP = timedelta(minutes=1)
"""How far behind its watermark a pass begins: the index lags by seconds, and clocks differ."""
MAX_LAG = timedelta(hours=1)
"""How long a final operation that cannot be asked about holds the watermark back; nothing else finds its divergence."""
MAX_STALLED = 10_000
STALLED_PER_PASS = 500
"""How many executions with problems, or without them any more, a pass asks about; the next one goes on."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PassCursor:
    """Where a pass is."""

    since: datetime
    """What has changed since then is looked at."""
    began_at: datetime
    """What the watermark becomes when the pass has ended, by the database's clock."""
    page: bytes = b""
    """Of the index; empty for the first one."""
    incomplete: bool = False
    """Whether a final operation could not be asked about on an earlier page."""


@dataclass(frozen=True, slots=True)
class ReconciledPage:
    """What a page did. `cursor` is None behind the last page."""

    cursor: PassCursor | None
    listed: int = 0
    asked: int = 0
    corrected: int = 0
    failed: int = 0


class ReconcileOperations:
    """The safety net under the channels that push. Pages may overlap, repeat, and be cut short at any point."""

    def __init__(
        self,
        units: UnitOfWorkFactory,
        engine: WorkflowEngine,
        clock: Clock,
        inquiry: Inquiry,
        metrics: Metrics,
        *,
        overlap: timedelta = OVERLAP,
    ) -> None:
        """`overlap`: how far behind its watermark a pass begins; longer than the policy's grace, or what has begun
        within the grace is never looked at again."""
        self._units = units
        self._engine = engine
        self._clock = clock
        self._inquiry = inquiry
        self._metrics = metrics
        self._overlap = overlap

    async def page(self, cursor: PassCursor | None = None) -> ReconciledPage:
        """Reconcile one page of a pass; without a cursor, the first page of a new one.

        The index is a hint: what it lists against the ledger's word is asked about one by one, because only that
        answer is strongly consistent. Bad rows are counted and passed over: open ones are left to the follow-up, final
        ones keep the watermark where it is. It moves when the last page is done. Raises EngineUnavailable if the index
        cannot be asked, or if nothing could and the engine does not answer at all.
        """
        cursor = cursor or await self._begin()
        index = await self._engine.changed_since(cursor.since, cursor.page or None)
        suspects = await self._inquiry.suspects(index.entries)
        asked = await self._ask_all(likely_closed(suspects))
        failed_final = any(summary.status.done and not answered(asked[summary.id]) for summary in suspects)
        cursor = replace(cursor, incomplete=cursor.incomplete or failed_final)
        if index.next_page is None:
            await self._end(cursor)
            asked |= await self._ask_all({summary.chain: False for summary in await self._stalled()})
        return ReconciledPage(
            cursor=None if index.next_page is None else replace(cursor, page=index.next_page),
            listed=len(index.entries),
            asked=len(asked),
            corrected=sum(verdict in _CORRECTIONS for verdict in asked.values()),
            failed=sum(not answered(verdict) for verdict in asked.values()),
        )

    async def _ask_all(self, questions: Mapping[Chain, bool]) -> dict[UUID, Answer]:
        answers = await self._inquiry.ask(questions, Source.RECONCILIATION)
        await self._inquiry.plan_open(answers)
        return answers

    async def _begin(self) -> PassCursor:
        async with self._units() as unit:
            began_at = await unit.watermarks.now()
            known = await unit.watermarks.get()
            # Another pass may have moved it since `began_at`.
            future = known is not None and known > began_at and known > await unit.watermarks.now()
            if known is None or future:
                oldest = await unit.watermarks.oldest_unfinished() or began_at
                if known is not None:
                    self._report_future(known, began_at)
                    oldest = min(oldest, began_at - MAX_LAG)
                known = oldest
        return PassCursor(since=known - self._overlap, began_at=began_at)

    def _report_future(self, watermark: datetime, now: datetime) -> None:
        """What passes have missed because of it is not known: this one looks back as far as the oldest open operation.
        Its end moves the watermark back."""
        _log.error("the reconciliation watermark %s is later than the database's time %s: repaired", watermark, now)
        self._metrics.watermark_repaired()

    async def _end(self, cursor: PassCursor) -> None:
        if cursor.incomplete and cursor.began_at - cursor.since < MAX_LAG:
            return
        async with self._units() as unit:
            await unit.watermarks.advance(cursor.began_at)
            await unit.commit()

    async def _stalled(self) -> list[OperationSummary]:
        """Open operations whose execution has a problem that the ledger does not know of, or has none any more. Where
        the index cannot say, none: verifying finds them too."""
        try:
            problems = await self._engine.with_problems()
        except EngineUnavailable as outage:
            _log.warning("executions with problems are looked for by the next pass: %s", outage)
            return []
        async with self._units() as unit:
            known = await unit.operations.stalled(MAX_STALLED)
            summaries = await unit.operations.summaries(problems.symmetric_difference(known))
        recovered = [summary for summary in summaries if summary.id not in problems]
        news = [summary for summary in summaries if summary.id in problems and _may_be_stalled(summary)]
        return [*recovered, *news][:STALLED_PER_PASS]


_CORRECTIONS = frozenset({Verdict.TRANSITION, Verdict.START_AGAIN, Verdict.DIVERGED, Verdict.ATTENTION})


def _may_be_stalled(summary: OperationSummary) -> bool:
    """Whether asking may bring news; of one that has no worker it would not."""
    known = (AttentionKind.STALLED, AttentionKind.NO_WORKER)
    return not summary.status.done and summary.attention not in known
