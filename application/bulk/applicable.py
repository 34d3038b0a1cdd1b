"""Narrows a filter to the operations to which a verb applies."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from application.ports.storage.operation_queries import OperationFilter
from domain.bulk.bulk_action import BulkVerb
from domain.operation.attention import AttentionKind
from domain.operation.status import OperationStatus

_STATUSES: Final[Mapping[BulkVerb, frozenset[OperationStatus]]] = {
    BulkVerb.CANCEL: frozenset(status for status in OperationStatus if not status.done),
    BulkVerb.RETRY: frozenset(status for status in OperationStatus if status.done),
    BulkVerb.DELETE: frozenset(status for status in OperationStatus if status.done),
    BulkVerb.ACKNOWLEDGE: frozenset(OperationStatus),
}


def applicable(verb: BulkVerb, criteria: OperationFilter) -> OperationFilter | None:
    """Returns the filter of the operations that match and to which the verb applies; None: there can be none."""
    allowed = _STATUSES[verb]
    statuses = criteria.statuses & allowed if criteria.statuses else allowed
    if not statuses:
        return None
    narrowed = replace(criteria, statuses=frozenset() if statuses == set(OperationStatus) else statuses)
    if verb is BulkVerb.ACKNOWLEDGE and not criteria.attentions:
        return replace(narrowed, attentions=frozenset(AttentionKind))
    return narrowed
