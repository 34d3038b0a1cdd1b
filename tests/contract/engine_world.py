"""What the workflow engine's contract tests do around the port: workers, outsiders, the network."""

import asyncio
import contextlib
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from application.ports.callback_reader import CallbackMessage
from application.ports.workflow_engine import CompletionCallback, EngineUnavailable, StartRequest, WorkflowEngine
from domain.evidence.observation import ExecutionState, Observation
from domain.json_value import JsonValue
from domain.operation.chain import Chain, Run
from domain.operation.operation import MISSING, Input
from domain.operation.operation_type import OperationType, RetryPolicy

PATIENCE = 60.0
"""Seconds; far above what anything takes."""
RETRYING = RetryPolicy(initial_interval=timedelta(milliseconds=10), maximum_attempts=2)


async def eventually(holds: Callable[[], Awaitable[bool]], patience: float = PATIENCE) -> None:
    """Return once it holds; TimeoutError if it never does."""
    async with asyncio.timeout(patience):
        while True:
            if await holds():
                return
            await asyncio.sleep(0.05)


class EngineWorld(ABC):
    """One engine, and everything else that acts on it."""

    engine: WorkflowEngine
    identity: str
    """The actor of what goes through the port."""
    first_runs: dict[UUID, str]
    """By operation."""
    quiet: float = 0.0
    """Seconds in which a callback that should not come would have come."""

    def request(self, value: Input = MISSING, **type_fields: object) -> StartRequest:
        """A start of a new operation on a task queue of its own."""
        operation_id = uuid4()
        kind = OperationType(name="work", workflow="Work", task_queue=f"queue-{operation_id}")
        return StartRequest(operation_id, replace(kind, **type_fields), value)  # type: ignore[arg-type]

    async def started(self, value: Input = MISSING, **type_fields: object) -> UUID:
        """The id of a new operation whose execution was started."""
        request = self.request(value, **type_fields)
        self.first_runs[request.operation_id] = await self.engine.start(request)
        return request.operation_id

    async def observe(self, operation_id: UUID) -> Observation:
        return await self.engine.observe(self.chain(operation_id))

    def chain(self, operation_id: UUID) -> Chain:
        """The operation's chain, with its first run where `started` has started it."""
        return Chain(operation_id, self.first_runs.get(operation_id))

    async def with_callback(self, value: Input = MISSING, **type_fields: object) -> UUID:
        """The id of a new operation whose execution was started with a callback."""
        request = self.request(value, **type_fields)
        await self.engine.start(replace(request, callback=self.callback(request.operation_id)))
        return request.operation_id

    async def changes(self, since: datetime) -> dict[UUID, ExecutionState]:
        """What the index lists, all pages of it. Of runs of one chain any may come last."""
        page = await self.engine.changed_since(since)
        entries = list(page.entries)
        while page.next_page is not None:
            page = await self.engine.changed_since(since, page.next_page)
            entries += page.entries
        return {entry.operation_id: entry.state for entry in entries}

    async def settled_changes(
        self, since: datetime, of: Iterable[UUID], expected: Mapping[UUID, ExecutionState]
    ) -> dict[UUID, ExecutionState]:
        """What is listed of these operations once the index has caught up, at most some seconds later."""
        listed: dict[UUID, ExecutionState] = {}
        wanted = frozenset(of)

        async def caught_up() -> bool:
            nonlocal listed
            changes = await self.changes(since)
            listed = {ours: state for ours, state in changes.items() if ours in wanted}
            return listed == expected

        with contextlib.suppress(TimeoutError):
            await eventually(caught_up)
        return listed

    @abstractmethod
    def now(self) -> datetime:
        """The engine's clock."""

    @abstractmethod
    async def input_of(self, operation_id: UUID) -> list[JsonValue]:
        """The arguments that a worker would get: none, or one."""

    @abstractmethod
    async def trace_of(self, operation_id: UUID) -> Mapping[str, str]:
        """The trace context that a worker would get."""

    @abstractmethod
    async def outcome_reports_of(self, operation_id: UUID) -> str | None:
        """The rule about outcome reports that the latest run of a workflow would read; None: it has none."""

    @abstractmethod
    async def pick_up(self, operation_id: UUID) -> None: ...

    @abstractmethod
    async def complete(self, operation_id: UUID, result: JsonValue) -> None: ...

    @abstractmethod
    async def fail(self, operation_id: UUID, message: str) -> None: ...

    @abstractmethod
    async def acknowledge_cancel(self, operation_id: UUID) -> None: ...

    @abstractmethod
    async def continue_as_new(self, operation_id: UUID) -> None: ...

    @abstractmethod
    async def retry_attempt(self, operation_id: UUID) -> None:
        """The run of an execution with the retry policy RETRYING fails."""

    @abstractmethod
    async def time_out(self, operation_id: UUID) -> None:
        """The run timeout of one second passes."""

    @abstractmethod
    async def reset(self, operation_id: UUID) -> None: ...

    @abstractmethod
    async def start_from_outside(self, operation_id: UUID) -> None: ...

    @abstractmethod
    async def supersede(self, operation_id: UUID, *, tagged: bool) -> None:
        """Another client starts an execution in place of what is there, open or closed, on the same task queue.

        `tagged`: with the operation's id as `OperationUUID`.
        """

    @abstractmethod
    async def latest_run(self, operation_id: UUID) -> Run:
        """The latest run under the workflow id."""

    @abstractmethod
    async def terminate_from_outside(self, operation_id: UUID, reason: str, actor: str) -> None: ...

    @abstractmethod
    async def cancel_from_outside(self, operation_id: UUID, reason: str, actor: str) -> None: ...

    @abstractmethod
    async def delete(self, operation_id: UUID) -> None:
        """An open execution is deleted."""

    @abstractmethod
    async def fail_tasks(self, operation_id: UUID, times: int, kind: str, message: str) -> None:
        """The workflow task fails that often in a row."""

    @abstractmethod
    async def get_on(self, operation_id: UUID) -> None:
        """The workflow task that failed goes through."""

    @abstractmethod
    async def fail_activity(self, operation_id: UUID, times: int, kind: str, message: str) -> None:
        """The workflow runs the activity "ship", and that fails so often in a row."""

    @abstractmethod
    async def finish_activity(self, operation_id: UUID) -> None:
        """That activity succeeds at last, and the workflow goes on."""

    @abstractmethod
    async def without_worker(self, operation_id: UUID) -> None:
        """No worker polls the operation's task queue, until the next one takes a task."""

    @abstractmethod
    def callback(self, operation_id: UUID) -> CompletionCallback:
        """One that the engine takes, with a token in its headers."""

    @abstractmethod
    def refused_callback(self, operation_id: UUID) -> CompletionCallback:
        """One that the engine takes no start with; in memory, from now on none at all."""

    @abstractmethod
    async def delivered(self, operation_id: UUID, count: int) -> list[CallbackMessage]:
        """What the engine has called back with, once it is as many."""

    @abstractmethod
    async def go_down(self) -> None: ...

    @abstractmethod
    async def come_back(self) -> None: ...

    @abstractmethod
    async def lose_next_reply(self) -> None: ...

    async def answering(self) -> None:
        """Return once calls get through: of a connection that was cut, the call that finds it out is lost too."""

        async def gets_through() -> bool:
            with contextlib.suppress(EngineUnavailable):
                await self.engine.ping()
                return True
            return False

        await eventually(gets_through)
