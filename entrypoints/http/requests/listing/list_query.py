"""Checks of list parameters that concern several of them, or their form."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any, Final, TypeVar

from litestar import Request
from litestar.di import NamedDependency, Provide

from application.ports.storage.operation_queries import OperationFilter, SortTime
from entrypoints.http.problems.problems import FieldError, InvalidParameter
from entrypoints.http.requests.listing.list_parameters import (
    AcceptedAfter,
    AcceptedBefore,
    Attentions,
    ErrorCodes,
    FinishedAfter,
    FinishedBefore,
    IdPrefix,
    Order,
    Origins,
    Parents,
    Statuses,
    TypeName,
    WorkflowIds,
)
from entrypoints.http.requests.query_params import instant, label_filters

_T = TypeVar("_T")
Bounds = tuple[datetime | None, datetime | None]


def bounds(name: str, after: str | None, before: str | None) -> Bounds:
    """Parses the parameters NAME_after and NAME_before. Raises InvalidParameter: a time is invalid, or the range is
    empty."""
    times = instant(f"{name}_after", after), instant(f"{name}_before", before)
    if times[0] is not None and times[1] is not None and times[0] >= times[1]:
        raise InvalidParameter(f"{name}_before", f"must be later than {name}_after: the range is empty")
    return times


def operation_filter(
    request: Request[Any, Any, Any],
    statuses: Statuses = None,
    type_name: TypeName = None,
    error_codes: ErrorCodes = None,
    attentions: Attentions = None,
    parents: Parents = None,
    workflow_ids: WorkflowIds = None,
    origins: Origins = None,
    id_prefix: IdPrefix = None,
    accepted_after: AcceptedAfter = None,
    accepted_before: AcceptedBefore = None,
    finished_after: FinishedAfter = None,
    finished_before: FinishedBefore = None,
) -> OperationFilter:
    """The filter in the query, labels included. Raises InvalidParameter."""
    labels, accepted, finished = all_of(
        lambda: label_filters(request),
        lambda: bounds("accepted", accepted_after, accepted_before),
        lambda: bounds("finished", finished_after, finished_before),
    )
    return OperationFilter(
        statuses=_set(statuses),
        type=type_name,
        labels=labels,
        error_codes=_set(error_codes),
        attentions=_set(attentions),
        parents=_set(parents),
        workflow_ids=_set(workflow_ids),
        origins=_set(origins),
        id_prefix=digits(id_prefix),
        accepted_after=accepted[0],
        accepted_before=accepted[1],
        finished_after=finished[0],
        finished_before=finished[1],
    )


Criteria = NamedDependency[OperationFilter]
"""Argument `criteria` of a handler that is declared with FILTERED."""
FILTERED: Final[Any] = {
    "dependencies": {"criteria": Provide(operation_filter, sync_to_thread=False)},
    "label_filters": True,
}
"""Arguments of a route whose query filters operations."""


def _set(values: Iterable[_T] | None) -> frozenset[_T]:
    return frozenset(values or ())


def sorting(order: Order | None, criteria: OperationFilter) -> tuple[SortTime, bool]:
    """Returns the time to sort by, and whether the newest come first. Raises InvalidParameter: the order is not that of
    the bounds."""
    bounded = (criteria.finished_after, criteria.finished_before) != (None, None)
    if order is None:
        return (SortTime.FINISHED if bounded else SortTime.ACCEPTED), True
    by = SortTime(order.removeprefix("-"))
    if bounded and by is not SortTime.FINISHED:
        raise InvalidParameter("order", "must be finished_at or -finished_at with finished_after or finished_before")
    return by, order.startswith("-")


def digits(id_prefix: str | None) -> str | None:
    """Returns the beginning of an id as the filter has it: without hyphens."""
    return None if id_prefix is None else id_prefix.replace("-", "")


def all_of(*checks: Callable[[], Any]) -> Sequence[Any]:
    """Returns the results of the checks. Raises InvalidParameter with the errors of all that failed."""
    results: list[Any] = []
    errors: list[FieldError] = []
    for check in checks:
        try:
            results.append(check())
        except InvalidParameter as error:
            errors += error.errors
    if errors:
        raise InvalidParameter.of(errors)
    return results
