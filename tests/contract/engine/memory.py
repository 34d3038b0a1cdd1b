"""The contract tests' world with the in-memory engine."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from adapters.memory.clock import MemoryClock
from adapters.memory.engine.executions import StartFields
from adapters.memory.engine.workflow_engine import IDENTITY, MemoryWorkflowEngine
from application.ports.engine.callback_reader import CallbackMessage
from application.ports.engine.workflow_engine import CompletionCallback
from domain.json_value import JsonValue
from domain.operation.chain import Run
from domain.operation.start.arguments import to_arguments
from tests.contract.engine.world import EngineWorld, WorkflowId
from tests.support.temporal.server import MAX_CALLBACKS


class MemoryWorld(EngineWorld):
    """Calls the controls of the in-memory engine."""

    identity = IDENTITY

    def __init__(self, page_size: int = 1_000) -> None:
        self.clock = MemoryClock()
        self.first_runs = {}
        self.memory = self.engine = MemoryWorkflowEngine(self.clock, page_size=page_size)
        self.memory.limit_callbacks(MAX_CALLBACKS)

    def now(self) -> datetime:
        """A different time at every call."""
        self.clock.advance(timedelta(microseconds=1))
        return self.clock.advance(timedelta(microseconds=1)) - timedelta(microseconds=1)

    async def input_of(self, operation_id: UUID) -> list[JsonValue]:
        [start] = [start for start in self.memory.starts if start.operation_id == operation_id]
        return to_arguments(start.input, start.type.arguments)

    async def trace_of(self, operation_id: UUID) -> Mapping[str, str]:
        [start] = [start for start in self.memory.starts if start.operation_id == operation_id]
        return start.trace

    async def outcome_reports_of(self, operation_id: UUID) -> str | None:
        return self.memory.outcome_reports(operation_id)

    async def pick_up(self, workflow_id: WorkflowId) -> None:
        self.memory.poll_queue(f"queue-{workflow_id}")
        self.memory.pick_up(workflow_id)

    async def complete(self, workflow_id: WorkflowId, result: JsonValue) -> None:
        self.memory.complete(workflow_id, result)

    async def fail(self, workflow_id: WorkflowId, message: str) -> None:
        self.memory.fail(workflow_id, message)

    async def acknowledge_cancel(self, workflow_id: WorkflowId) -> None:
        self.memory.cancel_acknowledged(workflow_id)

    async def continue_as_new(self, workflow_id: WorkflowId) -> None:
        self.memory.continue_as_new(workflow_id)

    async def retry_attempt(self, workflow_id: WorkflowId) -> None:
        self.memory.retry_attempt(workflow_id)

    async def time_out(self, workflow_id: WorkflowId) -> None:
        self.memory.time_out(workflow_id, "run", 1)

    async def reset(self, workflow_id: WorkflowId) -> None:
        self.memory.reset(workflow_id)

    async def start_from_outside(
        self,
        workflow_id: WorkflowId,
        *,
        workflow_type: str = "Work",
        arguments: Sequence[JsonValue] = (),
        readable: bool = True,
        team: str | None = None,
    ) -> Run:
        fields = StartFields(
            workflow_type,
            f"queue-{workflow_id}",
            tuple(arguments),
            attributes={} if team is None else {"Team": team},
            input_unreadable=None if readable else "its encoding is binary/encrypted, not JSON",
        )
        self.memory.start_from_outside(workflow_id, fields)
        return self.memory.latest_run(workflow_id)

    async def supersede(self, workflow_id: WorkflowId, *, tagged: bool) -> None:
        self.memory.supersede(workflow_id, tagged=tagged)

    async def latest_run(self, workflow_id: WorkflowId) -> Run:
        return self.memory.latest_run(workflow_id)

    async def terminate_from_outside(self, workflow_id: WorkflowId, reason: str, actor: str) -> None:
        self.memory.terminate_from_outside(workflow_id, reason, actor)

    async def cancel_from_outside(self, workflow_id: WorkflowId, reason: str, actor: str) -> None:
        self.memory.cancel_from_outside(workflow_id, reason, actor)

    async def delete(self, workflow_id: WorkflowId) -> None:
        self.memory.delete(workflow_id)

    async def fail_tasks(self, workflow_id: WorkflowId, times: int, kind: str, message: str) -> None:
        self.memory.stall(workflow_id, f"its workflow task has failed {times} times, first with {kind}: {message}")

    async def recover_task(self, workflow_id: WorkflowId) -> None:
        self.memory.unstall(workflow_id)

    async def fail_activity(self, workflow_id: WorkflowId, times: int, kind: str, message: str) -> None:
        words = f'activity "ship" (1) has failed {times} times; last failure: {kind}: {message}'
        self.memory.retry_activity(workflow_id, words)

    async def finish_activity(self, workflow_id: WorkflowId) -> None:
        self.memory.unstall(workflow_id)

    async def without_worker(self, workflow_id: WorkflowId) -> None:
        self.memory.leave_queue(f"queue-{workflow_id}")

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
