"""Workflow id templates of operation types, such as `deploy-{input.machine}`."""

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from domain.errors import InvalidInput, Violation
from domain.json_value import JsonValue
from domain.operation.chain import MAX_WORKFLOW_ID
from domain.operation.operation import MISSING, Input

MAX_CHARS: Final = 255
"""Characters of a workflow id that a template makes."""
_PART: Final = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]|[^{}]+")
_ANY_ID: Final = UUID(int=0)
"""Stands for the id of an operation that is checked and not made."""


@dataclass(frozen=True, slots=True)
class Field:
    """A place in a template that a value of the submission fills."""

    source: str
    """`input`, `labels`, `tenant` or `id`."""
    path: tuple[str, ...] = ()
    """With `input`, the names of the fields that lead to the value; with `labels`, the key."""

    @property
    def name(self) -> str:
        """The field as the template names it."""
        return ".".join((self.source, *self.path))

    @property
    def pointer(self) -> str:
        """JSON pointer of the value in a submission. The type decides about tenant and id."""
        if not self.path:
            return "/type"
        return f"/{self.source}" + "".join("/" + part.replace("~", "~0").replace("/", "~1") for part in self.path)


@dataclass(frozen=True, slots=True)
class WorkflowIdTemplate:
    """Literal text with the fields `{input.a.b}`, `{labels.KEY}`, `{tenant}` and `{id}`. `{{` and `}}` are braces.

    A field of the input is a text, an integer or a boolean.
    """

    text: str
    parts: tuple[str | Field, ...]

    @classmethod
    def parse(cls, text: str) -> "WorkflowIdTemplate":
        """Reads a template. Raises ValueError."""
        parts = tuple(_parts(text))
        literal = "".join(part for part in parts if isinstance(part, str))
        if not parts:
            raise ValueError("is empty")
        if _unprintable(literal):
            raise ValueError("has a control character")
        if _too_long(literal):
            raise ValueError(f"is longer than {MAX_CHARS} characters or {MAX_WORKFLOW_ID} bytes")
        return cls(text, parts)

    @property
    def fields(self) -> tuple[Field, ...]:
        """The fields, in their order."""
        return tuple(part for part in self.parts if isinstance(part, Field))

    def fill(self, operation_id: UUID, tenant: str, value: Input, labels: Mapping[str, str]) -> str:
        """Returns the workflow id. Raises InvalidInput with every violation."""
        given = [_given(field, operation_id, tenant, value, labels) for field in self.fields]
        violations = [each for each in given if isinstance(each, Violation)]
        if violations:
            raise InvalidInput.of(violations)
        texts = iter(given)
        filled = "".join(part if isinstance(part, str) else str(next(texts)) for part in self.parts)
        if _too_long(filled):
            by_length = dict(zip((len(str(text)) for text in given), self.fields, strict=True))
            rule = f"makes the workflow id longer than {MAX_CHARS} characters or {MAX_WORKFLOW_ID} bytes"
            longest = by_length[max(by_length)]
            raise InvalidInput(f"{longest.name} {rule}", pointer=longest.pointer)
        return filled

    def violations(self, tenant: str, value: Input, labels: Mapping[str, str]) -> tuple[Violation, ...]:
        """Returns why the submission's values do not fill the template; nothing if they do."""
        try:
            self.fill(_ANY_ID, tenant, value, labels)
        except InvalidInput as error:
            return error.violations
        return ()

    def check_schema(self, schema: Mapping[str, JsonValue] | None) -> None:
        """Raises ValueError: the schema of the input allows an input that does not fill a field."""
        for field in self.fields:
            if field.source == "input":
                _check_field(field, schema)


def _parts(text: str) -> Iterator[str | Field]:
    literal = ""
    for match in _PART.finditer(text):
        token = match.group()
        if token in ("{{", "}}"):
            literal += token[0]
        elif match.group(1) is not None:
            if literal:
                yield literal
            literal = ""
            yield _field(match.group(1))
        elif token in "{}":
            raise ValueError(f"has a single {token!r}; double it to mean the character")
        else:
            literal += token
    if literal:
        yield literal


