"""An example of an input, from the schema of its type, for commands that people copy."""

import json
from collections.abc import Mapping
from typing import Any, Final

_VALUES: Final[Mapping[str, Any]] = {
    "string": "…",
    "integer": 1,
    "number": 1,
    "boolean": True,
    "array": [],
    "null": None,
}


def example_input(schema: Any) -> str:
    """JSON with the required properties, as far as the schema says what they are."""
    return json.dumps(_example(schema), ensure_ascii=False)


def _example(schema: Any) -> Any:
    if not isinstance(schema, Mapping):
        return {}
    for known in ("examples", "enum"):
        values = schema.get(known)
        if isinstance(values, list) and values:
            return values[0]
    for known in ("const", "default"):
        if known in schema:
            return schema[known]
    kind = schema.get("type", "object")
    if isinstance(kind, list):
        kind = kind[0]
    if kind == "integer" or kind == "number":
        return schema.get("minimum", 1)
    if kind in _VALUES:
        return _VALUES[kind]
    properties = schema.get("properties", {})
    return {name: _example(properties.get(name)) for name in schema.get("required", ())}
