"""The arguments of a workflow, and the input that stands for them."""

from collections.abc import Sequence
from enum import StrEnum

from domain.json_value import JsonValue
from domain.operation.operation import MISSING, Input


class Arguments(StrEnum):
    """How the input of an operation becomes the arguments of its workflow. A missing input is no argument."""

    SINGLE = "single"
    """The input is the only argument."""
    SPREAD = "spread"
    """The input is the list of the arguments."""


def to_arguments(value: Input, mode: Arguments) -> list[JsonValue]:
    """The arguments for the input. Raises ValueError for an input under SPREAD that is not a list."""
    if value is MISSING:
        return []
    if mode is Arguments.SINGLE:
        return [value]
    if not isinstance(value, list):
        raise ValueError(f'arguments = "spread" needs a list of arguments as input, not {_kind(value)}')
    return value


def to_input(arguments: Sequence[JsonValue], mode: Arguments) -> tuple[Input, str | None]:
    """The input for the arguments, and a message about arguments that it lacks, if any."""
    if not arguments:
        return MISSING, None
    if mode is Arguments.SPREAD:
        return list(arguments), None
    if len(arguments) == 1:
        return arguments[0], None
    return arguments[0], f'only the first of {len(arguments)} arguments is shown; arguments = "spread" shows all'


def _kind(value: JsonValue) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, str):
        return "a string"
    return "an object" if isinstance(value, dict) else "a number"
