"""Asks the engine about operations that its index lists. The index is a hint; the answer is evidence."""

import asyncio
import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias
from uuid import UUID

from application.batching.group_commit import GroupCommit
from application.ports.clock import Clock
from application.ports.engine.index import IndexEntry
from application.ports.engine.workflow_engine import EngineUnavailable, WorkflowEngine
from application.ports.storage.unit_of_work import UnitOfWorkFactory
from application.track.record import RecordEvidence
from domain.evidence.observation import CLOSED
from domain.evidence.reconciliation import Verdict
from domain.evidence.summary import OperationSummary
from domain.operation.chain import Chain
from domain.operation.follow_up import schedule_follow_up
from domain.operation.operation import Operation
from domain.operation.status import OperationStatus
from domain.operation.transition import Source

Answer: TypeAlias = Verdict | EngineUnavailable | None
"""The verdict on the engine's answer, or its outage; None: recording the answer failed."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Question:
    """A question to the engine about a chain."""

    chain: Chain
    likely_closed: bool = False
    version: int | None = None
    """Version of the operation before the question; None: the operation is open."""


@dataclass(frozen=True)
class Match:
    """An operation, and what the index lists of it."""

    summary: OperationSummary
    entries: list[IndexEntry] = field(default_factory=list)

    @property
    def suspicious(self) -> bool:
        """Whether the engine has to be asked."""
        return any(self.summary.needs_observation(entry.state) for entry in self.entries)


def of_entry(entry: IndexEntry, rows: Sequence[Operation]) -> Iterable[Operation]:
    """Returns the operations with the entry's workflow id that the entry may be about.

    It is that of the run, if the entry shows the first run of a chain. Otherwise any of them, because an entry does not
    name its chain: only the open one, for an entry of an open run, if it is known that the engine has it.
    """
    exact = [row for row in rows if row.first_run_id == entry.run_id]
    if exact:
        return exact
    if entry.state not in CLOSED:
        return [row for row in rows if not row.done and row.first_run_id is not None] or rows
    return rows


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

    async def matches(self, entries: Iterable[IndexEntry]) -> list[Match]:
        """Returns the operations that the entries may be about: by `OperationUUID`, else by workflow id. An entry with
        an operation's id and another workflow id is not its execution."""
        entries = list(entries)
        async with self._units() as unit:
            ids = {entry.operation_id for entry in entries if entry.operation_id is not None}
            found = {summary.id: Match(summary) for summary in await unit.operations.summaries(ids)}
            rest = []
            for entry in entries:
                match = None if entry.operation_id is None else found.get(entry.operation_id)
                if match is not None and match.summary.workflow_id == entry.workflow_id:
                    match.entries.append(entry)
                else:
                    rest.append(entry)
            named = await unit.operations.under_workflow_ids({entry.workflow_id for entry in rest}) if rest else {}
        for entry in rest:
            for operation in of_entry(entry, named.get(entry.workflow_id, ())):
                found.setdefault(operation.id, Match(OperationSummary.of(operation))).entries.append(entry)
        return list(found.values())

    async def suspects(self, entries: Iterable[IndexEntry]) -> list[Match]:
        """Returns the operations whose state differs between index and ledger."""
        return [match for match in await self.matches(entries) if match.suspicious]

    async def ask(self, questions: Collection[Question], source: Source) -> dict[UUID, Answer]:
        """Observes the chains and records the answers under the source, each for its operation.

        Raises EngineUnavailable if no chain could be observed and the engine does not answer at all.
        """
        answers = await asyncio.gather(*(self._ask(question, source) for question in questions))
        if answers and all(isinstance(answer, EngineUnavailable) for answer in answers):
            # Payloads that cannot be decoded raise the same error as an outage, and must not stop the pass.
            await self._engine.ping()
        asked = [question.chain.operation_id for question in questions]
        return dict(zip(asked, answers, strict=True))

    async def plan_open(self, answers: Mapping[UUID, Answer]) -> None:
        """Schedules a follow-up for operations without an answer, or with one that is too early."""
        for operation_id, answer in answers.items():
            if not answered(answer) or answer is Verdict.WAIT:
                await self._changes.change(operation_id, lambda row: schedule_follow_up(row, at=self._clock.now()))

    async def _ask(self, question: Question, source: Source) -> Answer:
        operation_id = question.chain.operation_id
        async with self._gate:
            try:
                observation = await self._engine.observe(question.chain, likely_closed=question.likely_closed)
                return await self._recorder.observation(operation_id, observation, source, version=question.version)
            except EngineUnavailable as outage:
                _log.warning("cannot observe operation %s, trying again: %s", operation_id, outage)
                return outage
            except Exception:
                _log.exception("recording the observation of operation %s failed", operation_id)
                return None


def answered(answer: Answer) -> bool:
    """Returns whether the engine's answer was recorded."""
    return isinstance(answer, Verdict)


def questions(summaries: Iterable[OperationSummary]) -> list[Question]:
    """Returns the questions about operations of which nothing is known beyond the summary."""
    return [Question(summary.chain, version=summary.version) for summary in summaries]


def likely_closed(matches: Collection[Match]) -> list[Question]:
    """Returns the questions about operations whose close the index lists. The close of a running operation costs one
    request; about one that is not known to run the engine is asked in full, to know when it started."""
    return [
        Question(summary.chain, summary.status is not OperationStatus.ACCEPTED, summary.version)
        for summary in (match.summary for match in matches)
    ]
