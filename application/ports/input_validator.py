"""Port: validation of inputs by the JSON Schema of their operation type."""

from collections.abc import Sequence
from typing import Protocol

from domain.errors import Violation
from domain.operation.operation import Input
from domain.operation.operation_type import OperationType


class InputValidator(Protocol):
    """Checks inputs against declared schemas."""

    def accepts(self, operation_type: OperationType, value: Input) -> bool:
        """Returns whether the input is valid. Takes time in proportion to its size, and less than `violations`."""

    def violations(self, operation_type: OperationType, value: Input) -> Sequence[Violation]:
        """Returns what does not fit, with JSON pointers under `/input`; nothing where the input is valid.

        Time, memory and the number of violations are bounded, whatever the input is."""
