"""Adoption: the operation of an execution that another client started."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.evidence.observation import ExecutionState
from domain.evidence.reconciliation import ReconcilePolicy, Verdict, reconcile
from domain.operation.lifecycle import request_cancel, start
from domain.operation.operation import MISSING, Change
from domain.operation.operation_error import ErrorCode
from domain.operation.operation_id import adopted_id
from domain.operation.origin import Origin
from domain.operation.start.creation import adopt
from domain.operation.status import OperationStatus
from domain.operation.transition import Source
from tests.support.operations import ID, T0, accepted, adopted, at, cause, observed

POLICY = ReconcilePolicy()
offsets = st.none() | st.floats(-1e6, 1e6)


def adoption(started: float | None = -5) -> Change:
    """Adopts at T0 an execution that started so many seconds after T0; None: it is not known when."""
    return adopt(
        adopted_id("default", "order-1", "first"),
        tenant="acme",
        type_name="order",
        value=MISSING,
        labels={"team": "a"},
        workflow_id="order-1",
        first_run_id="first",
        started_at=None if started is None else at(started),
        follow_up_at=at(2),
        cause=cause(source=Source.ADOPTION),
        parent_id=ID,
    )


def test_an_adopted_operation_is_dispatched_and_refers_to_its_chain() -> None:
    """It has no due start."""
    change = adoption()
    operation = change.operation
    assert (operation.origin, operation.parent_id, operation.status) == (Origin.ADOPTED, ID, OperationStatus.ACCEPTED)
    assert (operation.chain.workflow_id, operation.chain.first_run_id) == ("order-1", "first")
    assert (operation.dispatch.due_at, operation.dispatch.done_at) == (None, T0)
    assert (operation.follow_up.due_at, operation.verification.verified_at) == (at(2), T0)
    [line] = change.transitions
    assert (line.sequence, line.source, line.at) == (1, Source.ADOPTION, T0)


@given(offsets)
def test_the_acceptance_is_the_start_of_the_execution_and_never_in_the_future(started: float | None) -> None:
    """Hazard 33: clocks differ. The operation may have started when it was accepted."""
    operation = adoption(started).operation
    assert operation.accepted_at == (T0 if started is None else min(at(started), T0))
    ran = start(operation, cause(1), at=operation.accepted_at).operation
    assert operation.accepted_at == ran.started_at
    assert operation.accepted_at <= operation.updated_at == T0
    assert ran.follow_up.due_at is None


def test_a_cancellation_is_delivered_to_the_execution() -> None:
    """It is not ended as one that was never started."""
    asked = request_cancel(adopted(), reason=None, force=False, cause=cause(1)).operation
    assert (asked.status, asked.follow_up.due_at) == (OperationStatus.ACCEPTED, at(1))


@pytest.mark.parametrize("seconds", [31, 3_000, 30_000])
def test_an_execution_that_another_client_started_is_never_started_by_the_ledger(seconds: float) -> None:
    """When the engine no longer knows it: its retention may have ended."""
    unknown = observed(ExecutionState.NOT_FOUND, seconds)
    decision = reconcile(adopted(), unknown, at(seconds), POLICY)
    assert decision.verdict is Verdict.TRANSITION
    assert decision.change is not None
    assert decision.change.operation.error is not None
    assert decision.change.operation.error.code is ErrorCode.EXECUTION_LOST


def test_an_early_answer_about_an_adopted_execution_waits() -> None:
    """As after a dispatch."""
    early = observed(ExecutionState.NOT_FOUND, 1)
    assert reconcile(adopted(), early, at(1), POLICY).verdict is Verdict.WAIT
    assert timedelta(seconds=1) < POLICY.grace


def test_the_workflow_id_is_the_id_of_the_operation_unless_it_has_another() -> None:
    """The default of every type."""
    assert (accepted().workflow_id, accepted().origin) == (str(ID), Origin.LEDGER)
    assert accepted(workflow_id="deploy-m1").chain.workflow_id == "deploy-m1"
