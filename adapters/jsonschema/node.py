"""A schema together with the value that it applies to."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from jsonschema_rs import Draft202012Validator
from referencing.jsonschema import DRAFT202012

from adapters.jsonschema.compiled import compile_schema

MAX_STEPS: Final = 2_000
"""Limit of the schemas and rules that are evaluated to explain one input: some milliseconds."""
_CHARACTERS_PER_STEP: Final = 1_000
_FIELDS_PER_STEP: Final = 100
_ITEMS_PER_STEP: Final = 50
_MISSING: Any = object()


class OutOfSteps(Exception):
    """An explanation exceeds its limit of steps."""


@dataclass(slots=True)
class Rules:
    """The rules of one schema that depend on a single value, each compiled once."""

    _compiled: dict[tuple[str, int | str], tuple[Any, Draft202012Validator]] = field(default_factory=dict)

    def hold(self, keyword: str, rule: Any, value: Any) -> bool:
        """Returns whether the value satisfies the rule."""
        key = keyword, rule if isinstance(rule, str) else id(rule)
        known = self._compiled.get(key)
        if known is None:
            known = self._compiled[key] = (rule, compile_schema({keyword: rule}))
        return known[1].is_valid(value)


@dataclass(slots=True)
class Budget:
    """The remaining steps."""

    steps: int = MAX_STEPS

    def spend(self, steps: int = 1) -> None:
        """Spends steps. Raises OutOfSteps."""
        self.steps -= steps
        if self.steps < 0:
            raise OutOfSteps


@dataclass(frozen=True, slots=True)
class Node:
    """A schema, the value that it applies to, and the path of that value in the input."""

    schema: Any
    value: Any
    path: tuple[str | int, ...]
    resolver: Any
    rules: Rules
    budget: Budget

    def keep(self, keyword: str, rule: Any, value: Any = _MISSING) -> bool:
        """Returns whether a value satisfies a rule that depends on it alone. Spends steps."""
        checked = self.value if value is _MISSING else value
        self.budget.spend(_steps(keyword, checked))
        return self.rules.hold(keyword, rule, checked)

    def by(self, schema: Any) -> "Node":
        """Returns the node of the same value and another schema."""
        return self._other(schema, self.value, self.path, self.resolver)

    def referred(self, reference: str) -> "Node":
        """Returns the node of the same value and the referenced schema."""
        resolved = self.resolver.lookup(reference)
        return self._other(resolved.contents, self.value, self.path, resolved.resolver)

    def inner(self, schema: Any, value: Any, step: str | int) -> "Node":
        """Returns the node of a field or an item and its schema."""
        return self._other(schema, value, (*self.path, step), self.resolver)

    def sibling(self, keyword: str) -> Any:
        """Returns the value of another keyword of the schema, or None."""
        return self.schema.get(keyword)

    def fields(self) -> Iterator[tuple[str, Any]]:
        """Iterates over the fields of an object. Spends steps."""
        if not isinstance(self.value, Mapping):
            return iter(())
        self.budget.spend(len(self.value) // _FIELDS_PER_STEP)
        return iter(self.value.items())

    def items(self) -> Iterator[tuple[int, Any]]:
        """Iterates over the items of an array."""
        return iter(enumerate(self.value) if isinstance(self.value, list) else ())

    def _other(self, schema: Any, value: Any, path: tuple[str | int, ...], resolver: Any) -> "Node":
        if isinstance(schema, Mapping) and "$id" in schema and schema is not self.schema:
            resolver = resolver.in_subresource(DRAFT202012.create_resource(schema))
        return Node(schema, value, path, resolver, self.rules, self.budget)


def _steps(keyword: str, value: Any) -> int:
    """Returns the steps of one check, in proportion to its time: some ten microseconds each. Measured: jsonschema-rs
    reads every character for `pattern`, and every field of an object for any rule. Other rules of texts and lists take
    no time that grows with them, except `uniqueItems`."""
    if isinstance(value, str):
        return 1 + (len(value) // _CHARACTERS_PER_STEP if keyword == "pattern" else 0)
    if isinstance(value, Mapping):
        return 1 + len(value) // _FIELDS_PER_STEP
    if isinstance(value, list) and keyword == "uniqueItems":
        return 1 + _size(value)
    return 1


def _size(value: Any) -> int:
    """Returns the steps that it takes to read a whole value once."""
    items = characters = 0
    pending = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, str):
            characters += len(item)
        elif isinstance(item, Mapping | list):
            items += len(item)
            pending += item.values() if isinstance(item, Mapping) else item
    return items // _ITEMS_PER_STEP + characters // _CHARACTERS_PER_STEP
