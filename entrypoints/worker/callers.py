"""Which workflow calls an activity: any workflow of the namespace can schedule one on the ledger's task queue."""

from temporalio import activity
from temporalio.exceptions import ApplicationError

from domain.operation.chain import Run

FOREIGN_REPORT = "ForeignReport"
FOREIGN_CALLER = "ForeignCaller"
"""Types of the non-retryable errors that callers get."""


class ForeignCaller(Exception):
    """The caller is not one of the ledger's own workflows."""


def calling_run() -> Run | None:
    """The run that called the activity, as the server names it. None: no workflow of this namespace called it."""
    info = activity.info()
    if info.workflow_id is None or info.workflow_run_id is None or info.workflow_namespace != info.namespace:
        return None
    return Run(info.workflow_id, info.workflow_run_id)


def check_own_caller(workflow_type: str, workflow_id: str) -> None:
    """Raise ForeignCaller unless a workflow of that type called the activity, whose id is the given one or, where a
    schedule starts it, the given one and a time. This keeps out mistakes. It proves nothing: any client can start a
    workflow of that name, so an own activity takes no argument that it would have to trust."""
    info, run = activity.info(), calling_run()
    name = None if run is None else run.workflow_id
    named_so = name is not None and (name == workflow_id or name.startswith(f"{workflow_id}-"))
    if info.workflow_type == workflow_type and named_so:
        return
    raise ForeignCaller(f"workflow {name!r} of type {info.workflow_type!r} may not call {info.activity_type}")


def rejected(words: str, kind: str) -> ApplicationError:
    """The error that ends the call for good."""
    return ApplicationError(words, type=kind, non_retryable=True)
