"""How a cancellation request is passed on."""

from dataclasses import replace
from datetime import datetime
from uuid import UUID

import pytest

from domain.operation.follow_up import cancel_with_parent, claim_extended, passed_on
from domain.operation.lifecycle import request_cancel
from domain.operation.operation import Operation
from domain.operation.operation_error import ErrorCode
from domain.operation.origin import Origin
from domain.operation.transition import Source
from tests.support.operations import accepted, at, cause, completed, running

PARENT = UUID(int=31)


def cancelled(
    *, force: bool = False, reason: str | None = "no need", delivered_at: datetime | None = None
) -> Operation:
    """A parent that alice has cancelled at second 10."""
    asked = request_cancel(running(), reason=reason, force=force, cause=replace(cause(10), actor="alice")).operation
    assert asked.cancel_request is not None
    request = replace(asked.cancel_request, delivered_at=delivered_at)
    return replace(asked, id=PARENT, cancel_request=request)


@pytest.mark.parametrize("force", [False, True])
def test_child_is_cancelled_as_its_parent_is(force: bool) -> None:
    """By the same actor, with a reason that names the parent, and on to its own children."""
    change = cancel_with_parent(running(), cancelled(force=force), at(11))
    request = change.operation.cancel_request
    assert request is not None
    verb = "terminated" if force else "cancelled"
    assert (request.by, request.force, request.at) == ("alice", force, at(11))
    assert request.reason == f"parent operation {PARENT} was {verb}: no need"
    assert (change.operation.follow_up.due_at, change.operation.cancel_children_due_at) == (at(11), at(11))
    [line] = change.transitions
    assert (line.source, line.actor, line.reason) == (Source.CLIENT, "alice", request.reason)


def test_child_that_was_not_started_ends() -> None:
    """At once, as on its own request."""
    ended = cancel_with_parent(accepted(), cancelled(reason=None), at(11)).operation
    assert ended.error is not None
    assert (ended.error.code, ended.error.message) == (
        ErrorCode.CANCELED,
        f"parent operation {PARENT} was cancelled",
    )


def test_termination_follows_a_cancellation() -> None:
    """A repeat of the same request changes nothing."""
    asked = cancel_with_parent(running(), cancelled(), at(11)).operation
    assert cancel_with_parent(asked, cancelled(), at(12)).operation is asked
    forced = cancel_with_parent(asked, cancelled(force=True), at(12)).operation
    assert forced.cancel_request is not None
    assert forced.cancel_request.force


@pytest.mark.parametrize(
    "child",
    [
        completed(),
        replace(running(), origin=Origin.ADOPTED),
        replace(running(), origin=Origin.CLIENT),
        replace(running(), tenant="another"),
    ],
    ids=["done", "adopted", "of a client", "of another tenant"],
)
def test_children_that_are_left_alone(child: Operation) -> None:
    """Temporal passes cancellations on to child workflows, and a tenant changes nothing of another."""
    assert cancel_with_parent(child, cancelled(), at(11)).operation is child


def test_child_that_was_submitted_to_clean_up_is_left_alone() -> None:
    """The parent's workflow had the request already."""
    parent = cancelled(delivered_at=at(20))
    before, after = (replace(running(), accepted_at=at(second), started_at=at(30)) for second in (20, 21))
    assert cancel_with_parent(before, parent, at(31)).operation.cancel_request is not None
    assert cancel_with_parent(after, parent, at(31)).operation is after


def test_claim_is_extended_and_released_by_its_holder() -> None:
    """Another claim, or a new request, replaces it."""
    parent = replace(cancelled(), cancel_children_due_at=at(40))
    assert claim_extended(parent, at(40), at(50)).operation.cancel_children_due_at == at(50)
    assert passed_on(parent, at(40)).operation.cancel_children_due_at is None
    assert claim_extended(parent, at(39), at(50)).operation is parent
    assert passed_on(parent, at(39)).operation is parent
