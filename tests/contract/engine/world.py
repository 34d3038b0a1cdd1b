"""What the engine's contract tests control besides the port: workers, other clients, the network."""

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TypeAlias
from uuid import UUID, uuid4

from application.ports.engine.callback_reader import CallbackMessage
from application.ports.engine.workflow_engine import CompletionCallback, EngineUnavailable, StartRequest, WorkflowEngine
from domain.evidence.observation import ExecutionState, Observation
from domain.json_value import JsonValue
from domain.operation.chain import Chain, Run
from domain.operation.operation import MISSING, Input
from domain.operation.operation_type import OperationType, RetryPolicy
from tests.support.chains import own_chain
from tests.support.eventually import eventually, until

WorkflowId: TypeAlias = UUID | str
"""A workflow id, or the id of an operation that has its own id as workflow id."""
RETRYING = RetryPolicy(initial_interval=timedelta(milliseconds=10), maximum_attempts=2)


class EngineWorld(ABC):
    """One engine, and everything that acts on it."""

    engine: WorkflowEngine
    identity: str
    """Actor of the calls through the port."""
    first_runs: dict[UUID, str]
    """First run ids by operation."""
    quiet: float = 0.0
    """Seconds after which an unexpected callback would have arrived."""

    def request(self, value: Input = MISSING, **type_fields: object) -> StartRequest:
        """A start request of a new operation with its own task queue."""
        return self.named_request(None, value, **type_fields)

    def named_request(self, workflow_id: str | None, value: Input = MISSING, **type_fields: object) -> StartRequest:
        """A start request of a new operation with this workflow id; None: the operation's id."""
        operation_id = uuid4()
        workflow_id = str(operation_id) if workflow_id is None else workflow_id
        kind = OperationType(name="work", workflow="Work", task_queue=f"queue-{workflow_id}")
        return StartRequest(operation_id, workflow_id, replace(kind, **type_fields), value)  # type: ignore[arg-type]

    async def started(self, value: Input = MISSING, **type_fields: object) -> UUID:
        """Starts the execution of a new operation, and returns its id."""
        request = self.request(value, **type_fields)
        self.first_runs[request.operation_id] = await eventually(lambda: self.engine.start(request))
        return request.operation_id

    async def observe(self, asked: UUID | Chain, *, likely_closed: bool = False) -> Observation:
        """Observes a chain, or that of an operation. An engine that is unavailable for a moment is asked again."""
        chain = asked if isinstance(asked, Chain) else self.chain(asked)
        return await eventually(lambda: self.engine.observe(chain, likely_closed=likely_closed))

    def chain(self, operation_id: UUID) -> Chain:
        """The operation's chain, with its first run if `started` started it."""
        return own_chain(operation_id, self.first_runs.get(operation_id))

    async def with_callback(self, value: Input = MISSING, **type_fields: object) -> UUID:
        """Starts the execution of a new operation with a callback, and returns its id."""
        request = self.request(value, **type_fields)
        start = replace(request, callback=self.callback(request.operation_id))
        await eventually(lambda: self.engine.start(start))
        return request.operation_id

    async def changes(self, since: datetime) -> dict[UUID, ExecutionState]:
        """All entries of the index. If a chain has several runs, any of them may be the last entry."""
        page = await self.engine.changed_since(since)
        entries = list(page.entries)
        while page.next_page is not None:
            page = await self.engine.changed_since(since, page.next_page)
            entries += page.entries
        return {entry.operation_id: entry.state for entry in entries if entry.operation_id is not None}

    async def settled_changes(
        self, since: datetime, of: Iterable[UUID], expected: Mapping[UUID, ExecutionState]
    ) -> dict[UUID, ExecutionState]:
        """The index entries of these operations, after the index has caught up (some seconds at most)."""
        listed: dict[UUID, ExecutionState] = {}
        wanted = frozenset(of)

        async def caught_up() -> bool:
            nonlocal listed
            changes = await self.changes(since)
            listed = {ours: state for ours, state in changes.items() if ours in wanted}
            return listed == expected

        await until(caught_up)
        return listed

    @abstractmethod
    def now(self) -> datetime:
        """The engine's clock."""

    @abstractmethod
    async def input_of(self, operation_id: UUID) -> list[JsonValue]:
        """The workflow's arguments, none or one."""

    @abstractmethod
    async def trace_of(self, operation_id: UUID) -> Mapping[str, str]:
        """The trace context in the start."""

    @abstractmethod
    async def outcome_reports_of(self, operation_id: UUID) -> str | None:
        """The rule for outcome reports in the memo of the latest run; None: no memo."""

    @abstractmethod
    async def pick_up(self, workflow_id: WorkflowId) -> None: ...

    @abstractmethod
    async def complete(self, workflow_id: WorkflowId, result: JsonValue) -> None: ...

    @abstractmethod
    async def fail(self, workflow_id: WorkflowId, message: str) -> None: ...

    @abstractmethod
    async def acknowledge_cancel(self, workflow_id: WorkflowId) -> None: ...

    @abstractmethod
    async def continue_as_new(self, workflow_id: WorkflowId) -> None: ...

    @abstractmethod
    async def retry_attempt(self, workflow_id: WorkflowId) -> None:
        """Fails the run of an execution with the retry policy RETRYING."""

    @abstractmethod
    async def time_out(self, workflow_id: WorkflowId) -> None:
        """Waits for the run timeout of one second."""

    @abstractmethod
    async def reset(self, workflow_id: WorkflowId) -> None: ...

    @abstractmethod
    async def start_from_outside(
        self,
        workflow_id: WorkflowId,
        *,
        workflow_type: str = "Work",
        arguments: Sequence[JsonValue] = (),
        readable: bool = True,
        team: str | None = None,
    ) -> Run:
        """Another client starts an execution, and this returns its run.

        Args:
            workflow_id: The workflow id.
            workflow_type: The workflow type.
            arguments: Arguments of the workflow.
            readable: Whether the ledger has the codec of the arguments.
            team: Value of the search attribute `Team`.
        """

    @abstractmethod
    async def supersede(self, workflow_id: WorkflowId, *, tagged: bool) -> None:
        """Starts another execution with the same workflow id and task queue. An open execution is terminated.

        `tagged`: the new execution has the operation's id as `OperationUUID`.
        """

    @abstractmethod
    async def latest_run(self, workflow_id: WorkflowId) -> Run:
        """The latest run with the workflow id."""

    @abstractmethod
    async def terminate_from_outside(self, workflow_id: WorkflowId, reason: str, actor: str) -> None: ...

    @abstractmethod
    async def cancel_from_outside(self, workflow_id: WorkflowId, reason: str, actor: str) -> None: ...

    @abstractmethod
    async def delete(self, workflow_id: WorkflowId) -> None:
        """Deletes an open execution."""

    @abstractmethod
    async def fail_tasks(self, workflow_id: WorkflowId, times: int, kind: str, message: str) -> None:
        """Fails the workflow task `times` times in a row."""

    @abstractmethod
    async def recover_task(self, workflow_id: WorkflowId) -> None:
        """Completes the workflow task that failed before."""

    @abstractmethod
    async def fail_activity(self, workflow_id: WorkflowId, times: int, kind: str, message: str) -> None:
        """The workflow runs the activity "ship", which fails `times` times in a row."""

    @abstractmethod
    async def finish_activity(self, workflow_id: WorkflowId) -> None:
        """Completes that activity."""

    @abstractmethod
    async def without_worker(self, workflow_id: WorkflowId) -> None:
        """No worker polls the task queue, until a worker picks up a task."""

    @abstractmethod
    def callback(self, operation_id: UUID) -> CompletionCallback:
        """A callback that the engine accepts, with a token in its headers."""

    @abstractmethod
    def refused_callback(self, operation_id: UUID) -> CompletionCallback:
        """A callback that the engine refuses. The in-memory engine then refuses all callbacks."""

    @abstractmethod
    async def delivered(self, operation_id: UUID, count: int) -> list[CallbackMessage]:
        """The callbacks that the engine sent, when there are at least `count`."""

    @abstractmethod
    async def go_down(self) -> None: ...

    @abstractmethod
    async def come_back(self) -> None: ...

    @abstractmethod
    async def lose_next_reply(self) -> None: ...

    async def answering(self) -> None:
        """Returns when calls succeed. After a cut connection the call that discovers it fails too."""

        async def gets_through() -> bool:
            with contextlib.suppress(EngineUnavailable):
                await self.engine.ping()
                return True
            return False

        await eventually(gets_through)
