"""Asks the engine about operations that its index lists. The index is a hint; the answer is evidence."""

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
"""The verdict on the engine's answer, or its outage; None: recording the answer failed."""
_log = logging.getLogger(__name__)


class Inquiry:
    """Used by the close poll, the start watch and the reconciliation."""

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
        """Returns the operations whose state differs between index and ledger."""
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
        """Observes the chains and records the answers.

        Args:
            questions: The chains, and whether each is likely to be closed.
            source: The channel that the answers are recorded under.

        Raises EngineUnavailable if no chain could be observed and the engine does not answer at all.
        """
        answers = await asyncio.gather(*(self._ask(*question, source) for question in questions.items()))
        if answers and all(isinstance(answer, EngineUnavailable) for answer in answers):
            # Payloads that cannot be decoded raise the same error as an outage, and must not stop the pass.
            await self._engine.ping()
        asked = [chain.operation_id for chain in questions]
        return dict(zip(asked, answers, strict=True))

    async def plan_open(self, answers: Mapping[UUID, Answer]) -> None:
        """Schedules a follow-up for operations without an answer, or with one that is too early."""
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
                _log.warning("cannot observe operation %s, trying again: %s", operation_id, outage)
                return outage
            except Exception:
                _log.exception("recording the observation of operation %s failed", operation_id)
                return None


def answered(answer: Answer) -> bool:
    """Returns whether the engine's answer was recorded."""
    return isinstance(answer, Verdict)


def likely_closed(summaries: Collection[OperationSummary]) -> dict[Chain, bool]:
    """Returns the questions about operations whose close the index lists. The close of a running operation costs one
    request; about one that is not known to run the engine is asked in full, to know when it started."""
    return {summary.chain: summary.status is not OperationStatus.ACCEPTED for summary in summaries}
