"""Port: validation of inputs by the JSON Schema of their operation type."""

from collections.abc import Sequence
from typing import Protocol

from domain.errors import Fault
from domain.operation.operation import Input
from domain.operation.operation_type import OperationType


class InputValidator(Protocol):
    """Checks inputs against declared schemas."""

    def faults(self, operation_type: OperationType, value: Input) -> Sequence[Fault]:
        """Returns what does not fit, with JSON pointers under `/input`; nothing where the input is valid.

        Time, memory and the number of faults are bounded, whatever the input is."""