def _field(name: str) -> Field:
    source, _, rest = name.partition(".")
    match source:
        case "input" if rest and all(rest.split(".")):
            return Field("input", tuple(rest.split(".")))
        case "labels" if rest:
            return Field("labels", (rest,))  # a key may contain dots
        case "tenant" | "id" if name == source:
            return Field(source)
    raise ValueError(f"names {{{name}}}; a field is {{input.NAME}}, {{labels.KEY}}, {{tenant}} or {{id}}")


def _given(field: Field, operation_id: UUID, tenant: str, value: Input, labels: Mapping[str, str]) -> str | Violation:
    match field.source:
        case "id":
            return str(operation_id)
        case "tenant":
            return tenant
        case "labels":
            found: Input = labels.get(field.path[0], MISSING)
        case _:
            found = _inside(value, field.path)
    return _text(found, field)


def _inside(value: Input, path: tuple[str, ...]) -> Input:
    found = value
    for name in path:
        if not isinstance(found, dict) or name not in found:
            return MISSING
        found = found[name]
    return found


def _text(value: Input, field: Field) -> str | Violation:
    def violation(rule: str) -> Violation:
        return Violation(f"{field.name} {rule}: it is part of the workflow id", field.pointer)

    if value is MISSING:
        return violation("is required")
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        # Python does not write integers of thousands of digits.
        return str(value) if abs(value) < 10**MAX_CHARS else violation("is too large")
    if not isinstance(value, str):
        return violation("must be a text, an integer or a boolean")
    if not value:
        return violation("must not be empty")
    return violation("must not have control characters") if _unprintable(value) else value


def _unprintable(text: str) -> bool:
    """Whether the text has control characters or is not Unicode."""
    return any(unicodedata.category(character) in ("Cc", "Cs") for character in text)


def _too_long(text: str) -> bool:
    return len(text) > MAX_CHARS or len(text.encode()) > MAX_WORKFLOW_ID


def _check_field(field: Field, schema: object) -> None:
    found: list[object] = [schema]
    path = field.source
    for name in field.path:
        forms = [form for each in found for form in _forms(each, schema)]
        path = f"{path}.{name}"
        if not any(name in _list(form.get("required")) for form in forms):
            raise ValueError(f"names {{{field.name}}}, and input_schema does not require {path}")
        found = [_mapping(form.get("properties")).get(name) for form in forms]
    if not any(_scalar(form) for each in found for form in _forms(each, schema)):
        rule = "to be something else than a text, an integer or a boolean"
        raise ValueError(f"names {{{field.name}}}, and input_schema allows {path} {rule}")


def _forms(schema: object, root: object, depth: int = 0) -> Iterator[Mapping[str, JsonValue]]:
    """Yields the schema and those that it includes by `$ref` and `allOf`: the value satisfies each of them."""
    if not isinstance(schema, Mapping) or depth > 20:
        return
    yield schema
    reference = schema.get("$ref")
    if isinstance(reference, str) and (reference == "#" or reference.startswith("#/")):
        yield from _forms(_referred(root, reference), root, depth + 1)
    for inner in _list(schema.get("allOf")):
        yield from _forms(inner, root, depth + 1)


def _referred(root: object, reference: str) -> object:
    found = root
    for step in reference.removeprefix("#").split("/")[1:]:
        found = _mapping(found).get(step.replace("~1", "/").replace("~0", "~"))
    return found


def _scalar(schema: Mapping[str, JsonValue]) -> bool:
    if "const" in schema or "enum" in schema:
        allowed = [schema["const"]] if "const" in schema else _list(schema["enum"])
        return all(isinstance(one, str | int) for one in allowed)
    types = schema.get("type")
    allowed = [types] if isinstance(types, str) else _list(types)
    return bool(allowed) and all(one in ("string", "integer", "boolean") for one in allowed)


def _mapping(value: object) -> Mapping[str, JsonValue]:
    return value if isinstance(value, Mapping) else {}


def _list(value: object) -> list[JsonValue]:
    return value if isinstance(value, list) else []
