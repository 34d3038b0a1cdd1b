"""Asks the engine about operations that a hint speaks of: only its answer is evidence."""

import asyncio
import logging
from collections.abc import Collection, Iterable, Mapping
from typing import TypeAlias
from uuid import UUID

from application.batching.group_commit import GroupCommit
from application.ports.clock import Clock
from application.ports.unit_of_work import UnitOfWorkFactory
from application.ports.workflow_engine import EngineUnavailable, IndexEntry, WorkflowEngine
from application.track.record import RecordEvidence
from domain.evidence.reconciliation import Verdict
from domain.evidence.summary import OperationSummary
from domain.operation.chain import Chain
from domain.operation.follow_up import schedule_follow_up
from domain.operation.status import OperationStatus
from domain.operation.transition import Source

Answer: TypeAlias = Verdict | EngineUnavailable | None
"""What came of a question; None: recording it failed."""
_log = logging.getLogger(__name__)


class Inquiry:
    """Shared by everything that reads the engine's index."""

    def __init__(
        self,
        units: UnitOfWorkFactory,
        changes: GroupCommit,
        engine: WorkflowEngine,
        clock: Clock,
        recorder: RecordEvidence,
        *,
        concurrency: int = 8,
    ) -> None:
        self._units = units
        self._changes = changes
        self._engine = engine
        self._clock = clock
        self._recorder = recorder
        self._gate = asyncio.Semaphore(concurrency)

    async def suspects(self, entries: Iterable[IndexEntry]) -> list[OperationSummary]:
        """The operations about which the index says something else than the ledger."""
        listed: dict[UUID, list[IndexEntry]] = {}
        for entry in entries:
            listed.setdefault(entry.operation_id, []).append(entry)
        async with self._units() as unit:
            summaries = await unit.operations.summaries(listed)
        return [
            summary
            for summary in summaries
            if any(summary.needs_observation(entry.state) for entry in listed[summary.id])
        ]

    async def ask(self, questions: Mapping[Chain, bool], source: Source) -> dict[UUID, Answer]:
        """Returns the answers, for chains and whether each is likely to be closed. Raises EngineUnavailable where
        nothing could be asked and the engine does not answer at all."""
        answers = await asyncio.gather(*(self._ask(*question, source) for question in questions.items()))
        if answers and all(isinstance(answer, EngineUnavailable) for answer in answers):
            # One that cannot be answered for is called the same as an engine that is away, and must not stop the pass.
            await self._engine.ping()
        asked = [chain.operation_id for chain in questions]
        return dict(zip(asked, answers, strict=True))

    async def plan_open(self, answers: Mapping[UUID, Answer]) -> None:
        """Leave operations without an answer, or with one that is too early, to the follow-up."""
        for operation_id, answer in answers.items():
            if not answered(answer) or answer is Verdict.WAIT:
                await self._changes.change(operation_id, lambda row: schedule_follow_up(row, at=self._clock.now()))

    async def _ask(self, chain: Chain, likely_closed: bool, source: Source) -> Answer:
        operation_id = chain.operation_id
        async with self._gate:
            try:
                observation = await self._engine.observe(chain, likely_closed=likely_closed)
                return await self._recorder.observation(operation_id, observation, source)
            except EngineUnavailable as outage:
                _log.warning("operation %s could not be asked about; it is asked again: %s", operation_id, outage)
                return outage
            except Exception:
                _log.exception("recording what the engine says of operation %s failed", operation_id)
                return None


def answered(answer: Answer) -> bool:
    """Whether the engine's word was recorded."""
    return isinstance(answer, Verdict)


def likely_closed(summaries: Collection[OperationSummary]) -> dict[Chain, bool]:
    """The questions about operations whose close the index lists. For those that have begun a close costs one question;
    one that never began is asked about in full, for when it began."""
    return {summary.chain: summary.status is not OperationStatus.ACCEPTED for summary in summaries}
