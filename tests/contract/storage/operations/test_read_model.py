"""The read model is declared once: what `OperationView` declares is in the view, in the schema and in the version.

No test here names a field. That stores return every field is in test_operation_queries."""

import re
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg

from adapters.postgres.operations.saving import save_statement
from adapters.postgres.operations.views import columns_of
from adapters.postgres.schema.tables import COUNTED, IDENTITY, operations
from application.ports.storage.operation_view import FIELDS, UNCOMPARED, VISIBLE, looks_the_same
from domain.operation.operation import Operation
from entrypoints.response_bodies import ExecutionBody, OperationBody
from tests.support.operations import running

SHOWN = {*OperationBody.__struct_fields__, *ExecutionBody.__struct_fields__} - {
    *("execution", "children", "first_run_id")
}
"""`children` is of other operations, and only the answer to a recording has `first_run_id`."""
STORED = [name for name in VISIBLE if name in Operation.__dataclass_fields__]


def test_the_schema_shows_every_visible_field() -> None:
    """And of the other fields the version and the time of its last change."""
    assert {*VISIBLE, "version", "updated_at"} == SHOWN
    assert {*VISIBLE} | UNCOMPARED == {*FIELDS}


@pytest.mark.parametrize("name", STORED)
def test_a_change_of_any_visible_field_is_a_difference(name: str) -> None:
    """The store in memory compares every field that an operation has; `done` follows from the status."""
    operation = running()
    assert looks_the_same(operation, replace(operation))
    other: dict[str, Any] = {name: object()}
    assert not looks_the_same(operation, replace(operation, **other))
    assert {*VISIBLE} - {*STORED} == {"done"}


def test_postgres_compares_every_visible_column() -> None:
    """The statement that saves a change raises the version if a column of a visible field differs, and for no other."""
    statement = str(save_statement(skip_locked=False).compile(dialect=PGDialect_asyncpg()))  # type: ignore[no-untyped-call]
    compared = set(re.findall(r"operations\.(\w+)(?: AS TEXT\))? IS DISTINCT FROM", statement))
    assert compared == {*columns_of(VISIBLE)} - {*IDENTITY}
    assert {column.name for column in operations.c} >= {*columns_of(FIELDS), *IDENTITY, *COUNTED}
