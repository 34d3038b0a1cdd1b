"""Adapter: inputs against the JSON Schema (draft 2020-12) of their operation type."""

import itertools
from collections.abc import Sequence
from typing import Any

from jsonschema.exceptions import best_match
from jsonschema.protocols import Validator
from referencing import Registry

from adapters.jsonschema.dialect import Dialect
from adapters.jsonschema.wording import place_and_rule
from domain.errors import InvalidInput
from domain.operation import MISSING, Input
from domain.operation_type import OperationType

_MOST_ERRORS = 100
"""Errors among which the most telling one is looked for."""
_LONGEST_NAME = 100


class JsonSchemaInputValidator:
    """Schemas are compiled at their first use, and trusted: a `pattern` that backtracks for ever is the operator's
    own. `check_schema` is what vouches for them at the start."""

    def __init__(self) -> None:
        self._compiled: dict[str, tuple[OperationType, Validator]] = {}

    def validate(self, operation_type: OperationType, value: Input) -> None:
        """Raises InvalidInput, with a JSON pointer to the offending field under `/input`."""
        if operation_type.input_schema is None:
            return
        if value is MISSING:
            raise InvalidInput("input is required", pointer="/input")
        errors = itertools.islice(self._validator(operation_type).iter_errors(value), _MOST_ERRORS)
        try:
            error = best_match(errors)
        except OverflowError:
            raise InvalidInput("input holds a number that is out of range", pointer="/input") from None
        if error is not None:
            place, rule = place_and_rule(error)
            raise InvalidInput(f"{_name(place)} {rule}", pointer=_pointer(place))

    def _validator(self, operation_type: OperationType) -> Validator:
        known = self._compiled.get(operation_type.name)
        if known is None or known[0] is not operation_type:
            known = (operation_type, compile_schema(dict(operation_type.input_schema or {})))
            self._compiled[operation_type.name] = known
        return known[1]


def compile_schema(schema: dict[str, Any]) -> Validator:
    """A validator that resolves references within the schema alone."""
    registry: Registry[Any] = Registry()
    validator: Validator = Dialect(schema, registry=registry)
    return validator


def _pointer(place: Sequence[str | int]) -> str:
    return "/input" + "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in place)


def _name(place: Sequence[str | int]) -> str:
    name = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place)
    return "input" + (name if len(name) <= _LONGEST_NAME else name[: _LONGEST_NAME - 1] + "…")
