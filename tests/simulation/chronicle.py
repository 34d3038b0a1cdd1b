"""The engine, which remembers everything that ever happened to an execution: what no row may contradict."""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from adapters.memory.engine.engine_controls import WorkflowId
from adapters.memory.engine.executions import MemoryExecution
from adapters.memory.engine.workflow_engine import MemoryWorkflowEngine
from application.ports.engine.workflow_engine import StartRequest
from tests.simulation.processes import CURRENT
from tests.support.chains import own_chain


@dataclass(slots=True)
class Span:
    """Something that was so for a while."""

    since: datetime | None
    until: datetime | None = None

    def held_after(self, moment: datetime) -> bool:
        return self.until is None or self.until >= moment


@dataclass(slots=True)
class Close:
    """The chain was closed so, until it was reset or forgotten."""

    execution: MemoryExecution
    span: Span


@dataclass(slots=True)
class Past:
    """Of one operation's execution."""

    closes: list[Close] = field(default_factory=list)
    absences: list[Span] = field(default_factory=lambda: [Span(None)])
    changed_at: datetime | None = None
    """When what the index lists of it changed last."""
    starts: int = 0
    first_start: datetime | None = None
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
        present = request.workflow_id in self._executions
        try:
            return await super().start(request)
        finally:
            if not present and request.workflow_id in self._executions:
                past = self._begun(request.operation_id)
                past.starts += 1
                process = CURRENT.get()
                past.late_start |= process is not None and process.stood_still

    def own(self, operation_id: UUID) -> MemoryExecution | None:
        """The operation's own execution, the latest where it was started again."""
        return self._chains.find(own_chain(operation_id))

    def continue_as_new(self, workflow_id: WorkflowId) -> None:
        super().continue_as_new(workflow_id)
        operation_id = UUID(str(workflow_id))
        self.past[operation_id].changed_at = self._clock.now()

    def retry_attempt(self, workflow_id: WorkflowId) -> None:
        super().retry_attempt(workflow_id)
        operation_id = UUID(str(workflow_id))
        self.past[operation_id].changed_at = self._clock.now()

    def reset(self, workflow_id: WorkflowId) -> None:
        super().reset(workflow_id)
        operation_id = UUID(str(workflow_id))
        self._over(operation_id).resets += 1

    def lose(self, workflow_id: WorkflowId) -> None:
        super().lose(workflow_id)
        operation_id = UUID(str(workflow_id))
        past = self._over(operation_id)
        past.losses += 1
        past.absences.append(Span(self._clock.now()))

    def _close(self, execution: MemoryExecution) -> None:
        super()._close(execution)
        self._note_close(execution)

    def _close_former(self, execution: MemoryExecution) -> None:
        super()._close_former(execution)
        self._note_close(execution)

    def _note_close(self, execution: MemoryExecution) -> None:
        if execution.operation_id is None:
            return
        now = self._clock.now()
        past = self.past[execution.operation_id]
        past.closes.append(Close(execution, Span(now)))
        past.changed_at = now

    def _begun(self, operation_id: UUID) -> Past:
        past = self.past[operation_id]
        past.absences[-1].until = past.changed_at = self._clock.now()
        past.first_start = past.first_start or past.changed_at
        return past

    def _over(self, operation_id: UUID) -> Past:
        """The latest close, if it was closed, is no longer its state."""
        now = self._clock.now()
        past = self.past[operation_id]
        if past.closes and past.closes[-1].span.until is None:
            past.closes[-1].span.until = now
        past.changed_at = now
        return past
