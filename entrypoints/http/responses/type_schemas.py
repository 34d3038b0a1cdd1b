"""Response bodies of operation types."""

from typing import Annotated, Any

from msgspec import Meta, Struct

from domain.operation.operation_type import OperationType


class TypeBody(Struct, frozen=True):
    """A declared operation type."""

    name: str
    description: str
    input_schema: Annotated[
        dict[str, Any] | None,
        Meta(description="JSON Schema (draft 2020-12) of the input. Null: any JSON value is valid, and so is none"),
    ]


class TypesBody(Struct, frozen=True):
    """The declared operation types, sorted by name."""

    items: list[TypeBody]


def type_body(declared: OperationType) -> TypeBody:
    """The response body of an operation type."""
    schema = None if declared.input_schema is None else dict(declared.input_schema)
    return TypeBody(declared.name, declared.description, schema)
