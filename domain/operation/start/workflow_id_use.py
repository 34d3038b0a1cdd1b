"""Decides whether a submission may use a workflow id, by the operations that have it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from domain.errors import WorkflowIdConflict, WorkflowIdInUse, WorkflowIdUsed
from domain.operation.operation import Operation
from domain.operation.start.workflow_id_policy import OnClosed, OnRunning
from domain.operation.status import OperationStatus


@dataclass(frozen=True, slots=True)
class WorkflowIdUse:
    """Effect of an accepted submission on the operations that have its workflow id."""

    existing: Operation | None = None
    """The open operation that is the answer. None: the submission makes an operation."""
    superseded: tuple[Operation, ...] = ()
    """The open operations that the new one supersedes."""


def use_workflow_id(
    tenant: str,
    on_running: OnRunning,
    on_closed: OnClosed,
    holders: Sequence[Operation],
    workflow: str,
    workflow_of: Callable[[str], str],
) -> WorkflowIdUse | WorkflowIdConflict:
    """Decides by the policies. A conflict, WorkflowIdInUse or WorkflowIdUsed, names the operation if it is
    the tenant's own.

    Args:
        tenant: Tenant of the submission.
        on_running: Policy of the submission's type.
        on_closed: Policy of the submission's type.
        holders: The open operations with the workflow id, and the closed one that was accepted last.
        workflow: Workflow type of the submission. An open operation of another one is neither used nor superseded.
        workflow_of: Returns the workflow type of an operation type.
    """
    holding = [row for row in holders if not row.done]
    if not holding:
        return _closed(tenant, on_closed, holders)
    if any(row.tenant != tenant for row in holding):
        return WorkflowIdInUse()
    present = [row for row in holding if row.superseded_by is None]
    shown = (present or holding)[0]
    match on_running:
        case OnRunning.TERMINATE:
            other = next((row for row in holding if workflow_of(row.type) != workflow), None)
            return WorkflowIdUse(superseded=tuple(holding)) if other is None else WorkflowIdInUse(other.id)
        case OnRunning.USE_EXISTING if present and workflow_of(shown.type) == workflow:
            return WorkflowIdUse(existing=shown)
    return WorkflowIdInUse(shown.id)


def _closed(tenant: str, on_closed: OnClosed, holders: Sequence[Operation]) -> WorkflowIdUse | WorkflowIdConflict:
    for last in holders:
        if last.dispatch.done_at is None:  # it had no execution
            continue
        completed = last.status is OperationStatus.COMPLETED
        if on_closed is OnClosed.REJECT or (on_closed is OnClosed.ALLOW_FAILED and completed):
            return WorkflowIdUsed(last.id if last.tenant == tenant else None)
    return WorkflowIdUse()
