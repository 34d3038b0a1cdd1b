"""Time and memory of validation are bounded by the size of the input.

Each input runs in a process of its own, which the kernel ends after some seconds of processor time or at a gigabyte.
The limits are a hundred times what is needed. Without bounds the inputs take minutes or gigabytes, or never end. Some
are larger than a body may be, so that an unbounded check exceeds the limits by far."""

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from adapters.jsonschema import node
from adapters.jsonschema.input_validator import JsonSchemaInputValidator
from domain.operation.operation_type import OperationType

_CHECK = """
import json, resource, sys
from adapters.jsonschema.input_validator import JsonSchemaInputValidator
from adapters.jsonschema.schema_check import check_schema
from domain.operation.operation_type import OperationType

declared = OperationType("t", "T", "q", input_schema=json.loads(sys.argv[1]))
check_schema(declared)
resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
used = resource.getrusage(resource.RUSAGE_SELF)
seconds = int(used.ru_utime + used.ru_stime) + 10
resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
violations = JsonSchemaInputValidator().violations(declared, eval(sys.argv[2]))
print(json.dumps([violation.pointer for violation in violations]))
"""
_TREE = {"$ref": "#/$defs/tree"}
_LIST = {"type": "array", "items": _TREE}
_RECURSIVE = {
    "$defs": {"tree": {"anyOf": [{"type": "string"}, _LIST, {**_LIST, "minItems": 1}]}},
} | _TREE
_BOTH = {
    "$defs": {"x": {"allOf": [{"properties": {"n": {"$ref": "#/$defs/x"}}}] * 2}},
    "properties": {"n": {"$ref": "#/$defs/x"}, "z": {"type": "string"}},
}
_STRINGS = {"oneOf": [{"type": "string"}, {"items": {"type": "string"}}]}


def _nested(value: str) -> str:
    return f"__import__('functools').reduce(lambda inner, _: [inner], range(60), {value})"


_CHAIN = "__import__('functools').reduce(lambda inner, _: {'n': inner}, range(60), 1)"


