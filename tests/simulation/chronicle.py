"""The engine, which remembers everything that ever happened to an execution: what no row may contradict."""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from adapters.memory.engine.executions import Execution
from adapters.memory.engine.workflow_engine import MemoryWorkflowEngine
from application.ports.workflow_engine import StartRequest
from domain.operation.chain import Chain
from tests.simulation.processes import CURRENT


@dataclass(slots=True)
class Span:
    """Something that was so for a while."""

    since: datetime | None
    until: datetime | None = None

    def held_after(self, moment: datetime) -> bool:
        return self.until is None or self.until >= moment


@dataclass(slots=True)
class Close:
    """The chain was closed so, until somebody reset it or it was forgotten."""

    execution: Execution
    span: Span


@dataclass(slots=True)
class Past:
    """Of one operation's execution."""

    closes: list[Close] = field(default_factory=list)
    absences: list[Span] = field(default_factory=lambda: [Span(None)])
    changed_at: datetime | None = None
    """When what the index lists of it changed last."""
    starts: int = 0
    losses: int = 0
    resets: int = 0
    late_start: bool = False
    """A process that had stood still started it."""

    @property
    def restarts(self) -> int:
        """How often it went on after it could have been closed or gone."""
        return self.resets + self.losses


class ChronicledEngine(MemoryWorkflowEngine):
    """`past` is by operation."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.past: defaultdict[UUID, Past] = defaultdict(Past)

    async def start(self, request: StartRequest) -> str:
        present = request.operation_id in self._executions
        try:
            return await super().start(request)
        finally:
            if not present and request.operation_id in self._executions:
                past = self._begun(request.operation_id)
                past.starts += 1
                process = CURRENT.get()
                past.late_start |= process is not None and process.stood_still

    def own(self, operation_id: UUID) -> Execution | None:
        """The operation's own execution, the latest where it was started again."""
        return self._chains.find(Chain(operation_id))

    def continue_as_new(self, operation_id: UUID) -> None:
        super().continue_as_new(operation_id)
        self.past[operation_id].changed_at = self._clock.now()

    def retry_attempt(self, operation_id: UUID) -> None:
        super().retry_attempt(operation_id)
        self.past[operation_id].changed_at = self._clock.now()

    def reset(self, operation_id: UUID) -> None:
        super().reset(operation_id)
        self._over(operation_id).resets += 1

    def lose(self, operation_id: UUID) -> None:
        super().lose(operation_id)
        past = self._over(operation_id)
        past.losses += 1
        past.absences.append(Span(self._clock.now()))

    def _close(self, operation_id: UUID, execution: Execution) -> None:
        super()._close(operation_id, execution)
        if execution.tagged:
            self._note_close(operation_id, execution)

    def _close_former(self, operation_id: UUID, execution: Execution) -> None:
        super()._close_former(operation_id, execution)
        if execution.tagged:
            self._note_close(operation_id, execution)

    def _note_close(self, operation_id: UUID, execution: Execution) -> None:
        now = self._clock.now()
        past = self.past[operation_id]
        past.closes.append(Close(execution, Span(now)))
        past.changed_at = now

    def _begun(self, operation_id: UUID) -> Past:
        past = self.past[operation_id]
        past.absences[-1].until = past.changed_at = self._clock.now()
        return past

    def _over(self, operation_id: UUID) -> Past:
        """The latest close, if it was closed, is no longer how it stands."""
        now = self._clock.now()
        past = self.past[operation_id]
        if past.closes and past.closes[-1].span.until is None:
            past.closes[-1].span.until = now
        past.changed_at = now
        return past
