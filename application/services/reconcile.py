"""Hold the ledger against what the engine's index says has changed: a pass costs what changed, not what runs."""

import asyncio
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from application.ports.clock import Clock
from application.ports.unit_of_work import UnitOfWorkFactory
from application.ports.workflow_engine import EngineUnavailable, IndexEntry, WorkflowEngine
from application.services.group_commit import GroupCommit
from application.services.record import RecordEvidence
from domain.attention import AttentionKind
from domain.follow_up import ask_soon
from domain.reconciliation import Verdict
from domain.standing import Standing
from domain.status import OperationStatus
from domain.transition import Source

OVERLAP = timedelta(minutes=1)
"""How far behind its watermark a pass begins: the index lags by seconds, and clocks differ."""
LONGEST_LAG = timedelta(hours=1)
"""How long a final operation that cannot be asked about holds the watermark back; nothing else finds its divergence."""
KNOWN_STALLED = 10_000
STALLED_PER_PASS = 500
"""How many executions with problems, or without them any more, a pass asks about; the next one goes on."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PassCursor:
    """Where a pass is."""

    since: datetime
    """What has changed since then is looked at."""
    began_at: datetime
    """What the watermark becomes when the pass has ended."""
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
        changes: GroupCommit,
        engine: WorkflowEngine,
        clock: Clock,
        recorder: RecordEvidence,
        *,
        overlap: timedelta = OVERLAP,
        concurrency: int = 8,
    ) -> None:
        """`overlap`: how far behind its watermark a pass begins; longer than the policy's grace, or what has begun
        within the grace is never looked at again."""
        self._units = units
        self._changes = changes
        self._engine = engine
        self._clock = clock
        self._recorder = recorder
        self._overlap = overlap
        self._gate = asyncio.Semaphore(concurrency)

    async def page(self, cursor: PassCursor | None = None) -> ReconciledPage:
        """Reconcile one page of a pass; without a cursor, the first page of a new one.

        The index is a hint: what it lists against the ledger's word is asked about one by one, because only that
        answer is strongly consistent. Bad rows are counted and passed over: open ones are left to the follow-up, final
        ones keep the watermark where it is. It moves when the last page is done. Raises EngineUnavailable if the index
        cannot be asked, or if nothing could and the engine does not answer at all.
        """
        cursor = cursor or await self._begin()
        index = await self._engine.changed_since(cursor.since, cursor.page or None)
        suspects = await self._suspects(index.entries)
        asked = await self._ask_all({standing.id: _begun(standing) for standing in suspects})
        failed_final = any(standing.status.done and not _answered(asked[standing.id]) for standing in suspects)
        cursor = replace(cursor, incomplete=cursor.incomplete or failed_final)
        if index.next_page is None:
            await self._end(cursor)
            asked |= await self._ask_all(dict.fromkeys(await self._stalled(), False))
        return ReconciledPage(
            cursor=None if index.next_page is None else replace(cursor, page=index.next_page),
            listed=len(index.entries),
            asked=len(asked),
            corrected=sum(verdict in _CORRECTIONS for verdict in asked.values()),
            failed=sum(not _answered(verdict) for verdict in asked.values()),
        )

    async def _begin(self) -> PassCursor:
        began_at = self._clock.now()
        async with self._units() as unit:
            known = await unit.watermarks.get() or await unit.watermarks.oldest_unfinished()
        return PassCursor(since=(known or began_at) - self._overlap, began_at=began_at)

    async def _end(self, cursor: PassCursor) -> None:
        if cursor.incomplete and cursor.began_at - cursor.since < LONGEST_LAG:
            return
        async with self._units() as unit:
            await unit.watermarks.advance(cursor.began_at)
            await unit.commit()

    async def _suspects(self, entries: Iterable[IndexEntry]) -> list[Standing]:
        """The operations about which the index says something else than the ledger."""
        listed: dict[UUID, list[IndexEntry]] = {}
        for entry in entries:
            listed.setdefault(entry.operation_id, []).append(entry)
        async with self._units() as unit:
            standings = await unit.operations.standings(listed)
        return [
            standing
            for standing in standings
            if any(standing.worth_asking(entry.state) for entry in listed[standing.id])
        ]

    async def _stalled(self) -> list[UUID]:
        """Open operations whose execution has a problem that the ledger does not know of, or has none any more. Where
        the index cannot say, none: verifying finds them too."""
        try:
            problems = await self._engine.with_problems()
        except EngineUnavailable as outage:
            _log.warning("executions with problems are looked for by the next pass: %s", outage)
            return []
        async with self._units() as unit:
            known = await unit.operations.stalled(KNOWN_STALLED)
            standings = await unit.operations.standings(problems.difference(known))
        recovered = [operation_id for operation_id in known if operation_id not in problems]
        news = [standing.id for standing in standings if _may_be_stalled(standing)]
        return [*recovered, *news][:STALLED_PER_PASS]

    async def _ask_all(self, suspects: Mapping[UUID, bool]) -> dict[UUID, Verdict | EngineUnavailable | None]:
        """The verdicts, for suspects and whether each has begun."""
        verdicts = await asyncio.gather(*(self._ask(*suspect) for suspect in suspects.items()))
        if verdicts and all(isinstance(verdict, EngineUnavailable) for verdict in verdicts):
            # One that cannot be answered for is called the same as an engine that is away, and must not stop the pass.
            await self._engine.ping()
        for operation_id, verdict in zip(suspects, verdicts, strict=True):
            if not _answered(verdict) or verdict is Verdict.WAIT:
                await self._changes.change(operation_id, lambda row: ask_soon(row, at=self._clock.now()))
        return dict(zip(suspects, verdicts, strict=True))

    async def _ask(self, operation_id: UUID, begun: bool) -> Verdict | EngineUnavailable | None:
        async with self._gate:
            try:
                observation = await self._engine.observe(operation_id, likely_closed=begun)
                return await self._recorder.observation(operation_id, observation, Source.RECONCILIATION)
            except EngineUnavailable as outage:
                _log.warning("operation %s could not be asked about; it is asked again: %s", operation_id, outage)
                return outage
            except Exception:
                _log.exception("reconciling operation %s failed; it is asked about again", operation_id)
                return None


_CORRECTIONS = frozenset({Verdict.TRANSITION, Verdict.START_AGAIN, Verdict.DIVERGED, Verdict.ATTENTION})


def _answered(verdict: Verdict | EngineUnavailable | None) -> bool:
    return isinstance(verdict, Verdict)


def _may_be_stalled(standing: Standing) -> bool:
    return not standing.status.done and standing.attention is not AttentionKind.STALLED


def _begun(standing: Standing) -> bool:
    return standing.status is not OperationStatus.ACCEPTED
