"""Builds the statement that reads a page of one tenant's operations."""

from collections.abc import Sequence
from functools import cache
from typing import Any, NewType

import sqlalchemy as sa

from adapters.postgres.connection.raw_statement import RawStatement
from adapters.postgres.operations.json_text import dump
from adapters.postgres.operations.views import view_columns
from adapters.postgres.schema.tables import operations
from application.ports.operation_queries import PAGE_BYTES, OperationFilter, PageKey
from domain.operation.status import OperationStatus

Parameters = dict[str, Any]
TenantSelect = NewType("TenantSelect", "sa.Select[Any]")
"""A statement that returns rows of the tenant in its parameter `only_tenant` alone."""
TenantRawStatement = NewType("TenantRawStatement", RawStatement)
"""The same, compiled."""

_rows = operations.c
_POSITION = (_rows.accepted_at, _rows.id)
_LARGE = ("input", "result", "error_details")
"""Visible columns whose JSON has no limit of its own."""
_CONDITIONS: dict[str, sa.ColumnElement[bool]] = {
    "type": _rows.type == sa.bindparam("type"),
    "labels": _rows.labels.op("@>", is_comparison=True)(sa.bindparam("labels", type_=_rows.labels.type)),
    "attention": _rows.attention_kind == sa.bindparam("attention"),
    "accepted_after": _rows.accepted_at > sa.bindparam("accepted_after"),
    "accepted_before": _rows.accepted_at < sa.bindparam("accepted_before"),
}


def for_tenant(statement: "sa.Select[Any]") -> TenantSelect:
    """Restricts a statement to the rows of one tenant."""
    return TenantSelect(statement.where(_rows.tenant == sa.bindparam("only_tenant")))


def page_of(
    criteria: OperationFilter, *, newest_first: bool, after: PageKey | None, limit: int
) -> tuple[TenantRawStatement, Parameters]:
    """Returns the statement and its parameters. It returns what `views` needs of up to `limit` operations and one more,
    or fewer where their JSON exceeds PAGE_BYTES. `followed` says whether another operation comes after a row."""
    narrowed = _narrowed(criteria)
    statuses = tuple(sorted(status.value for status in criteria.statuses))
    parameters = {**narrowed, "limit": limit + 1, **{f"status{place}": name for place, name in enumerate(statuses)}}
    if after is not None:
        parameters |= {"place_at": after.accepted_at, "place_id": after.operation_id}
    several = len(statuses) if len(statuses) < len(OperationStatus) else 0
    return _statement(tuple(narrowed), several, newest_first=newest_first, behind=after is not None), parameters


def _narrowed(criteria: OperationFilter) -> Parameters:
    """Returns the parameters of the given conditions, except the statuses."""
    given = {
        "type": criteria.type,
        "labels": dump(dict(criteria.labels)) if criteria.labels else None,
        "attention": criteria.attention and criteria.attention.value,
        "accepted_after": criteria.accepted_after,
        "accepted_before": criteria.accepted_before,
    }
    return {name: value for name, value in given.items() if value is not None}


@cache
def _statement(conditions: Sequence[str], statuses: int, *, newest_first: bool, behind: bool) -> TenantRawStatement:
    """Cached for each of the few hundred combinations: building it takes longer than running it."""
    narrowed = for_tenant(sa.select(operations).where(*(_CONDITIONS[name] for name in conditions)))
    if behind:
        given = (sa.bindparam("place_at", type_=_rows.accepted_at.type), sa.bindparam("place_id", type_=sa.Uuid))
        position, place = sa.tuple_(*_POSITION), sa.tuple_(*given)
        narrowed = TenantSelect(narrowed.where(position < place if newest_first else position > place))
    first = _first(narrowed, statuses, newest_first=newest_first)
    return TenantRawStatement(RawStatement(_weighed(first, newest_first=newest_first)))


def _first(narrowed: TenantSelect, statuses: int, *, newest_first: bool) -> "sa.Subquery":
    """Returns the first rows in order. Each of several statuses has a branch of its own, which reads an index in its
    order; one condition for all of them could not."""
    with_status = [narrowed.where(_rows.status == sa.bindparam(f"status{place}")) for place in range(statuses)]
    firsts = [_ordered(branch, operations, newest_first=newest_first) for branch in with_status or [narrowed]]
    if len(firsts) == 1:
        return firsts[0].subquery("first")
    every = sa.union_all(*(sa.select(first.subquery()) for first in firsts)).subquery("every")
    return _ordered(sa.select(every), every, newest_first=newest_first).subquery("first")


def _ordered(statement: "sa.Select[Any]", of: sa.FromClause, *, newest_first: bool) -> "sa.Select[Any]":
    return statement.order_by(*_order(of, newest_first=newest_first)).limit(sa.bindparam("limit", type_=sa.Integer))


def _order(of: sa.FromClause, *, newest_first: bool) -> list[sa.ColumnElement[Any]]:
    position: list[sa.ColumnElement[Any]] = [of.c[column.name] for column in _POSITION]
    return [column.desc() for column in position] if newest_first else position


def _weighed(first: "sa.Subquery", *, newest_first: bool) -> TenantSelect:
    """Leaves out the rows before which the page already holds PAGE_BYTES."""
    weights = [sa.func.coalesce(sa.func.octet_length(sa.cast(first.c[name], sa.Text)), 0) for name in _LARGE]
    order = _order(first, newest_first=newest_first)
    held = sa.func.sum(sum(weights[1:], weights[0])).over(order_by=order, rows=(None, -1))
    followed = sa.func.lead(sa.true()).over(order_by=order, rows=(None, -1))  # one window for both: a second costs more
    rows = sa.select(first, held.label("held_before"), followed.label("followed")).subquery("weighed")
    kept = sa.func.coalesce(rows.c.held_before, 0) < PAGE_BYTES
    shown = sa.select(*view_columns(rows), rows.c.followed)
    return TenantSelect(shown.where(kept).order_by(*_order(rows, newest_first=newest_first)))
