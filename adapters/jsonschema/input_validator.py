"""Validates inputs by the JSON Schema (draft 2020-12) of their operation type."""

from collections.abc import Sequence

from domain.errors import Violation
from domain.operation.operation import MISSING, Input
from domain.operation.operation_type import OperationType


class JsonSchemaInputValidator:
    """jsonschema-rs decides. A refused input is then explained, within limits.

    Compiles schemas at their first use and trusts them: `check_schema` checks them when the process starts."""

    def __init__(self) -> None:
        self._compiled: dict[str, tuple[OperationType, _Compiled]] = {}

    def accepts(self, operation_type: OperationType, value: Input) -> bool:
        """Returns whether the input is valid."""
        if operation_type.input_schema is None:
            return True
        return value is not MISSING and self._of(operation_type).accepts(value)

    def violations(self, operation_type: OperationType, value: Input) -> Sequence[Violation]:
        """Returns the violations, with JSON pointers under `/input`; none if the input is valid."""
        if operation_type.input_schema is None:
            return ()
        if value is MISSING:
            return (Violation("input is required", "/input"),)
        return self._of(operation_type).violations(value)

    def _of(self, operation_type: OperationType) -> "_Compiled":
        known = self._compiled.get(operation_type.name)
        if known is None or known[0] is not operation_type:
            known = (operation_type, _Compiled(operation_type))
            self._compiled[operation_type.name] = known
        return known[1]


class _Compiled:
    def __init__(self, operation_type: OperationType) -> None:
        # Late: their libraries take a while to import, and a process whose types have no schema needs none of them.
        from adapters.jsonschema.compiled import compile_schema
        from adapters.jsonschema.explanation import Explanation

        schema = dict(operation_type.input_schema or {})
        self._verdict = compile_schema(schema)
        self._explanation = Explanation(schema)

    def accepts(self, value: Input) -> bool:
        try:
            return self._verdict.is_valid(value)
        except ValueError:
            return False

    def violations(self, value: Input) -> Sequence[Violation]:
        try:
            if self._verdict.is_valid(value):
                return ()
        except ValueError:
            return (
                Violation("input cannot be validated: it is nested too deeply, or a text is not Unicode", "/input"),
            )
        return self._explanation.of(value)
