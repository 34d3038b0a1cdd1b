"""Port: the engine that runs workflows."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from domain.errors import OpledgerError
from domain.evidence import Observation
from domain.operation import Input
from domain.operation_type import OperationType


class StartRejected(OpledgerError):
    """The engine refuses this start for good."""


class StartFailed(OpledgerError):
    """The engine did not take this start; it may later. Another operation's start may go through."""


class ExecutionExists(OpledgerError):
    """The operation's execution was started before, by another request or in another run."""


class EngineUnavailable(OpledgerError):
    """The engine cannot be reached, or asks to be left alone for a while."""


@dataclass(frozen=True, slots=True)
class StartRequest:
    """What to start. The operation's id is workflow id and request id: a repeat starts nothing new."""

    operation_id: UUID
    type: OperationType
    input: Input
    """MISSING starts the workflow without an argument; any JSON value, null too, is its single argument."""


class WorkflowEngine(Protocol):
    """Starts, observes and ends the executions of operations. Every call may raise EngineUnavailable."""

    async def start(self, request: StartRequest) -> None:
        """Start the operation's execution. Done before by the same request: nothing happens.
        Raises StartRejected, StartFailed, ExecutionExists."""

    async def observe(self, operation_id: UUID) -> Observation:
        """How the latest run of the operation's chain stands. Strongly consistent."""

    async def listed_as_running(self, operation_ids: Iterable[UUID]) -> frozenset[UUID]:
        """Those of the given operations that the engine's index lists as running. Seconds old: a hint that saves
        questions, never evidence."""

    async def cancel(self, operation_id: UUID, reason: str) -> None:
        """Ask the execution to stop. One that is closed or unknown is left as it is."""

    async def terminate(self, operation_id: UUID, reason: str) -> None:
        """End the execution. One that is closed or unknown is left as it is."""

    async def ping(self) -> None:
        """Return if the engine answers."""
