"""The operations that match filters, as they change."""

from collections.abc import Generator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from opledger import Client, Operation

MAX_SHOWN: Final = 50


def last_changed(
    ledger: "Client", filters: Mapping[str, Any], most: int = MAX_SHOWN
) -> "Generator[Sequence[Operation]]":
    """Yields the operations that match, at the start and after each change; the last changed one is last.

    At most `most` of them. The list is read after the stream has begun, so that no change in between is lost. It is
    read again when half of the operations no longer match and the list had more.
    """
    shown: dict[str, Operation] = {}
    is_complete = False
    for event in ledger.events(positions=True):
        one = event.operation
        if one is not None:
            known = shown.pop(one.id, None)
            newest = one if known is None or one.version > known.version else known
            if matches(newest, filters):
                shown[one.id] = newest
        if not is_complete and len(shown) <= most // 2:
            listed = [*islice(ledger.list(page_size=most + 1, **filters), most + 1)]
            is_complete = len(listed) <= most
            shown = {**{other.id: other for other in reversed(listed) if other.id not in shown}, **shown}
        elif one is None:
            continue
        while len(shown) > most:
            del shown[next(iter(shown))]
            is_complete = False
        yield [*shown.values()]


def matches(operation: "Operation", filters: Mapping[str, Any]) -> bool:
    """Whether the operation matches every filter, as a list would have it."""
    error = None if operation.error is None else operation.error.code
    attention = None if operation.attention is None else operation.attention.kind
    found = {
        "status": operation.status,
        "type": operation.type,
        "error_code": error,
        "attention": attention,
        "origin": operation.execution.origin,
        "parent": operation.parent_id,
        "workflow_id": operation.execution.workflow_id,
    }
    for name, wanted in filters.items():
        if name == "labels":
            if not wanted.items() <= operation.labels.items():
                return False
        elif name in found:
            if found[name] not in ([wanted] if isinstance(wanted, str) else wanted):
                return False
        elif not _in_time(operation, name, wanted):
            return False
    return True


def _in_time(operation: "Operation", name: str, limit: Any) -> bool:
    field, _, side = name.rpartition("_")
    time = getattr(operation, f"{field}_at")
    return time is not None and (time > limit if side == "after" else time < limit)
