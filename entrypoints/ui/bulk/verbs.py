"""The verbs of bulk actions in words, and which of them a caller is offered."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import urlencode

from application.bulk.applicable import applicable
from application.ports.storage.operation_queries import OperationFilter, SortTime
from domain.access.scope import Scope
from domain.bulk.bulk_action import BulkVerb
from domain.operation.status import OperationStatus
from entrypoints.ui.views.filters import NO_FILTERS, Parameters

_DONE: Final = frozenset(status for status in OperationStatus if status.done)


@dataclass(frozen=True, slots=True)
class VerbWords:
    """What pages say about a verb."""

    scope: Scope
    name: str
    does: str
    """What happens to each operation."""
    kind: str
    """Class of the button."""
    none: str
    """Why there may be nothing to do."""


VERBS: Final[Mapping[BulkVerb, VerbWords]] = {
    BulkVerb.CANCEL: VerbWords(
        Scope.CANCEL,
        "Cancel",
        "Each workflow gets the request, and can clean up.",
        "danger",
        "None of the operations that match is open.",
    ),
    BulkVerb.RETRY: VerbWords(
        Scope.SUBMIT,
        "Retry",
        "A new operation of the same type is submitted for each, with the same input and labels.",
        "primary",
        "None of the operations that match is done.",
    ),
    BulkVerb.ACKNOWLEDGE: VerbWords(
        Scope.CANCEL,
        "Acknowledge",
        "Clears the attention of each until a new problem occurs.",
        "primary",
        "None of the operations that match needs attention.",
    ),
    BulkVerb.DELETE: VerbWords(
        Scope.ADMIN,
        "Delete",
        "Each operation is deleted with its history. This cannot be undone.",
        "danger",
        "None of the operations that match is done.",
    ),
}
"""In the order in which they are offered."""


def selected(criteria: OperationFilter, by: SortTime) -> OperationFilter | None:
    """The filter of the operations that a list in this order has. None: it has none."""
    if by is not SortTime.FINISHED:
        return criteria
    statuses = criteria.statuses & _DONE if criteria.statuses else _DONE
    return replace(criteria, statuses=statuses) if statuses else None


def offered(criteria: OperationFilter | None, can: Callable[[Scope], bool]) -> Sequence[BulkVerb]:
    """The verbs that the caller may use, and that apply to operations with these filters."""
    if criteria is None:
        return []
    return [verb for verb, words in VERBS.items() if can(words.scope) and applicable(verb, criteria) is not None]


def query_of(given: Parameters, criteria: OperationFilter, by: SortTime) -> str:
    """The query that selects the operations of the list, without its order and page."""
    kept = [(name, value) for name, value in given if name not in NO_FILTERS]
    if by is SortTime.FINISHED:
        kept = [each for each in kept if each[0] != "status"] + [("status", each) for each in sorted(criteria.statuses)]
    return f"?{urlencode(kept)}" if kept else ""


def runs_completed(verb: BulkVerb, criteria: OperationFilter) -> bool:
    """Whether the verb may run operations again that have completed."""
    failed_only = criteria.statuses and OperationStatus.COMPLETED not in criteria.statuses
    return verb is BulkVerb.RETRY and not failed_only and not criteria.error_codes
