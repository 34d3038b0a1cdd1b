"""Whether an operation matches a filter, as stores decide it in queries."""

from datetime import datetime

from application.ports.storage.operation_queries import OperationFilter
from application.ports.storage.operation_view import OperationView


def matches(row: OperationView, criteria: OperationFilter) -> bool:
    """Returns whether the operation matches."""
    return (
        (not criteria.statuses or row.status in criteria.statuses)
        and (criteria.type is None or row.type == criteria.type)
        and criteria.labels.items() <= dict(row.labels).items()
        and (not criteria.error_codes or (row.error is not None and row.error.code in criteria.error_codes))
        and (not criteria.attentions or (row.attention is not None and row.attention.kind in criteria.attentions))
        and (not criteria.parents or row.parent_id in criteria.parents)
        and (not criteria.workflow_ids or row.workflow_id in criteria.workflow_ids)
        and (not criteria.origins or row.origin in criteria.origins)
        and row.id.hex.startswith(criteria.id_prefix or "")
        and _within(row.accepted_at, criteria.accepted_after, criteria.accepted_before)
        and _within(row.finished_at, criteria.finished_after, criteria.finished_before)
    )


def _within(time: datetime | None, after: datetime | None, before: datetime | None) -> bool:
    """Returns whether the time is between the bounds, exclusive. None is between no bounds."""
    if time is None:
        return after is None and before is None
    return (after is None or time > after) and (before is None or time < before)
