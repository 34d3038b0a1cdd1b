"""Reconciles the ledger with the engine's index. The cost is proportional to the number of changed executions."""

import logging
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from application.converge.inquiry import Answer, Inquiry, Question, answered, likely_closed, questions
from application.converge.watched import WATCHED_AFTER, WatchedWorkflows
from application.ports.clock import Clock
from application.ports.engine.workflow_engine import EngineUnavailable, WorkflowEngine
from application.ports.monitoring.metrics import Metrics
from application.ports.storage.unit_of_work import UnitOfWorkFactory
from domain.evidence.reconciliation import Verdict
from domain.evidence.summary import OperationSummary
from domain.operation.attention import AttentionKind
from domain.operation.transition import Source

OVERLAP = timedelta(minutes=1)
"""Time before its watermark at which a pass starts to read: the index lags by seconds, and clocks differ."""
MAX_LAG = timedelta(hours=1)
"""Time for which a final operation that cannot be observed holds the watermark back: nothing else finds its
divergence."""
MAX_STALLED = 10_000
STALLED_PER_PASS = 500
"""Executions with new or ended problems that a pass asks about. The next pass continues."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PassCursor:
    """Position of a pass."""

    since: datetime
    """Changes after this time are reconciled."""
    began_at: datetime
    """Start of the pass by the database's clock, and the watermark after its end."""
    page: bytes = b""
    """Page token of the index; empty for the first page."""
    watched: frozenset[str] = frozenset()
    """Workflow types whose executions the pass lists although they carry no `OperationUUID`."""
    incomplete: bool = False
    """A final operation of an earlier page could not be observed."""


@dataclass(frozen=True, slots=True)
class ReconciledPage:
    """Result of a page. `cursor` is None after the last one."""

    cursor: PassCursor | None
    listed: int = 0
    asked: int = 0
    corrected: int = 0
    failed: int = 0


class ReconcileOperations:
    """Finds what callbacks and reports lost. Pages may overlap, repeat, and be interrupted at any point."""

    def __init__(
        self,
        units: UnitOfWorkFactory,
        engine: WorkflowEngine,
        clock: Clock,
        inquiry: Inquiry,
        metrics: Metrics,
        overlap: timedelta,
        watched: WatchedWorkflows,
    ) -> None:
        """`overlap`: time before its watermark at which a pass starts to read. It is longer than the policy's grace:
        otherwise what started within the grace would never be looked at again."""
        self._units = units
        self._engine = engine
        self._clock = clock
        self._inquiry = inquiry
        self._metrics = metrics
        self._overlap = overlap
        self._watched = watched

    async def page(self, cursor: PassCursor | None = None) -> ReconciledPage:
        """Reconciles one page of a pass; without a cursor, the first page of a new one.

        The index is a hint: the engine is asked about each operation that differs, because only that answer is strongly
        consistent. Failed operations are counted and skipped: open ones are left to the follow-up, final ones keep the
        watermark where it is. It moves after the last page. Raises EngineUnavailable if the index cannot be read, or if
        no operation could be observed and the engine does not answer at all.
        """
        cursor = cursor or await self._begin()
        index = await self._engine.changed_since(cursor.since, cursor.page or None, watched=cursor.watched)
        suspects = await self._inquiry.suspects(index.entries)
        asked = await self._ask_all(likely_closed(suspects))
        failed_final = any(match.summary.status.done and not answered(asked[match.summary.id]) for match in suspects)
        cursor = replace(cursor, incomplete=cursor.incomplete or failed_final)
        if index.next_page is None:
            await self._end(cursor)
            asked |= await self._ask_all(questions(await self._stalled(cursor.watched)))
        return ReconciledPage(
            cursor=None if index.next_page is None else replace(cursor, page=index.next_page),
            listed=len(index.entries),
            asked=len(asked),
            corrected=sum(verdict in _CORRECTIONS for verdict in asked.values()),
            failed=sum(not answered(verdict) for verdict in asked.values()),
        )

    async def _ask_all(self, asked: Collection[Question]) -> dict[UUID, Answer]:
        answers = await self._inquiry.ask(asked, Source.RECONCILIATION)
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
            watched = await self._watched.workflow_types(unit, finished_since=began_at - WATCHED_AFTER)
        return PassCursor(since=known - self._overlap, began_at=began_at, watched=watched)

    def _report_future(self, watermark: datetime, now: datetime) -> None:
        """Earlier passes may have missed changes: this one reads from the oldest open operation on, and its end moves
        the watermark back."""
        _log.error(
            "the reconciliation watermark %s is later than the database's time %s; this pass repairs it", watermark, now
        )
        self._metrics.watermark_repaired()

    async def _end(self, cursor: PassCursor) -> None:
        if cursor.incomplete and cursor.began_at - cursor.since < MAX_LAG:
            return
        async with self._units() as unit:
            await unit.watermarks.advance(cursor.began_at)
            await unit.commit()

    async def _stalled(self, watched: Collection[str]) -> list[OperationSummary]:
        """Returns open operations whose execution has a problem that the ledger does not know, or no longer has one.
        Returns none if the index cannot be read: the verification finds them too."""
        try:
            listed = await self._engine.with_problems(watched=watched)
        except EngineUnavailable as outage:
            _log.warning("cannot list executions with problems, the next pass tries again: %s", outage)
            return []
        matches = [match for match in await self._inquiry.matches(listed) if match.entries]
        problems = {match.summary.id for match in matches}
        async with self._units() as unit:
            known = set(await unit.operations.stalled(MAX_STALLED))
            recovered = await unit.operations.summaries(known - problems)
        news = [match.summary for match in matches if match.summary.id not in known and _may_be_stalled(match.summary)]
        return [*recovered, *news][:STALLED_PER_PASS]


_CORRECTIONS = frozenset({Verdict.TRANSITION, Verdict.START_AGAIN, Verdict.DIVERGED, Verdict.ATTENTION})


def _may_be_stalled(summary: OperationSummary) -> bool:
    """Returns whether the engine may say something new. Without a worker it does not."""
    known = (AttentionKind.STALLED, AttentionKind.NO_WORKER)
    return not summary.status.done and summary.attention not in known
