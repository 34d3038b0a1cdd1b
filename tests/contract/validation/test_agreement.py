"""jsonschema, another implementation of the draft, agrees on every verdict, and every refusal is explained."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from adapters.jsonschema.explanation import Explanation
from adapters.jsonschema.input_validator import JsonSchemaInputValidator
from adapters.jsonschema.schema_check import check_schema
from adapters.jsonschema.wording import UNEXPLAINED
from domain.operation.operation_type import OperationType

_NAMES = st.sampled_from(["a", "b", "ab", "ä"])
_SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.integers(2**53, 2**70),
    st.sampled_from([0.0, 0.5, 1.0, 2.0**60]),
    st.sampled_from(["", "a", "ab", "b", "ä", "aab"]),
)
_VALUES = st.recursive(
    _SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_NAMES, inner, max_size=3), max_leaves=8
)
_TYPES = st.sampled_from(["null", "boolean", "integer", "number", "string", "array", "object"])
_SMALL = st.integers(0, 3)
_RULES = st.fixed_dictionaries(
    {},
    optional={
        "type": _TYPES | st.lists(_TYPES, min_size=1, max_size=3, unique=True),
        "const": _VALUES,
        "enum": st.lists(_VALUES, min_size=1, max_size=3),
        "minimum": st.integers(-2, 2),
        "exclusiveMaximum": st.integers(0, 2**60),
        "multipleOf": st.sampled_from([1, 2, 3, 0.5]),
        "minLength": _SMALL,
        "maxLength": _SMALL,
        "pattern": st.sampled_from(["^a", "b", "^(a+)+b?$", "[ä-ö]"]),
        "minItems": _SMALL,
        "maxItems": _SMALL,
        "uniqueItems": st.booleans(),
        "minProperties": _SMALL,
        "maxProperties": _SMALL,
        "required": st.lists(_NAMES, max_size=2, unique=True),
        "dependentRequired": st.dictionaries(_NAMES, st.lists(_NAMES, max_size=2, unique=True), max_size=2),
    },
)


def _combined(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    schemas = inner | st.booleans() | st.just({"$ref": "#/$defs/other"})
    several = st.lists(schemas, min_size=1, max_size=3)
    by_name = st.dictionaries(_NAMES, schemas, max_size=2)
    applicators: dict[str, Any] = {
        "allOf": several,
        "anyOf": several,
        "oneOf": several,
        "not": schemas,
        "if": schemas,
        "then": schemas,
        "else": schemas,
        "properties": by_name,
        "patternProperties": st.dictionaries(st.sampled_from(["^a", "b$"]), schemas, max_size=2),
        "additionalProperties": schemas,
        "unevaluatedProperties": schemas,
        "propertyNames": schemas,
        "dependentSchemas": by_name,
        "prefixItems": several,
        "items": schemas,
        "unevaluatedItems": schemas,
        "contains": schemas,
        "minContains": st.integers(0, 2),
        "maxContains": st.integers(0, 2),
    }
    some = st.fixed_dictionaries({}, optional=applicators)
    return st.builds(lambda rules, applied: {**rules, **applied}, _RULES, some)


_SCHEMAS = st.builds(
    lambda schema, other: {**schema, "$defs": {"other": other}}, st.recursive(_RULES, _combined, max_leaves=6), _RULES
)


@given(_SCHEMAS, _VALUES)
def test_verdicts_agree_and_refusals_are_explained(schema: Any, value: Any) -> None:
    """For any schema. A valid input never gets a violation."""
    declared = OperationType("t", "T", "q", input_schema=schema)
    check_schema(declared)
    violations = JsonSchemaInputValidator().violations(declared, value)
    assert (not violations) == Draft202012Validator(schema).is_valid(value)
    if not violations:
        assert [violation.message for violation in Explanation(schema).of(value)] == [f"input {UNEXPLAINED}"]
    assert all(violation.pointer.startswith("/input") for violation in violations)
