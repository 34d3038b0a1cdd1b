"""Checks which workflow calls an activity: any workflow of the namespace can schedule one on this task queue."""

from uuid import UUID

from temporalio import activity
from temporalio.exceptions import ApplicationError

from domain.operation.chain import Run

FOREIGN_REPORT = "ForeignReport"
FOREIGN_CALLER = "ForeignCaller"
"""Types of the non-retryable errors that callers get."""


class ForeignCaller(Exception):
    """The caller is not one of the ledger's own workflows."""


def calling_run() -> Run | None:
    """The run that called the activity, according to the server. None: no workflow of this namespace did."""
    info = activity.info()
    if info.workflow_id is None or info.workflow_run_id is None or info.workflow_namespace != info.namespace:
        return None
    return Run(info.workflow_id, info.workflow_run_id)


def check_own_caller(workflow_type: str, workflow_id: str) -> None:
    """Raises ForeignCaller unless the caller has this workflow type and id, or this id and a time, as a schedule
    appends it. This prevents mistakes, not attacks: any client can start a workflow of that name, so these activities
    take no argument that they would have to trust."""
    info, run = activity.info(), calling_run()
    name = None if run is None else run.workflow_id
    named_so = name is not None and (name == workflow_id or name.startswith(f"{workflow_id}-"))
    if info.workflow_type == workflow_type and named_so:
        return
    raise ForeignCaller(f"workflow {name!r} of type {info.workflow_type!r} may not call {info.activity_type}")


def calling_bulk_action(workflow_type: str) -> UUID:
    """Returns the bulk action whose workflow calls: the workflow's id is the operation's. Raises ForeignCaller. Another
    client's workflow of that name and id can only repeat what the bulk action does."""
    info, run = activity.info(), calling_run()
    if run is not None and info.workflow_type == workflow_type:
        try:
            return UUID(run.workflow_id)
        except ValueError:
            pass
    name = None if run is None else run.workflow_id
    raise ForeignCaller(f"workflow {name!r} of type {info.workflow_type!r} may not call {info.activity_type}")


def rejected(words: str, kind: str) -> ApplicationError:
    """A non-retryable error for the caller."""
    return ApplicationError(words, type=kind, non_retryable=True)
