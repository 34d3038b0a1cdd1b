"""Draft 2020-12 as this service checks it: nothing is fetched, and no check takes time that a client can drive up."""

from collections.abc import Hashable, Iterator
from typing import Any

from jsonschema import Draft202012Validator, ValidationError
from jsonschema.protocols import Validator
from jsonschema.validators import extend


def _unique_items(validator: Validator, unique: bool, instance: Any, schema: Any) -> Iterator[ValidationError]:
    """jsonschema's own compares every two items; on 256 KiB of objects that is minutes."""
    if unique and validator.is_type(instance, "array") and len({_key(item) for item in instance}) < len(instance):
        yield ValidationError("the items are not unique")


def _key(value: Any) -> Hashable:
    """The same for values that JSON Schema calls equal: 1 and 1.0 are, 1 and true are not."""
    if isinstance(value, dict):
        return ("object", frozenset((name, _key(item)) for name, item in value.items()))
    if isinstance(value, list):
        return ("array", tuple(_key(item) for item in value))
    return (isinstance(value, bool), value)


Dialect: Any = extend(Draft202012Validator, {"uniqueItems": _unique_items})  # type: ignore[no-untyped-call]
