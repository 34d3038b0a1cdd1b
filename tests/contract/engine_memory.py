"""The contract tests' world with the in-memory engine."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from uuid import UUID

from adapters.memory.clock import MemoryClock
from adapters.memory.engine.workflow_engine import IDENTITY, MemoryWorkflowEngine
from application.ports.callback_reader import CallbackMessage
from application.ports.workflow_engine import CompletionCallback
from domain.json_value import JsonValue
from domain.operation.chain import Run
from domain.operation.operation import MISSING
from tests.contract.engine_world import EngineWorld


class MemoryWorld(EngineWorld):
    """Calls the controls of the in-memory engine."""

    identity = IDENTITY

    def __init__(self, page_size: int = 1_000) -> None:
        self.clock = MemoryClock()
        self.first_runs = {}
        self.memory = self.engine = MemoryWorkflowEngine(self.clock, page_size=page_size)

    def now(self) -> datetime:
        """A different time at every call."""
        self.clock.advance(timedelta(microseconds=1))
        return self.clock.advance(timedelta(microseconds=1)) - timedelta(microseconds=1)

    async def input_of(self, operation_id: UUID) -> list[JsonValue]:
        [start] = [start for start in self.memory.starts if start.operation_id == operation_id]
        return [] if start.input is MISSING else [start.input]

    async def trace_of(self, operation_id: UUID) -> Mapping[str, str]:
        [start] = [start for start in self.memory.starts if start.operation_id == operation_id]
        return start.trace

    async def outcome_reports_of(self, operation_id: UUID) -> str | None:
        return self.memory.outcome_reports(operation_id)

    async def pick_up(self, operation_id: UUID) -> None:
        self.memory.poll_queue(f"queue-{operation_id}")
        self.memory.pick_up(operation_id)

    async def complete(self, operation_id: UUID, result: JsonValue) -> None:
        self.memory.complete(operation_id, result)

    async def fail(self, operation_id: UUID, message: str) -> None:
        self.memory.fail(operation_id, message)

    async def acknowledge_cancel(self, operation_id: UUID) -> None:
        self.memory.cancel_acknowledged(operation_id)

    async def continue_as_new(self, operation_id: UUID) -> None:
        self.memory.continue_as_new(operation_id)

    async def retry_attempt(self, operation_id: UUID) -> None:
        self.memory.retry_attempt(operation_id)

    async def time_out(self, operation_id: UUID) -> None:
        self.memory.time_out(operation_id, "run", 1)

    async def reset(self, operation_id: UUID) -> None:
        self.memory.reset(operation_id)

    async def start_from_outside(self, operation_id: UUID) -> None:
        self.memory.start_from_outside(operation_id)

    async def supersede(self, operation_id: UUID, *, tagged: bool) -> None:
        self.memory.supersede(operation_id, tagged=tagged)

    async def latest_run(self, operation_id: UUID) -> Run:
        return self.memory.latest_run(operation_id)

    async def terminate_from_outside(self, operation_id: UUID, reason: str, actor: str) -> None:
        self.memory.terminate_from_outside(operation_id, reason, actor)

    async def cancel_from_outside(self, operation_id: UUID, reason: str, actor: str) -> None:
        self.memory.cancel_from_outside(operation_id, reason, actor)

    async def delete(self, operation_id: UUID) -> None:
        self.memory.delete(operation_id)

    async def fail_tasks(self, operation_id: UUID, times: int, kind: str, message: str) -> None:
        self.memory.stall(operation_id, f"its workflow task has failed {times} times, first with {kind}: {message}")

    async def recover_task(self, operation_id: UUID) -> None:
        self.memory.unstall(operation_id)

    async def fail_activity(self, operation_id: UUID, times: int, kind: str, message: str) -> None:
        words = f'activity "ship" (1) has failed {times} times; last failure: {kind}: {message}'
        self.memory.retry_activity(operation_id, words)

    async def finish_activity(self, operation_id: UUID) -> None:
        self.memory.unstall(operation_id)

    async def without_worker(self, operation_id: UUID) -> None:
        self.memory.leave_queue(f"queue-{operation_id}")

    def callback(self, operation_id: UUID) -> CompletionCallback:
        return CompletionCallback(f"http://127.0.0.1:8080/{operation_id}", {"X-Token": f"token of {operation_id}"})

    def refused_callback(self, operation_id: UUID) -> CompletionCallback:
        self.memory.refuse_callbacks()
        return self.callback(operation_id)

    async def delivered(self, operation_id: UUID, count: int) -> list[CallbackMessage]:
        ours = [pending for pending in self.memory.callbacks if pending.operation_id == operation_id]
        assert all(pending.callback == self.callback(operation_id) for pending in ours)
        assert len(ours) >= count
        return [pending.message for pending in ours]

    async def go_down(self) -> None:
        self.memory.go_down()

    async def come_back(self) -> None:
        self.memory.come_back()

    async def lose_next_reply(self) -> None:
        self.memory.lose_next_reply()
