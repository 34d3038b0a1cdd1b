"""Creates operations: accepted for the dispatcher, recorded for a client that starts the workflow, or adopted."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from domain.operation.lifecycle import history_line
from domain.operation.operation import Cause, Change, Input, Operation
from domain.operation.origin import Origin
from domain.operation.status import OperationStatus
from domain.scheduling.schedule import Dispatch, FollowUp, first_verification


def accept(
    operation_id: UUID,
    *,
    tenant: str,
    type_name: str,
    value: Input,
    labels: Mapping[str, str],
    cause: Cause,
    trace: Mapping[str, str] | None = None,
    workflow_id: str = "",
    parent_id: UUID | None = None,
    start_at: datetime | None = None,
    retry_of: UUID | None = None,
    keep: bool = False,
) -> Change:
    """Creates an operation that is due for dispatch now, or at `start_at`. `workflow_id` is empty: the operation's id.
    `parent_id`: the operation on whose behalf it was submitted, and `retry_of`: the one that it retries, if there is
    one. `keep`: retention spares it."""
    operation = Operation(
        id=operation_id,
        tenant=tenant,
        type=type_name,
        input=value,
        labels=dict(labels),
        accepted_at=cause.now,
        updated_at=cause.now,
        dispatch=Dispatch(due_at=start_at or cause.now),
        workflow_id=workflow_id,
        parent_id=parent_id,
        start_at=start_at,
        retry_of=retry_of,
        keep=keep,
        trace=dict(trace or {}),
        history_length=1,
    )
    return Change(operation, (history_line(operation, None, OperationStatus.ACCEPTED, cause),))


def record_start(
    operation_id: UUID,
    *,
    tenant: str,
    type_name: str,
    value: Input,
    labels: Mapping[str, str],
    workflow_id: str,
    follow_up_at: datetime,
    cause: Cause,
    trace: Mapping[str, str] | None = None,
) -> Change:
    """Creates an operation whose workflow a client starts next, under `workflow_id`. The dispatcher never starts it.

    It counts as dispatched, by one attempt of the client: reports and observations move it on. The first question to
    the engine is due at `follow_up_at`.
    """
    accepted = accept(
        operation_id,
        tenant=tenant,
        type_name=type_name,
        value=value,
        labels=labels,
        cause=cause,
        trace=trace,
        workflow_id=workflow_id,
    )
    return _started_by_others(accepted, follow_up_at, cause, origin=Origin.CLIENT)


def adopt(
    operation_id: UUID,
    *,
    tenant: str,
    type_name: str,
    value: Input,
    labels: Mapping[str, str],
    workflow_id: str,
    first_run_id: str,
    started_at: datetime | None,
    follow_up_at: datetime,
    cause: Cause,
    parent_id: UUID | None = None,
) -> Change:
    """Creates the operation of an execution that exists. Reports and observations move it on, as after a dispatch.

    Args:
        operation_id: Id of the operation, which follows from the chain (`adopted_id`).
        tenant: Tenant of the operation.
        type_name: Type of the operation.
        value: Input of the workflow.
        labels: Labels of the operation.
        workflow_id: Workflow id of the chain.
        first_run_id: First run of the chain.
        started_at: When the chain started, which becomes the time of acceptance; None: unknown, `cause.now` is used.
        follow_up_at: Time of the first question to the engine, if nothing has moved the operation on before.
        cause: Cause of the adoption.
        parent_id: Operation whose workflow started the execution, if there is one.
    """
    accepted = accept(
        operation_id,
        tenant=tenant,
        type_name=type_name,
        value=value,
        labels=labels,
        cause=cause,
        workflow_id=workflow_id,
        parent_id=parent_id,
    )
    return _started_by_others(
        accepted,
        follow_up_at,
        cause,
        accepted_at=min(started_at or cause.now, cause.now),
        first_run_id=first_run_id,
        origin=Origin.ADOPTED,
    )


def _started_by_others(accepted: Change, follow_up_at: datetime, cause: Cause, **fields: Any) -> Change:
    """The new operation as after a dispatch. One attempt: the start by the client."""
    operation = replace(
        accepted.operation,
        dispatch=Dispatch(due_at=None, attempts=1, done_at=cause.now),
        follow_up=FollowUp(due_at=follow_up_at),
        verification=first_verification(cause.now),
        **fields,
    )
    return Change(operation, accepted.transitions)
