"""Checks one input by one implementation: `python -m benchmarks.api.validating_once IMPLEMENTATION CASE`.

Prints the seconds, the growth of the largest resident size in MiB, and the error text."""

import functools
import itertools
import json
import resource
import sys
import time
from collections.abc import Callable
from typing import Any, Final

import jsonschema_rs
from jsonschema import Draft202012Validator

from adapters.jsonschema.input_validator import JsonSchemaInputValidator
from domain.operation.operation_type import OperationType

Check = Callable[[Any], list[str]]
_TREE: Final = {"$ref": "#/$defs/tree"}
_LIST: Final = {"type": "array", "items": _TREE}
_JOB: Final = {
    "type": "object",
    "required": ["machine"],
    "additionalProperties": False,
    "properties": {
        "machine": {"type": "string"},
        "seconds": {"type": "integer", "maximum": 3600},
        "note": {"anyOf": [{"type": "object", "required": ["text"]}, {"type": "null"}]},
    },
}


def _nested(value: Any, depth: int) -> Any:
    return functools.reduce(lambda inner, _: [inner], range(depth), value)


CASES: Final[dict[str, tuple[dict[str, Any], Callable[[], Any]]]] = {
    "three plain violations": (_JOB, lambda: {"seconds": "3", "note": {}, "x": 1}),
    "recursive anyOf, depth 14": (
        {**_TREE, "$defs": {"tree": {"anyOf": [{"type": "string"}, _LIST, {**_LIST, "minItems": 1}]}}},
        lambda: _nested(1.5, 14),
    ),
    "oneOf, a list of 117,000": (
        {"oneOf": [{"type": "string"}, {"items": {"type": "string"}}]},
        lambda: [1] * 117_000,
    ),
    "uniqueItems, 9,000 multiples of 2^61-1": (
        {"uniqueItems": True, "contains": {"type": "string"}},
        lambda: [number * (2**61 - 1) for number in range(9_000)],
    ),
    "uniqueItems, 6,000 integers beyond 64 bits": (
        {"uniqueItems": True, "contains": {"type": "string"}},
        lambda: [10**20 + number for number in range(6_000)],
    ),
    "pattern ^(a+)+$, 28 characters": ({"pattern": "^(a+)+$"}, lambda: "a" * 27 + "b"),
}


def _ours(schema: dict[str, Any]) -> Check:
    declared, validator = OperationType("t", "T", "q", input_schema=schema), JsonSchemaInputValidator()
    return lambda value: [violation.message for violation in validator.violations(declared, value)]


def _jsonschema(schema: dict[str, Any]) -> Check:
    validator = Draft202012Validator(schema)
    return lambda value: [error.message for error in itertools.islice(validator.iter_errors(value), 20)]


def _jsonschema_rs(schema: dict[str, Any]) -> Check:
    validator = jsonschema_rs.Draft202012Validator(schema)
    return lambda value: [error.message for error in itertools.islice(validator.iter_errors(value), 20)]


def _verdict(schema: dict[str, Any]) -> Check:
    validator = jsonschema_rs.Draft202012Validator(schema)
    return lambda value: [] if validator.is_valid(value) else ["invalid"]


IMPLEMENTATIONS: Final = {
    "ours": _ours,
    "jsonschema": _jsonschema,
    "jsonschema-rs": _jsonschema_rs,
    "jsonschema-rs, verdict alone": _verdict,
}


def main() -> None:
    """Checks the input, and prints the figures."""
    schema, made = CASES[sys.argv[2]]
    check, value = IMPLEMENTATIONS[sys.argv[1]](schema), made()
    check(None)  # What is compiled at the first use is compiled now.
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begin = time.perf_counter()
    said = check(value)
    seconds = time.perf_counter() - begin
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print(json.dumps([seconds, grown, [text[:100] for text in said]]))


if __name__ == "__main__":
    main()
