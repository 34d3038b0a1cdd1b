"""Finds the violations of an input that jsonschema-rs has refused, within limits.

jsonschema-rs and jsonschema report errors too, but both build a tree for every combination of `anyOf`, `oneOf` and
`$ref`, without a limit; docs/validation.md has the figures. This walk stops after MAX_VIOLATIONS
violations or MAX_STEPS steps."""

import itertools
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from referencing import Registry
from referencing.jsonschema import DRAFT202012

from adapters.jsonschema.node import Budget, Node, OutOfSteps, Rules
from adapters.jsonschema.wording import RULES, UNEXPLAINED, rule_text, violation
from domain.errors import Violation

MAX_VIOLATIONS: Final = 20


class Explanation:
    """Explains refusals by one schema."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self._schema = schema
        self._resolver: Any = Registry().resolver_with_root(DRAFT202012.create_resource(schema))
        self._rules = Rules()

    def of(self, value: Any) -> list[Violation]:
        """Returns 1 to MAX_VIOLATIONS violations. If the walk finds none in time, the one that the input does not
        fit."""
        root = Node(self._schema, value, (), self._resolver, self._rules, Budget())
        found: dict[Violation, None] = {}
        try:
            for each in walk(root):
                found[each] = None
                if len(found) == MAX_VIOLATIONS:
                    break
        except (OutOfSteps, RecursionError):
            pass
        return list(found) or [violation((), UNEXPLAINED)]


def walk(node: Node) -> Iterator[Violation]:
    """Yields the violations of a value and of its fields and items. Raises OutOfSteps."""
    node.budget.spend()
    if node.schema is False:
        yield violation(node.path, "is not allowed")
    if not isinstance(node.schema, Mapping):
        return
    for keyword, rule in node.schema.items():
        if keyword in _APPLICATORS:
            yield from _APPLICATORS[keyword](node, rule)
        elif keyword in RULES and not node.keep(keyword, rule):
            yield violation(node.path, rule_text(keyword, rule))


def _fits(node: Node) -> bool:
    return next(walk(node), None) is None


def _required(node: Node, names: Any) -> Iterator[Violation]:
    if isinstance(node.value, Mapping):
        yield from (violation((*node.path, name), "is required") for name in names if name not in node.value)


def _dependent_required(node: Node, names: Any) -> Iterator[Violation]:
    for name, _ in node.fields():
        yield from _required(node, names.get(name, ()))


def _properties(node: Node, schemas: Any) -> Iterator[Violation]:
    for name, schema in schemas.items() if isinstance(node.value, Mapping) else ():
        if name in node.value:
            yield from walk(node.inner(schema, node.value[name], name))


def _pattern_properties(node: Node, schemas: Any) -> Iterator[Violation]:
    for name, value in node.fields():
        for pattern, schema in schemas.items():
            if node.keep("pattern", pattern, name):
                yield from walk(node.inner(schema, value, name))


def _additional(node: Node, schema: Any) -> Iterator[Violation]:
    known = node.sibling("properties") or {}
    patterns = node.sibling("patternProperties") or {}
    for name, value in node.fields():
        if name in known or any(node.keep("pattern", pattern, name) for pattern in patterns):
            continue
        if schema is False:
            node.budget.spend()
            yield violation((*node.path, name), "is not a known field")
        else:
            yield from walk(node.inner(schema, value, name))


def _unevaluated(node: Node, schema: Any) -> Iterator[Violation]:
    """Yields violations only if no other keyword could have evaluated a field. Otherwise the input "does not fit"."""
    if not any(node.sibling(keyword) is not None for keyword in _IN_PLACE):
        yield from _additional(node, schema)


def _names(node: Node, schema: Any) -> Iterator[Violation]:
    for name, _ in node.fields():
        for wrong in walk(Node(schema, name, (), node.resolver, node.rules, node.budget)):
            yield violation((*node.path, name), f"has a wrong name: {wrong.message.replace('input', 'it', 1)}")


def _items(node: Node, schema: Any) -> Iterator[Violation]:
    first = len(node.sibling("prefixItems") or ())
    for index, item in itertools.islice(node.items(), first, None):
        yield from walk(node.inner(schema, item, index))


def _prefix_items(node: Node, schemas: Any) -> Iterator[Violation]:
    for (index, item), schema in zip(node.items(), schemas, strict=False):
        yield from walk(node.inner(schema, item, index))


def _contains(node: Node, schema: Any) -> Iterator[Violation]:
    least, most = node.sibling("minContains"), node.sibling("maxContains")
    if isinstance(node.value, list):
        number = sum(_fits(node.inner(schema, item, index)) for index, item in node.items())
        if number < (1 if least is None else least):
            yield violation(node.path, rule_text("contains" if least is None else "minContains", least))
        if most is not None and number > most:
            yield violation(node.path, rule_text("maxContains", most))


def _reference(node: Node, reference: Any) -> Iterator[Violation]:
    return walk(node.referred(reference))


def _all(node: Node, schemas: Any) -> Iterator[Violation]:
    for schema in schemas:
        yield from walk(node.by(schema))


def _any(node: Node, schemas: Any) -> Iterator[Violation]:
    if not any(_fits(node.by(schema)) for schema in schemas):
        yield from _branches(node, "anyOf", schemas)


def _one(node: Node, schemas: Any) -> Iterator[Violation]:
    number = sum(_fits(node.by(schema)) for schema in schemas)
    if number > 1:
        yield violation(node.path, rule_text("oneOf", schemas))
    elif not number:
        yield from _branches(node, "oneOf", schemas)


def _branches(node: Node, keyword: str, schemas: Any) -> Iterator[Violation]:
    """Yields the violations of the only plausible form, such as the object in "an object or null"; else that none
    fits."""
    violations = [list(itertools.islice(walk(node.by(schema)), MAX_VIOLATIONS)) for schema in schemas]
    here = violation(node.path, "").pointer
    meant = [each for each in violations if all(wrong.pointer != here for wrong in each)]
    yield from meant[0] if len(meant) == 1 else [violation(node.path, rule_text(keyword, schemas))]


def _not(node: Node, schema: Any) -> Iterator[Violation]:
    if _fits(node.by(schema)):
        yield violation(node.path, rule_text("not", schema))


def _if(node: Node, schema: Any) -> Iterator[Violation]:
    chosen = node.sibling("then" if _fits(node.by(schema)) else "else")
    if chosen is not None:
        yield from walk(node.by(chosen))


def _dependent_schemas(node: Node, schemas: Any) -> Iterator[Violation]:
    for name, _ in node.fields():
        if name in schemas:
            yield from walk(node.by(schemas[name]))


_APPLICATORS: Final[Mapping[str, Callable[[Node, Any], Iterator[Violation]]]] = {
    "$ref": _reference,
    "$dynamicRef": _reference,
    "required": _required,
    "dependentRequired": _dependent_required,
    "properties": _properties,
    "patternProperties": _pattern_properties,
    "additionalProperties": _additional,
    "unevaluatedProperties": _unevaluated,
    "propertyNames": _names,
    "items": _items,
    "prefixItems": _prefix_items,
    "contains": _contains,
    "allOf": _all,
    "anyOf": _any,
    "oneOf": _one,
    "not": _not,
    "if": _if,
    "dependentSchemas": _dependent_schemas,
}
_IN_PLACE: Final = ("$ref", "$dynamicRef", "allOf", "anyOf", "oneOf", "if", "dependentSchemas", "additionalProperties")
