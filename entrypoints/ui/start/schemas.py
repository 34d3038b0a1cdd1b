"""Reads JSON schemas as far as a form needs them: references within the schema, and null as an alternative."""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import unquote

Schema = Mapping[str, Any]
_MAX_HOPS: Final = 10
"""References that are followed one after the other."""
_NULL: Final = {"type": "null"}


def simplified(root: Schema, schema: Any) -> Schema | None:
    """The schema with its reference, or its only alternative beside null, in its place. None: a form cannot use it."""
    for _ in range(_MAX_HOPS):
        if not isinstance(schema, Mapping):
            return None
        keyword = next((name for name in ("$ref", "allOf", "anyOf", "oneOf") if name in schema), None)
        if keyword is None:
            return schema
        rest = {name: value for name, value in schema.items() if name != keyword}
        inner = _referred(root, schema[keyword]) if keyword == "$ref" else _only(keyword, schema[keyword])
        if not isinstance(inner, Mapping):
            return None
        if keyword in ("anyOf", "oneOf"):
            inner = {**inner, "type": [*types_of(inner), "null"]} if types_of(inner) else {**inner, _NULLABLE: True}
        schema = {**inner, **rest}
    return None


def types_of(schema: Schema) -> list[str]:
    """The names of the types that the schema allows; none if it does not say."""
    kind = schema.get("type")
    names = kind if isinstance(kind, list) else [kind]
    return [name for name in names if isinstance(name, str)]


def allows_null(schema: Schema) -> bool:
    """Whether the schema names null beside another type."""
    return "null" in types_of(schema) or bool(schema.get(_NULLABLE))


_NULLABLE: Final = "\x00nullable"
"""Marks a schema without `type` whose alternative is null. No keyword has this name."""


def _referred(root: Schema, reference: Any) -> Any:
    """The target of a JSON Pointer within the schema, None for any other reference."""
    if not isinstance(reference, str) or not (reference == "#" or reference.startswith("#/")):
        return None
    found: Any = root
    for part in unquote(reference[1:]).split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        if not isinstance(found, Mapping) or name not in found:
            return None
        found = found[name]
    return found


def _only(keyword: str, schemas: Any) -> Any:
    """The only member of `allOf`; of `anyOf` and `oneOf` the only one beside null. None if there are more."""
    if not isinstance(schemas, list):
        return None
    others = schemas if keyword == "allOf" else [each for each in schemas if each != _NULL]
    nullable = keyword == "allOf" or len(others) == len(schemas) - 1
    return others[0] if len(others) == 1 and nullable else None
