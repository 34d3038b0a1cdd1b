"""What the workflow engine's contract tests do around the port: workers, outsiders, the network."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from application.ports.workflow_engine import StartRequest, WorkflowEngine
from domain.evidence import Observation
from domain.json_value import JsonValue
from domain.operation import MISSING, Input
from domain.operation_type import OperationType, RetryPolicy

PATIENCE = 20.0
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

    def request(self, value: Input = MISSING, **type_fields: object) -> StartRequest:
        """A start of a new operation on a task queue of its own."""
        operation_id = uuid4()
        kind = OperationType(name="work", workflow="Work", task_queue=f"queue-{operation_id}")
        return StartRequest(operation_id, replace(kind, **type_fields), value)  # type: ignore[arg-type]

    async def started(self, value: Input = MISSING, **type_fields: object) -> UUID:
        """The id of a new operation whose execution was started."""
        request = self.request(value, **type_fields)
        await self.engine.start(request)
        return request.operation_id

    async def observe(self, operation_id: UUID) -> Observation:
        return await self.engine.observe(operation_id)

    @abstractmethod
    def now(self) -> datetime:
        """The engine's clock."""

    @abstractmethod
    async def input_of(self, operation_id: UUID) -> list[JsonValue]:
        """The arguments that a worker would get: none, or one."""

    @abstractmethod
    async def take_up(self, operation_id: UUID) -> None: ...

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
    async def terminate_from_outside(self, operation_id: UUID, reason: str, actor: str) -> None: ...

    @abstractmethod
    async def cancel_from_outside(self, operation_id: UUID, reason: str, actor: str) -> None: ...

    @abstractmethod
    async def delete(self, operation_id: UUID) -> None:
        """An open execution is deleted."""

    @abstractmethod
    async def settle_listing(self, operation_ids: Iterable[UUID], expected: frozenset[UUID]) -> frozenset[UUID]:
        """What is listed once the index has caught up, at most some seconds later."""

    @abstractmethod
    async def go_down(self) -> None: ...

    @abstractmethod
    async def come_back(self) -> None: ...

    @abstractmethod
    async def lose_next_reply(self) -> None: ...