@pytest.mark.parametrize(
    ("schema", "value", "valid"),
    [
        (_RECURSIVE, _nested("[1.5] * 60_000"), False),
        (_RECURSIVE, _nested("['a'] * 60_000 + [1.5]"), False),
        (_RECURSIVE, _nested("['a'] * 60_000"), True),
        (_BOTH, "{'n': " + _CHAIN + ", 'z': 1}", False),
        (_STRINGS, "[1] * 2_000_000", False),
        ({"items": _STRINGS}, "[[1]] * 60_000", False),
        ({"uniqueItems": True}, "[number * (2**61 - 1) for number in range(60_000)]", True),
        ({"uniqueItems": True}, "[10**20 + number for number in range(11_000)]", True),
        ({"uniqueItems": True}, "[10**300 + number for number in range(800)]", True),
        ({"uniqueItems": True}, "[{'a': number * (2**61 - 1)} for number in range(6_000)]", True),
        ({"uniqueItems": True}, "[[number] for number in range(40_000)] + [[0]]", False),
        ({"pattern": "^(a+)+$"}, "'a' * 250_000 + 'b'", False),
        ({"patternProperties": {"^(a|a)*$": False}}, "{'a' * number + 'b': 1 for number in range(700)}", True),
        ({"items": {"pattern": "^(.*,){20}x$"}}, "['1,' * 50] * 2_000", False),
        ({"propertyNames": {"pattern": "^(a+)+$"}}, "{'a' * 40 + str(number): 1 for number in range(5_000)}", False),
        ({"contains": {"contains": {"const": 1}}}, "[[0] * 400] * 200", False),
        ({"not": {"items": {"not": {"const": 1}}}}, "[0] * 120_000", False),
        ({"multipleOf": 0.01}, "10**308 + 1", True),
    ],
)
def test_hostile_input_is_answered_within_limits(schema: Any, value: str, valid: bool) -> None:
    """The verdict is correct, and a refusal names a place."""
    checked = subprocess.run(
        [sys.executable, "-c", _CHECK, json.dumps(schema), value], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stderr[-500:]
    pointers = json.loads(checked.stdout)
    assert pointers == [] if valid else 1 <= len(pointers) <= 20
    assert all(pointer.startswith("/input") for pointer in pointers)


_BATCH = """
import asyncio, json, resource
from domain.operation.operation_type import OperationCatalogue, OperationType
from tests.support.http.api import Api

schema = {"oneOf": [{"type": "string"}, {"items": {"type": "string"}}]}
api = Api(catalogue=OperationCatalogue({"t": OperationType("t", "T", "q", input_schema=schema)}))

async def send(items):
    body = {"operations": [{"type": "t", "input": [1] * items}] * 4}
    return (await api.client.post("/v1/operations/batch", json=body)).json()["items"]

async def main():
    await send(1)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    statuses = [item["status"] for item in await send(117_000)]
    print(json.dumps([statuses, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024]))

asyncio.run(main())
"""


def test_batch_of_hostile_inputs_needs_little_memory() -> None:
    """Four bodies of 234 KiB are refused. The largest size of the process grows by less than 100 MiB."""
    checked = subprocess.run([sys.executable, "-c", _BATCH], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr[-500:]
    statuses, grown = json.loads(checked.stdout)
    assert statuses == [422] * 4
    assert grown < 100


_LEVELS = {"oneOf": [{"type": "array", "items": {"$ref": "#/$defs/x"}}, {"items": {"$ref": "#/$defs/x"}}]}


def _recursive(leaf: dict[str, Any]) -> dict[str, Any]:
    """A schema whose explanation would check the innermost value of a deep list thousands of times."""
    inner = {"if": {"type": "array"}, "then": _LEVELS, "else": leaf}
    return {"$defs": {"x": inner}, "$ref": "#/$defs/x"}


def _deep(value: Any) -> Any:
    for _ in range(40):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("leaf", "value"),
    [
        ({"pattern": "^(a|b)*c$"}, "a" * 250_000),
        ({"patternProperties": {"^(a|b)*c$": True}, "minProperties": 2}, {"a" * 250_000: 1}),
        ({"propertyNames": {"pattern": "^(a|b)*c$"}}, {"a" * 250_000: 1}),
        ({"minProperties": 30_000}, {str(number): number for number in range(20_000)}),
    ],
    ids=["text", "name of a field", "name", "fields"],
)
def test_steps_of_an_explanation_bound_what_it_reads(
    leaf: dict[str, Any], value: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The input is refused, and the explanation reads at most a thousand characters or a hundred fields a step."""
    read = 0
    holds = node.Rules.hold

    def counting(rules: node.Rules, keyword: str, rule: Any, checked: Any) -> bool:
        nonlocal read
        if isinstance(checked, dict):
            read += 10 * len(checked)
        elif keyword == "pattern":
            read += len(checked)
        return holds(rules, keyword, rule, checked)

    monkeypatch.setattr(node.Rules, "hold", counting)
    declared = OperationType("t", "T", "q", input_schema=_recursive(leaf))
    assert JsonSchemaInputValidator().violations(declared, _deep(value))
    assert 0 < read <= 1_000 * node.MAX_STEPS


@pytest.mark.parametrize("rules", [{"dependentRequired": {"x": ["y"]}}, {"dependentSchemas": {"x": False}}])
def test_steps_of_an_explanation_bound_the_fields_that_it_visits(
    rules: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also those that no rule names."""
    visits = 0
    fields = node.Node.fields

    def counting(visited: node.Node) -> Iterator[tuple[str, Any]]:
        nonlocal visits
        found = list(fields(visited))
        visits += len(found)
        return iter(found)

    monkeypatch.setattr(node.Node, "fields", counting)
    declared = OperationType("t", "T", "q", input_schema=_recursive({**rules, "maxProperties": 1}))
    assert JsonSchemaInputValidator().violations(declared, _deep({str(number): number for number in range(20_000)}))
    assert 0 < visits <= 100 * node.MAX_STEPS
