"""Whether a declared schema is one, before anything is checked against it."""

from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, best_match
from referencing import Registry, Resource
from referencing.exceptions import NoSuchAnchor, Unresolvable
from referencing.jsonschema import DRAFT202012

from adapters.jsonschema.input_validator import compile_schema
from domain.errors import StartupError
from domain.operation_type import OperationType

_DRAFT = "https://json-schema.org/draft/2020-12/schema"
_META = Draft202012Validator(Draft202012Validator.META_SCHEMA, format_checker=Draft202012Validator.FORMAT_CHECKER)


def check_schema(operation_type: OperationType) -> None:
    """Raises StartupError, which names the type, the place in its schema, and what is wrong there."""
    schema: Any = operation_type.input_schema
    if schema is None:
        return
    where = f"operation type {operation_type.name!r}: input_schema"
    if not isinstance(schema, dict):
        raise StartupError(f"{where} must be an object")
    if str(schema.get("$schema", _DRAFT)).rstrip("#") != _DRAFT:
        raise StartupError(f"{where}/$schema must be {_DRAFT}, the only draft that is supported")
    error = best_match(_META.iter_errors(schema))
    if error is not None:
        place = "".join(f"/{part}" for part in error.absolute_path)
        raise StartupError(f"{where}{place}: {SchemaError.create_from(error).message[:300]}")
    _check_references(where, schema)


def _check_references(where: str, schema: dict[str, Any]) -> None:
    root: Resource[Any] = DRAFT202012.create_resource(schema)
    registry: Registry[Any] = Registry()
    pending: list[tuple[Any, Resource[Any]]] = [(registry.resolver_with_root(root), root)]
    while pending:
        resolver, resource = pending.pop()
        contents = resource.contents if isinstance(resource.contents, dict) else {}
        for keyword in ("$ref", "$dynamicRef"):
            if keyword in contents:
                _resolve(resolver, contents[keyword], f"{where}: {keyword} {contents[keyword]!r}")
        pending += [(resolver.in_subresource(inner), inner) for inner in resource.subresources()]
    try:
        compile_schema(schema).is_valid(None)
    except RecursionError:
        raise StartupError(f"{where} refers to itself without an end") from None


def _resolve(resolver: Any, reference: str, what: str) -> None:
    try:
        resolver.lookup(reference)
    except (Unresolvable, NoSuchAnchor, ValueError):
        raise StartupError(f"{what} leads nowhere: only places within the schema can be referred to") from None
