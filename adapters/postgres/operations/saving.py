"""The statement that saves changes: compare-and-set of many operations with their history lines, in one round trip.

Each column is one array, so that the statement is the same for any number of changes.
"""

from collections.abc import Sequence
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from adapters.postgres.operations.parts import Values
from adapters.postgres.operations.rows import changing_columns, transition_to_row
from adapters.postgres.operations.text import text_size
from adapters.postgres.operations.views import columns_of
from adapters.postgres.schema.tables import COUNTED, IDENTITY, operations, transitions
from adapters.postgres.schema.types import JsonText, TransactionId
from application.ports.storage.operation_view import VISIBLE
from domain.operation.operation import Change

_CHANGING = [column for column in operations.c if column.name not in IDENTITY + COUNTED]
_VISIBLE = [column.name for column in _CHANGING if column.name in columns_of(VISIBLE)]
"""Columns whose change clients see."""
LINE = [column for column in transitions.c if column.name != "written_in"]
"""Columns of a history line, without the one that PostgreSQL fills in."""
MAX_CHARACTERS: Final = 1024 * 1024
"""Limit of the characters in all columns of a statement with several changes. It keeps the statement well within its
timeout, which thirty large results would exceed."""
_LINES = "lines"
"""The column with the number of history lines that a change adds."""


def save_parameters(changes: Sequence[Change]) -> dict[str, Sequence[Any]]:
    """Returns the parameters of `save_statement` for the first changes: at least one, and together at most
    MAX_CHARACTERS."""
    rows: list[Values] = []
    held = 0
    for change in changes:
        row = changing_columns(change.operation)
        held += text_size(row.values())
        if rows and held > MAX_CHARACTERS:
            break
        rows.append(row)
    taken = changes[: len(rows)]
    changed = [change.operation for change in taken]
    lines = [transition_to_row(change.operation.id, line) for change in taken for line in change.transitions]
    return {
        "new_id": [operation.id for operation in changed],
        "new_revision": [operation.revision for operation in changed],
        "new_lines": [len(change.transitions) for change in taken],
        **arrays("new", _CHANGING, rows),
        **arrays("line", LINE, lines),
    }


def save_statement(*, skip_locked: bool) -> sa.Select[Any]:
    """Returns the statement. It saves the changes whose revision is still the given one and returns their new counters.

    It skips rows that another transaction has locked, or waits for them in the order of their ids."""
    new = unnested("new", [operations.c.id, operations.c.revision, sa.Column(_LINES, sa.Integer), *_CHANGING])
    lines = unnested("line", LINE)
    held = (
        sa.select(operations.c.id)
        .where(operations.c.id == sa.any_(_array("new", operations.c.id)))
        .order_by(operations.c.id)
        .with_for_update(key_share=True, skip_locked=skip_locked)
        .cte("held")
        .prefix_with("MATERIALIZED")
    )
    saved = (
        sa.update(operations)
        .where(operations.c.id == new.c.id, operations.c.id == held.c.id, operations.c.revision == new.c.revision)
        .values({column.name: new.c[column.name] for column in _CHANGING} | _counted(new))
        .returning(*(operations.c[name] for name in ("id", "revision", "version", "updated_at", "history_length")))
        .cte("saved")
    )
    columns = {column.name: column for column in lines.c} | {"at": sa.func.greatest(lines.c.at, _last_line(saved))}
    written = (
        sa.insert(transitions)
        .from_select(
            [*columns],
            sa.select(*columns.values()).where(lines.c.operation_id == saved.c.id),
            include_defaults=False,
        )
        .cte("written")
    )
    return sa.select(saved).add_cte(written)


def _last_line(saved: sa.CTE) -> sa.ScalarSelect[Any]:
    """Returns the time of the operation's last history line. A process whose clock is behind does not go before it."""
    last = transitions.alias("last")
    return (
        sa.select(last.c.at)
        .where(last.c.operation_id == saved.c.id)
        .order_by(last.c.sequence.desc())
        .limit(1)
        .scalar_subquery()
    )


def _counted(new: sa.TableValuedAlias) -> dict[str, sa.ColumnElement[Any]]:
    """Returns the new counters, and the columns that change only with the version."""
    seen = sa.or_(*(_comparable(operations.c[name]).is_distinct_from(_comparable(new.c[name])) for name in _VISIBLE))
    this_transaction = sa.func.pg_current_xact_id(type_=TransactionId())
    return {
        "revision": operations.c.revision + 1,
        "history_length": operations.c.history_length + new.c[_LINES],
        "version": operations.c.version + sa.cast(seen, sa.Integer),
        "updated_at": sa.case(
            (seen, sa.func.greatest(operations.c.updated_at, new.c.updated_at)), else_=operations.c.updated_at
        ),
        "changed_in": sa.case((seen, this_transaction), else_=operations.c.changed_in),
    }


def _comparable(column: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
    """Returns the text of `json`, which PostgreSQL does not compare."""
    return sa.cast(column, sa.Text) if isinstance(column.type, JsonText) else column


def arrays(prefix: str, columns: Sequence[sa.Column[Any]], rows: Sequence[Values]) -> dict[str, Sequence[Any]]:
    """Returns the parameters of `unnested` for these rows."""
    return {f"{prefix}_{column.name}": [row[column.name] for row in rows] for column in columns}


def _array(prefix: str, column: sa.Column[Any]) -> sa.BindParameter[Any]:
    return sa.bindparam(f"{prefix}_{column.name}", type_=ARRAY(column.type, dimensions=1))


def unnested(prefix: str, columns: Sequence[sa.Column[Any]]) -> sa.TableValuedAlias:
    """Returns the arrays as a table."""
    arrays = [_array(prefix, column) for column in columns]
    rows = sa.func.unnest(*arrays).table_valued(*(sa.column(column.name, column.type) for column in columns))
    return rows.render_derived(name=prefix)
