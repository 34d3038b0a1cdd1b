"""Declared operation types, and their catalogue."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from domain.errors import UnknownOperationType
from domain.json_value import JsonValue


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Temporal's retry policy for the whole workflow."""

    initial_interval: timedelta = timedelta(seconds=1)
    """Wait before the second attempt."""
    backoff_coefficient: float = 2.0
    """Factor by which each further wait is longer; at least 1."""
    maximum_interval: timedelta | None = None
    """Longest wait between attempts."""
    maximum_attempts: int = 0
    """0: no limit."""
    non_retryable_error_types: tuple[str, ...] = ()
    """Error types after which the workflow is not retried."""


@dataclass(frozen=True, slots=True)
class OperationType:
    """Settings with which the dispatcher starts operations of one type."""

    name: str
    workflow: str
    """Name of the workflow type in Temporal."""
    task_queue: str
    """Task queue that the workflow's workers poll."""
    description: str = ""
    """Text for people."""
    execution_timeout: timedelta | None = None
    """Limit for the whole chain, retries and continue-as-new included."""
    run_timeout: timedelta | None = None
    """Limit for one run."""
    task_timeout: timedelta | None = None
    """Limit for one workflow task."""
    retry_policy: RetryPolicy | None = None
    """Retry policy for the whole workflow."""
    input_schema: Mapping[str, JsonValue] | None = None
    """JSON Schema of the input. None: any JSON is valid, and so is a missing input."""


@dataclass(frozen=True, slots=True)
class OperationCatalogue:
    """Declared types by name."""

    types: Mapping[str, OperationType] = field(default_factory=dict)

    def get(self, name: str) -> OperationType:
        """The declared type. Raises UnknownOperationType, which lists the declared ones."""
        try:
            return self.types[name]
        except KeyError:
            raise UnknownOperationType(self.unknown(name)) from None

    def unknown(self, name: str) -> str:
        """Error message for a type that is not declared."""
        declared = ", ".join(sorted(self.types)) or "none"
        return f"{name!r} is not a declared operation type (declared: {declared})"

    def __iter__(self) -> Iterator[OperationType]:
        return iter(self.types.values())
