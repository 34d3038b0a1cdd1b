"""Port: whether an input fits the JSON Schema of its operation type."""

from typing import Protocol

from domain.operation import Input
from domain.operation_type import OperationType


class InputValidator(Protocol):
    """Checks inputs against declared schemas."""

    def validate(self, operation_type: OperationType, value: Input) -> None:
        """Raises InvalidInput, with a JSON pointer to the offending field under `/input`."""
