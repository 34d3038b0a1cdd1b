"""Makes views, the read model, of rows. JSON that callers only pass on is not parsed.

Columns and fields follow from `OperationView`. A new field needs an entry here only if its value is not that of the
column of its name.
"""

from collections import namedtuple
from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any, Final, cast
from uuid import UUID

import asyncpg
import msgspec
import sqlalchemy as sa

from adapters.postgres.operations.json_text import load
from adapters.postgres.operations.parts import PARTS, read_attention, read_cancel_request, read_error, read_progress
from adapters.postgres.schema.tables import operations
from adapters.postgres.schema.types import JsonText as JsonColumn
from application.ports.storage.operation_view import FIELDS, JsonText, OperationView
from domain.operation.operation import MISSING
from domain.operation.origin import Origin
from domain.operation.status import OperationStatus

_Record = asyncpg.Record | sa.Row[Any]
_COLUMNS_OF: Final[Mapping[str, tuple[str, ...]]] = {**PARTS, "done": ("status",)}
"""The columns of fields that are not the column of their name."""
_CONVERSIONS: Final[Mapping[str, Callable[..., Any]]] = {
    "status": OperationStatus,
    "done": {status.value: status.done for status in OperationStatus}.get,
    "input": lambda text: MISSING if text is None else JsonText(text),
    "labels": load,
    "result": lambda text: None if text is None else JsonText(text),
    "error": read_error,
    "progress": read_progress,
    "cancel_request": read_cancel_request,
    "attention": read_attention,
    "origin": Origin,
    **dict.fromkeys(("parent_id", "retry_of", "retried_by"), lambda text: None if text is None else UUID(text)),
}
"""Functions from the values of a field's columns to its value, for fields whose value is another."""


def columns_of(fields: Iterable[str]) -> tuple[str, ...]:
    """Returns the names of the columns that hold these fields of the read model."""
    return tuple(dict.fromkeys(column for field in fields for column in _COLUMNS_OF.get(field, (field,))))


_COLUMNS: Final = columns_of(FIELDS)
_AS_TEXT: Final = {name for name in _COLUMNS if isinstance(operations.c[name].type, JsonColumn | sa.Uuid)}
"""Columns selected as text: for these, the driver would make an object each in Python."""
_make: Callable[[Iterable[Any]], OperationView] = cast(Any, namedtuple("View", FIELDS))._make


def view_columns(rows: sa.FromClause) -> list[sa.ColumnElement[Any]]:
    """Returns the columns that `views` reads. They have to be the first ones of a statement."""
    return [sa.cast(rows.c[name], sa.Text) if name in _AS_TEXT else rows.c[name] for name in _COLUMNS]


def views(records: Sequence[_Record]) -> list[OperationView]:
    """Returns the operations in the records' order."""
    ids = msgspec.convert([record[_COLUMN_OF_ID] for record in records], list[UUID])  # quicker than `UUID` for each
    return [_view(record, operation_id) for record, operation_id in zip(records, ids, strict=True)]


def _view(record: _Record, operation_id: UUID) -> OperationView:
    values = list(_first_columns(record))
    if values[_PLACE_OF_WORKFLOW_ID] is None:
        values[_PLACE_OF_WORKFLOW_ID] = values[_PLACE_OF_ID]
    values[_PLACE_OF_ID] = operation_id
    for place, convert in _OF_ONE_COLUMN:
        values[place] = convert(values[place])
    for place, columns, convert in _OF_SEVERAL:
        if values[place] is not None:
            values[place] = convert(*columns(record))
    return _make(values)


def _places(field: str) -> list[int]:
    """Returns the places of the field's columns in a record."""
    return [_COLUMNS.index(name) for name in columns_of([field])]


_COLUMN_OF_ID: Final = _COLUMNS.index("id")
_PLACE_OF_ID: Final = FIELDS.index("id")
_PLACE_OF_WORKFLOW_ID: Final = FIELDS.index("workflow_id")
_first_columns: Final = itemgetter(*(_places(field)[0] for field in FIELDS))
_OF_ONE_COLUMN: Final = [
    (place, _CONVERSIONS[field]) for place, field in enumerate(FIELDS) if field in _CONVERSIONS and field not in PARTS
]
_OF_SEVERAL: Final = [
    (place, itemgetter(*_places(field)), _CONVERSIONS[field]) for place, field in enumerate(FIELDS) if field in PARTS
]
"""SQL NULL in the first of the columns: the operation has no such part."""
