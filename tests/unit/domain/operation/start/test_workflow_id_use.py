"""The policies of a type on a workflow id that other operations have: a table of all cases."""

from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from domain.errors import WorkflowIdConflict, WorkflowIdInUse, WorkflowIdUsed
from domain.operation.operation import Operation
from domain.operation.start.workflow_id_policy import OnClosed, OnRunning
from domain.operation.start.workflow_id_use import WorkflowIdUse, use_workflow_id
from domain.operation.status import OperationStatus
from domain.scheduling.schedule import Dispatch
from tests.support.operations import accepted, at, dispatched_at

OTHER, SUCCESSOR = UUID(int=11), UUID(int=12)
OPEN = replace(accepted(), id=OTHER, tenant="acme", workflow_id="w", type="deploy")
LEAVING = replace(OPEN, id=UUID(int=13), superseded_by=SUCCESSOR)
STRANGER = replace(OPEN, id=UUID(int=14), type="payroll")
WORKFLOWS = {"deploy": "Deploy", "payroll": "Payroll"}
FOREIGN = replace(OPEN, tenant="another")
COMPLETED = replace(dispatched_at(), id=OTHER, tenant="acme", workflow_id="w", status=OperationStatus.COMPLETED)
FAILED = replace(COMPLETED, status=OperationStatus.FAILED)
NEVER_STARTED = replace(FAILED, dispatch=Dispatch(due_at=None, attempts=0))


def use(on_running: OnRunning, on_closed: OnClosed, *holders: Operation) -> WorkflowIdUse | WorkflowIdConflict:
    return use_workflow_id("acme", on_running, on_closed, holders, "Deploy", WORKFLOWS.__getitem__)


def in_use(result: Any) -> UUID | None:
    assert isinstance(result, WorkflowIdInUse)
    return result.operation_id


@pytest.mark.parametrize("on_closed", OnClosed)
@pytest.mark.parametrize("on_running", OnRunning)
def test_free_workflow_id(on_running: OnRunning, on_closed: OnClosed) -> None:
    """It is free, or an operation had it that never had an execution."""
    assert use(on_running, on_closed) == WorkflowIdUse()
    assert use(on_running, on_closed, NEVER_STARTED) == WorkflowIdUse()


@pytest.mark.parametrize("closed", [(), (COMPLETED,), (FAILED,)])
@pytest.mark.parametrize("on_closed", OnClosed)
def test_policy_decides_about_an_open_operation(on_closed: OnClosed, closed: tuple[Operation, ...]) -> None:
    """What closed before it does not matter."""
    holders = (OPEN, *closed)
    assert in_use(use(OnRunning.REJECT, on_closed, *holders)) == OPEN.id
    assert use(OnRunning.USE_EXISTING, on_closed, *holders) == WorkflowIdUse(existing=OPEN)
    assert use(OnRunning.TERMINATE, on_closed, *holders) == WorkflowIdUse(superseded=(OPEN,))


def test_operation_that_is_being_superseded() -> None:
    """It is no answer to a submission, and a new successor takes it over."""
    assert in_use(use(OnRunning.REJECT, OnClosed.ALLOW, LEAVING)) == LEAVING.id
    assert in_use(use(OnRunning.USE_EXISTING, OnClosed.ALLOW, LEAVING)) == LEAVING.id
    assert use(OnRunning.TERMINATE, OnClosed.ALLOW, LEAVING) == WorkflowIdUse(superseded=(LEAVING,))
    assert in_use(use(OnRunning.REJECT, OnClosed.ALLOW, LEAVING, OPEN)) == OPEN.id
    assert use(OnRunning.USE_EXISTING, OnClosed.ALLOW, LEAVING, OPEN) == WorkflowIdUse(existing=OPEN)
    assert use(OnRunning.TERMINATE, OnClosed.ALLOW, LEAVING, OPEN) == WorkflowIdUse(superseded=(LEAVING, OPEN))


@pytest.mark.parametrize("on_running", OnRunning)
def test_open_operation_of_another_workflow_type(on_running: OnRunning) -> None:
    """It is neither used nor terminated, and the conflict names it."""
    assert in_use(use(on_running, OnClosed.ALLOW, STRANGER)) == STRANGER.id
    assert in_use(use(on_running, OnClosed.ALLOW, replace(STRANGER, superseded_by=SUCCESSOR))) == STRANGER.id


def test_open_operations_of_two_workflow_types() -> None:
    """One is being superseded."""
    leaving = replace(STRANGER, superseded_by=SUCCESSOR)
    assert use(OnRunning.USE_EXISTING, OnClosed.ALLOW, leaving, OPEN) == WorkflowIdUse(existing=OPEN)
    assert in_use(use(OnRunning.TERMINATE, OnClosed.ALLOW, leaving, OPEN)) == STRANGER.id
    assert in_use(use(OnRunning.USE_EXISTING, OnClosed.ALLOW, LEAVING, STRANGER)) == STRANGER.id


@pytest.mark.parametrize("on_running", OnRunning)
def test_open_operation_of_another_tenant(on_running: OnRunning) -> None:
    """P8: it is neither named nor used nor terminated."""
    assert in_use(use(on_running, OnClosed.ALLOW, FOREIGN)) is None
    assert in_use(use(on_running, OnClosed.ALLOW, OPEN, FOREIGN)) is None


@pytest.mark.parametrize(
    ("on_closed", "last", "free"),
    [
        (OnClosed.ALLOW, COMPLETED, True),
        (OnClosed.ALLOW, FAILED, True),
        (OnClosed.ALLOW_FAILED, COMPLETED, False),
        (OnClosed.ALLOW_FAILED, FAILED, True),
        (OnClosed.REJECT, COMPLETED, False),
        (OnClosed.REJECT, FAILED, False),
    ],
)
@pytest.mark.parametrize("on_running", OnRunning)
def test_policy_decides_about_a_closed_operation(
    on_running: OnRunning, on_closed: OnClosed, last: Operation, free: bool
) -> None:
    """P8: another tenant's has the same effect, and is not named."""
    for tenant, named in (("acme", OTHER), ("another", None)):
        result = use(on_running, on_closed, replace(last, tenant=tenant, finished_at=at(9)))
        if free:
            assert result == WorkflowIdUse()
        else:
            assert isinstance(result, WorkflowIdUsed)
            assert result.operation_id == named
