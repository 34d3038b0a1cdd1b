"""Checks the schema of an operation type before its use."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from jsonschema_rs import ValidationError
from referencing import Registry, Resource
from referencing.exceptions import NoSuchAnchor, Unresolvable
from referencing.jsonschema import DRAFT202012

from adapters.jsonschema.compiled import compile_schema
from domain.errors import StartupError
from domain.operation.operation_type import OperationType

_DRAFT: Final = "https://json-schema.org/draft/2020-12/schema"
_MAX_DEPTH: Final = 100
_PATTERNS: Final = "a regular expression of at most 1 MB, without look-around and back-references"
_LISTS: Final = ("allOf", "anyOf", "oneOf")
_SINGLE: Final = ("not", "if", "then", "else")


def check_schema(operation_type: OperationType) -> None:
    """Raises StartupError, which names the type, the place in its schema, and the error."""
    schema: Any = operation_type.input_schema
    if schema is None:
        return
    where = f"operation type {operation_type.name!r}: input_schema"
    if not isinstance(schema, dict):
        raise StartupError(f"{where} must be an object")
    if str(schema.get("$schema", _DRAFT)).rstrip("#") != _DRAFT:
        raise StartupError(f"{where}/$schema must be {_DRAFT}, the only draft that is supported")
    if _deeper_than(schema, _MAX_DEPTH):
        raise StartupError(f"{where} is nested deeper than {_MAX_DEPTH} levels")
    _check_references(where, schema)
    try:
        compile_schema(schema)
    except ValidationError as error:
        place = "".join(f"/{part}" for part in error.instance_path)
        rule = f"must be {_PATTERNS}" if '"regex"' in error.message else error.message[:300]
        raise StartupError(f"{where}{place}: {rule}") from None
    except ValueError as error:
        raise StartupError(f"{where}: {str(error)[:300]}") from None


def _deeper_than(value: Any, levels: int) -> bool:
    level = [value]
    for _ in range(levels):
        level = [inner for item in level for inner in _inside(item) if isinstance(inner, dict | list)]
    return bool(level)


def _inside(value: Any) -> list[Any]:
    return list(value.values()) if isinstance(value, dict) else value


def _check_references(where: str, schema: dict[str, Any]) -> None:
    root: Resource[Any] = DRAFT202012.create_resource(schema)
    registry: Registry[Any] = Registry()
    pending: list[tuple[Any, Resource[Any]]] = [(registry.resolver_with_root(root), root)]
    checked: set[int] = set()
    while pending:
        resolver, resource = pending.pop()
        _check_chain(where, resource.contents, resolver, checked)
        try:
            subresources = list(resource.subresources())
        except (AttributeError, TypeError, ValueError):
            continue  # not a schema: compiling it reports the error
        pending += [(resolver.in_subresource(inner), inner) for inner in subresources]


def _check_chain(where: str, schema: Any, resolver: Any, checked: set[int]) -> None:
    """Raises StartupError: a reference has no target, or the references form a loop."""
    above: dict[int, None] = {}
    pending: list[tuple[Any, Any, bool]] = [(schema, resolver, False)]
    while pending:
        schema, resolver, left = pending.pop()
        if left:
            del above[id(schema)]
            checked.add(id(schema))
        elif id(schema) in above:
            raise StartupError(f"{where} refers to itself in a loop")
        elif isinstance(schema, Mapping) and id(schema) not in checked:
            above[id(schema)] = None
            pending.append((schema, resolver, True))
            pending += [(*each, False) for each in _in_place(where, schema, resolver)]


def _in_place(where: str, schema: Mapping[str, Any], resolver: Any) -> Iterator[tuple[Any, Any]]:
    """Yields the schemas that apply to the same value."""
    for keyword in ("$ref", "$dynamicRef"):
        if keyword in schema:
            yield _resolved(resolver, schema[keyword], f"{where}: {keyword} {schema[keyword]!r}")
    for keyword in _LISTS:
        if isinstance(schema.get(keyword), list):
            yield from ((inner, resolver) for inner in schema[keyword])
    yield from ((schema[keyword], resolver) for keyword in _SINGLE if keyword in schema)
    if isinstance(schema.get("dependentSchemas"), dict):
        yield from ((inner, resolver) for inner in schema["dependentSchemas"].values())


def _resolved(resolver: Any, reference: Any, what: str) -> tuple[Any, Any]:
    try:
        found = resolver.lookup(reference)
    except (Unresolvable, NoSuchAnchor, ValueError, AttributeError, TypeError):
        raise StartupError(f"{what} has no target: a reference may only name a place within the schema") from None
    return found.contents, found.resolver
