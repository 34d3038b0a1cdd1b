"""What `opledger get` says of an operation: the outcome first, then why it is believed, then what to do."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from opledger._cli.printing import age, gist, one_line

if TYPE_CHECKING:
    from opledger import Operation, Transition

_SOURCES: Final = {
    "CLIENT": "a request to the ledger",
    "WORKFLOW": "a report of the workflow",
    "CALLBACK": "Temporal's completion callback",
    "DISPATCHER": "the ledger's dispatcher",
    "CONFIRMATION": "Temporal's answer to the ledger's question",
    "RECONCILIATION": "Temporal's answer, after a change in its index",
    "VERIFICATION": "Temporal's answer to a periodic check",
    "ADOPTION": "Temporal, when the ledger found the execution",
}
_NEXT: Final = {
    "WORKFLOW_FAILED": "Mend the cause, then: opledger retry {id}",
    "CANCELED": "To run it after all: opledger retry {id}",
    "TERMINATED": "The workflow was terminated without clean-up. Check what it left, then: opledger retry {id}",
    "TIMED_OUT": "Check whether workers run and how far it came, then: opledger retry {id}",
    "START_REJECTED": "No workflow ran. Correct the input or the type, then: opledger retry {id} --input ...",
    "EXECUTION_LOST": "Temporal has forgotten the execution. Check what it did before you retry it",
}


def describe(operation: "Operation", history: "Sequence[Transition]") -> None:
    """Prints the operation."""
    for line in lines(operation, history):
        print(line)


def lines(operation: "Operation", history: "Sequence[Transition]") -> list[str]:
    """The lines of the description."""
    took = operation.duration
    ended = "" if took is None else f" after {age(took)}"
    shown = [f"{operation.status}{ended}  {gist(operation)}".rstrip()]
    if operation.error is not None:
        shown += [f"  {name}: {one_line(str(value))}" for name, value in operation.error.details.items()]
    if history:
        last = history[-1]
        source = _SOURCES.get(last.source, last.source)
        shown.append(f"known from {source} at {last.at:%Y-%m-%d %H:%M:%SZ}: {one_line(last.reason)}")
    if operation.error is not None and operation.retried_by is None:
        shown.append(_NEXT.get(operation.error.code, "").format(id=operation.id))
    if operation.attention is not None:
        shown.append(f"needs attention since {operation.attention.since:%Y-%m-%d %H:%M:%SZ}")
    shown.append("")
    fields = {
        "id": operation.id,
        "type": operation.type,
        "labels": " ".join(f"{key}={value}" for key, value in operation.labels.items()),
        "workflow": f"{operation.execution.workflow_id} ({operation.execution.origin})",
        "accepted": f"{operation.accepted_at:%Y-%m-%d %H:%M:%SZ}",
        "started": "" if operation.started_at is None else f"{operation.started_at:%Y-%m-%d %H:%M:%SZ}",
        "finished": "" if operation.finished_at is None else f"{operation.finished_at:%Y-%m-%d %H:%M:%SZ}",
        "parent": operation.parent_id or "",
        "children": " ".join(f"{many} {status}" for status, many in operation.children.items()),
        "retry of": operation.retry_of or "",
        "retried by": operation.retried_by or "",
        "input": _json(operation.input),
        "result": _json(operation.result) if operation.done and operation.error is None else "",
    }
    return shown + [f"{name:<11}{value}" for name, value in fields.items() if value]


def _json(value: object) -> str:
    import json

    from msgspec import UNSET

    from opledger._cli.printing import plain

    return "" if value is UNSET else json.dumps(plain(value), ensure_ascii=False)
