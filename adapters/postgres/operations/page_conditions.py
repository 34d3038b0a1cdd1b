"""The conditions of a list's filter, and which of them a page is read by.

A page is read in the order of an index. Where a filter has several values, each value has a branch that reads the
index in its order; one condition for all of them could not.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from adapters.postgres.operations.holders import own_id
from adapters.postgres.operations.json_text import dump
from adapters.postgres.operations.text import storable
from adapters.postgres.schema.tables import operations
from application.ports.storage.operation_queries import OperationFilter, SortTime
from domain.operation.operation_id import ids_from
from domain.operation.origin import Origin
from domain.operation.status import OperationStatus

Parameters = dict[str, Any]
_rows: Final = operations.c
_SEVERAL: Final[Mapping[str, sa.Column[Any]]] = {
    "workflow_ids": _rows.workflow_id,
    "parents": _rows.parent_id,
    "error_codes": _rows.error_code,
    "attentions": _rows.attention_kind,
    "origins": _rows.origin,
    "statuses": _rows.status,
}
"""Columns of the filters with several values. Those that usually match fewer operations come first."""
_OWN: Final = sa.and_(_rows.id == sa.any_(sa.bindparam("own_ids", type_=ARRAY(sa.Uuid))), _rows.workflow_id.is_(None))
"""Operations whose workflow id is their own id."""


def _one_of(name: str) -> sa.ColumnElement[bool]:
    column = _SEVERAL[name]
    return column == sa.any_(sa.bindparam(name, type_=ARRAY(column.type, dimensions=1)))


_CONDITIONS: Final[Mapping[str, sa.ColumnElement[bool]]] = {
    "id_from": _rows.id >= sa.bindparam("id_from"),
    "id_to": _rows.id <= sa.bindparam("id_to"),
    "type": _rows.type == sa.bindparam("type"),
    "labels": _rows.labels.op("@>", is_comparison=True)(sa.bindparam("labels", type_=_rows.labels.type)),
    "accepted_after": _rows.accepted_at > sa.bindparam("accepted_after"),
    "accepted_before": _rows.accepted_at < sa.bindparam("accepted_before"),
    "finished_after": _rows.finished_at > sa.bindparam("finished_after"),
    "finished_before": _rows.finished_at < sa.bindparam("finished_before"),
    **{name: _one_of(name) for name in _SEVERAL},
    "workflow_ids": sa.or_(_one_of("workflow_ids"), _OWN),
}


@dataclass(frozen=True, slots=True)
class PageConditions:
    """The conditions of a filter, without their values."""

    together: tuple[str, ...]
    """Names of conditions that hold for every operation."""
    branched: str = ""
    """Name of the filter whose values have a branch each, if there is one."""
    values: int = 0
    """Number of its values."""
    own_ids: bool = False
    """Whether a branch finds operations by their own ids."""

    def every(self) -> list[sa.ColumnElement[bool]]:
        """Returns what holds in each branch."""
        return [_CONDITIONS[name] for name in self.together]

    def branches(self) -> Iterator[sa.ColumnElement[bool]]:
        """Yields what holds in one branch each."""
        if not self.branched:
            yield sa.true()
        for place in range(self.values):
            yield _SEVERAL[self.branched] == sa.bindparam(f"{self.branched}{place}")
        if self.own_ids:
            yield _OWN


def condition_of(criteria: OperationFilter) -> tuple[sa.ColumnElement[bool], Parameters] | None:
    """Returns a filter as one condition, for a statement that reads all of its operations in any order, and its
    parameters; None if no operation can match."""
    possible = _possible(criteria, SortTime.ACCEPTED)
    if possible is None:
        return None
    parameters = {**_values(possible), **_several(possible)}
    condition = sa.and_(sa.true(), *(_CONDITIONS[name] for name in parameters))
    if possible.workflow_ids:
        parameters["own_ids"] = _own_ids(possible)
    return condition, parameters


def conditions_of(criteria: OperationFilter, by: SortTime) -> tuple[PageConditions, Parameters] | None:
    """Returns the conditions of a filter and their parameters; None if no operation can match."""
    possible = _possible(criteria, by)
    if possible is None:
        return None
    one = _values(possible)
    several = _several(possible)
    # In the order of the finish time, one index serves all values of a filter.
    branched = next(iter(several), "") if by is SortTime.ACCEPTED else ""
    values = several.pop(branched, [])
    own_ids = _own_ids(possible)
    together = {**one, **several}
    parameters = {**together, **{f"{branched}{place}": value for place, value in enumerate(values)}}
    if possible.workflow_ids and (own_ids or not branched):
        parameters["own_ids"] = own_ids
    has_own = bool(own_ids) and branched == "workflow_ids"
    return PageConditions(tuple(together), branched, len(values), has_own), parameters


def _possible(criteria: OperationFilter, by: SortTime) -> OperationFilter | None:
    """Returns the filter without statuses that another of its fields excludes, and without texts that PostgreSQL cannot
    hold; None if nothing can match."""
    texts = [criteria.type or "", *criteria.labels, *criteria.labels.values()]
    names = frozenset(filter(storable, criteria.workflow_ids))
    if not all(map(storable, texts)) or (criteria.workflow_ids and not names):
        return None
    possible = set(OperationStatus)
    if by is SortTime.FINISHED or criteria.finished_after is not None or criteria.finished_before is not None:
        possible = {status for status in possible if status.done}
    if criteria.error_codes:
        possible = {OperationStatus.FAILED}
    statuses = possible & (criteria.statuses or possible)
    if not statuses:
        return None
    origins = criteria.origins if criteria.origins != set(Origin) else frozenset[Origin]()
    return replace(
        criteria,
        statuses=frozenset(statuses) if statuses < possible else frozenset(),
        workflow_ids=names,
        origins=origins,
    )


def _values(criteria: OperationFilter) -> Parameters:
    """Returns the parameters of the conditions with one value."""
    id_from, id_to = (None, None) if criteria.id_prefix is None else ids_from(criteria.id_prefix)
    given = {
        "id_from": id_from,
        "id_to": id_to,
        "type": criteria.type,
        "labels": dump(dict(criteria.labels)) if criteria.labels else None,
        "accepted_after": criteria.accepted_after,
        "accepted_before": criteria.accepted_before,
        "finished_after": criteria.finished_after,
        "finished_before": criteria.finished_before,
    }
    return {name: value for name, value in given.items() if value is not None}


def _own_ids(criteria: OperationFilter) -> list[UUID]:
    """Returns the workflow ids that are ids of operations."""
    return [found for found in map(own_id, criteria.workflow_ids) if found is not None]


def _several(criteria: OperationFilter) -> dict[str, list[Any]]:
    """Returns the values of the filters that have several, in the order of _SEVERAL."""
    return {name: sorted(values) for name in _SEVERAL if (values := getattr(criteria, name))}
