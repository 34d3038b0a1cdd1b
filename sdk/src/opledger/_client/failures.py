"""Exceptions for operations that have failed, by error code."""

from opledger._client.models import Operation


class OperationFailed(Exception):
    """The operation has failed. Its subclasses are the error codes."""

    def __init__(self, operation: Operation) -> None:
        error = operation.error
        reason = "it has no result" if error is None else f"{error.code}: {error.message}"
        super().__init__(f"operation {operation.id} ({operation.type}) failed with {reason}")
        self.operation = operation


class WorkflowFailed(OperationFailed):
    """The workflow failed."""


class Canceled(OperationFailed):
    """The operation was cancelled, and the workflow accepted it or had not started."""


class Terminated(OperationFailed):
    """The workflow was terminated from outside; it could not clean up."""


class TimedOut(OperationFailed):
    """The workflow did not close within its execution or run timeout."""


class StartRejected(OperationFailed):
    """No workflow was started."""


class ExecutionLost(OperationFailed):
    """Temporal no longer knows the execution, and its outcome is unknown."""


_BY_CODE: dict[str, type[OperationFailed]] = {
    "WORKFLOW_FAILED": WorkflowFailed,
    "CANCELED": Canceled,
    "TERMINATED": Terminated,
    "TIMED_OUT": TimedOut,
    "START_REJECTED": StartRejected,
    "EXECUTION_LOST": ExecutionLost,
}


def failure(operation: Operation) -> OperationFailed:
    """The exception for a failed operation."""
    code = "" if operation.error is None else operation.error.code
    return _BY_CODE.get(code, OperationFailed)(operation)
