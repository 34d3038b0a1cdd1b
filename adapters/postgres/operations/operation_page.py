"""Builds the statement that reads a page of one tenant's operations."""

from dataclasses import replace
from functools import lru_cache
from typing import Any, NewType

import sqlalchemy as sa

from adapters.postgres.connection.raw_statement import RawStatement
from adapters.postgres.operations.page_conditions import PageConditions, Parameters, conditions_of
from adapters.postgres.operations.views import view_columns
from adapters.postgres.schema.tables import FINISHED, operations
from application.ports.storage.operation_queries import PAGE_BYTES, OperationFilter, PageKey, SortTime

TenantSelect = NewType("TenantSelect", "sa.Select[Any]")
"""A statement that returns rows of the tenant in its parameter `only_tenant` alone."""
TenantRawStatement = NewType("TenantRawStatement", RawStatement)
"""The same, compiled."""

_rows = operations.c
_LARGE = ("input", "result", "error_details")
"""Visible columns whose JSON has no limit of its own."""
_MAX_STATEMENTS = 1_000
"""Statements that are kept, of the many combinations of filters."""


def for_tenant(statement: "sa.Select[Any]") -> TenantSelect:
    """Restricts a statement to the rows of one tenant."""
    return TenantSelect(statement.where(_rows.tenant == sa.bindparam("only_tenant")))


def page_of(
    criteria: OperationFilter, *, newest_first: bool, after: PageKey | None, limit: int, by: SortTime
) -> tuple[TenantRawStatement, Parameters] | None:
    """Returns the statement and its parameters; None if no operation can match. The statement returns what `views`
    needs of up to `limit` operations and one more, or fewer where their JSON exceeds PAGE_BYTES. `followed` says
    whether another operation comes after a row."""
    criteria, after = _tightest(criteria, by, newest_first=newest_first, after=after)
    found = conditions_of(criteria, by)
    if found is None:
        return None
    conditions, parameters = found
    parameters |= {"limit": limit + 1}
    if after is not None:
        parameters |= {"place_at": after.at, "place_id": after.operation_id}
    return _statement(conditions, by, newest_first=newest_first, behind=after is not None), parameters


def _tightest(
    criteria: OperationFilter, by: SortTime, *, newest_first: bool, after: PageKey | None
) -> tuple[OperationFilter, PageKey | None]:
    """Returns the filter's bound at which the list begins, or the position, and not both: one implies the other. With
    both, PostgreSQL would begin to read the index at the bound."""
    name = f"{by.name.lower()}_{'before' if newest_first else 'after'}"
    bound = getattr(criteria, name)
    if after is None or bound is None:
        return criteria, after
    if after.at < bound if newest_first else after.at > bound:
        unbounded: dict[str, Any] = {name: None}
        return replace(criteria, **unbounded), after
    return criteria, None


@lru_cache(maxsize=_MAX_STATEMENTS)
def _statement(conditions: PageConditions, by: SortTime, *, newest_first: bool, behind: bool) -> TenantRawStatement:
    """Cached: building it takes longer than running it."""
    narrowed = for_tenant(sa.select(operations).where(*conditions.every()))
    if by is SortTime.FINISHED:
        narrowed = TenantSelect(narrowed.where(sa.text(FINISHED)))
    if behind:
        given = (sa.bindparam("place_at", type_=_rows[by].type), sa.bindparam("place_id", type_=sa.Uuid))
        position, place = sa.tuple_(_rows[by], _rows.id), sa.tuple_(*given)
        narrowed = TenantSelect(narrowed.where(position < place if newest_first else position > place))
    order = _Order(by, newest_first)
    branches = [TenantSelect(narrowed.where(branch)) for branch in conditions.branches()]
    return TenantRawStatement(RawStatement(_weighed(_first(branches, order), order)))


class _Order:
    """The order of a list."""

    def __init__(self, by: SortTime, newest_first: bool) -> None:
        self._columns = (by.value, _rows.id.name)
        self._newest_first = newest_first

    def of(self, rows: sa.FromClause) -> list[sa.ColumnElement[Any]]:
        """Returns it as ORDER BY expressions."""
        position: list[sa.ColumnElement[Any]] = [rows.c[name] for name in self._columns]
        return [column.desc() for column in position] if self._newest_first else position

    def first(self, statement: "sa.Select[Any]", of: sa.FromClause) -> "sa.Select[Any]":
        """Returns the first rows of a statement."""
        return statement.order_by(*self.of(of)).limit(sa.bindparam("limit", type_=sa.Integer))


def _first(branches: list[TenantSelect], order: _Order) -> "sa.Subquery":
    """Returns the first rows of the branches together."""
    firsts = [order.first(branch, operations) for branch in branches]
    if len(firsts) == 1:
        return firsts[0].subquery("first")
    every = sa.union_all(*(sa.select(first.subquery()) for first in firsts)).subquery("every")
    return order.first(sa.select(every), every).subquery("first")


def _weighed(first: "sa.Subquery", order: _Order) -> TenantSelect:
    """Leaves out the rows before which the page already holds PAGE_BYTES."""
    weights = [sa.func.coalesce(sa.func.octet_length(sa.cast(first.c[name], sa.Text)), 0) for name in _LARGE]
    window = order.of(first)
    held = sa.func.sum(sum(weights[1:], weights[0])).over(order_by=window, rows=(None, -1))
    # One window for both: a second costs more.
    followed = sa.func.lead(sa.true()).over(order_by=window, rows=(None, -1))
    rows = sa.select(first, held.label("held_before"), followed.label("followed")).subquery("weighed")
    kept = sa.func.coalesce(rows.c.held_before, 0) < PAGE_BYTES
    shown = sa.select(*view_columns(rows), rows.c.followed)
    return TenantSelect(shown.where(kept).order_by(*order.of(rows)))
