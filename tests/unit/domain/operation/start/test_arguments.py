"""The table of inputs and arguments."""

import pytest

from domain.json_value import JsonValue
from domain.operation.operation import MISSING, Input
from domain.operation.start.arguments import Arguments, to_arguments, to_input

SINGLE, SPREAD = Arguments.SINGLE, Arguments.SPREAD


@pytest.mark.parametrize(
    ("value", "mode", "arguments"),
    [
        (MISSING, SINGLE, []),
        (MISSING, SPREAD, []),
        (None, SINGLE, [None]),
        ([], SINGLE, [[]]),
        ([1, 2], SINGLE, [[1, 2]]),
        ([1], SPREAD, [1]),
        ([[1], None], SPREAD, [[1], None]),
    ],
)
def test_input_becomes_arguments_and_back(value: Input, mode: Arguments, arguments: list[JsonValue]) -> None:
    """Every input can be read back from the arguments."""
    assert to_arguments(value, mode) == arguments
    assert to_input(arguments, mode) == (value, None)


def test_empty_list_is_no_argument() -> None:
    """Under SPREAD, like a missing input."""
    assert to_arguments([], SPREAD) == []


@pytest.mark.parametrize(
    ("value", "kind"),
    [(None, "null"), (False, "a boolean"), ("[1]", "a string"), (1, "a number"), (1.5, "a number"), ({}, "an object")],
)
def test_only_a_list_can_be_spread(value: JsonValue, kind: str) -> None:
    """The message says what the input is."""
    with pytest.raises(ValueError, match=f"needs a list of arguments as input, not {kind}$"):
        to_arguments(value, SPREAD)


def test_first_of_several_arguments_is_shown() -> None:
    """If the type takes a single one. The message says so."""
    assert to_input([1, 2], SINGLE) == (
        1,
        'only the first of 2 arguments is shown; arguments = "spread" shows all',
    )
