"""Submissions on behalf of another operation."""

from typing import Any
from uuid import UUID

import pytest

from application.submit.submission import Submission, Submitted
from domain.errors import IdempotencyKeyReused, InvalidInput, Violation
from domain.operation.status import OperationStatus
from tests.support.ledger.in_memory import FakeLedger
from tests.unit.application.submit.test_workflow_ids import CATALOGUE

NOBODY = UUID(int=77)


def child(parent: UUID, tenant: str = "default", **fields: Any) -> Submission:
    """A submission that names the parent."""
    return Submission(tenant, fields.pop("type", "work"), fields.pop("value", 1), parent_id=parent, **fields)


async def test_the_operation_has_the_parent() -> None:
    """Also if the parent is done. The same request with its key gets the first answer."""
    ledger = FakeLedger()
    running, done = await ledger.running(), await ledger.submit()
    await ledger.cancel(done)
    for parent in (running, done):
        first = await ledger.submitter.submit(child(parent, idempotency_key=str(parent)))
        assert ledger.row(first.operation.id).parent_id == parent
        again = await ledger.submitter.submit(child(parent, idempotency_key=str(parent)))
        assert again == Submitted(first.operation, replayed=True)


@pytest.mark.parametrize("key", [None, "k"])
async def test_the_parent_is_an_operation_of_the_tenant(key: str | None) -> None:
    """P8: that of another tenant is refused with the same error as a missing one. Nothing is stored, and the key stays
    free."""
    ledger = FakeLedger()
    theirs = (await ledger.submitter.submit(Submission("acme", "work", 1))).operation.id
    before = set(ledger.rows())
    for parent in (NOBODY, theirs):
        with pytest.raises(InvalidInput) as refused:
            await ledger.submitter.submit(child(parent, idempotency_key=key))
        assert refused.value.violations == (Violation(f"there is no operation {parent}", "/parent_id"),)
        assert set(ledger.rows()) == before
    made = await ledger.submitter.submit(child(await ledger.submit(), idempotency_key=key))
    assert not made.replayed


async def test_a_repeat_gets_the_first_answer_after_the_parent_was_deleted() -> None:
    """Hazard 6: whatever became of the parent."""
    ledger = FakeLedger()
    parent = await ledger.submit()
    first = await ledger.submitter.submit(child(parent, idempotency_key="k"))
    del ledger.store._tables.operations[parent]
    again = await ledger.submitter.submit(child(parent, idempotency_key="k"))
    assert (again.operation.id, again.operation.parent_id) == (first.operation.id, parent)


async def test_another_parent_is_another_request() -> None:
    """The idempotency key is the same."""
    ledger = FakeLedger()
    first, second = await ledger.submit(), await ledger.submit()
    await ledger.submitter.submit(child(first, idempotency_key="k"))
    for other in (child(second, idempotency_key="k"), Submission("default", "work", 1, idempotency_key="k")):
        with pytest.raises(IdempotencyKeyReused):
            await ledger.submitter.submit(other)


async def test_one_of_a_batch_is_refused() -> None:
    """The others are stored. A refused one changes no operation with its workflow id."""
    ledger = FakeLedger(catalogue=CATALOGUE)
    parent = await ledger.submit()
    held = await ledger.submitter.submit(Submission("default", "terminate", {"machine": "m"}))
    answers = await ledger.submitter.submit_batch(
        [
            child(parent),
            child(NOBODY, type="terminate", value={"machine": "m"}),
            child(NOBODY, idempotency_key="k"),
            child(NOBODY, idempotency_key="k"),
            child(parent),
        ]
    )
    assert [type(answer) for answer in answers] == [Submitted, InvalidInput, InvalidInput, InvalidInput, Submitted]
    assert len(ledger.rows()) == 4
    assert (ledger.status(held.operation.id), ledger.row(held.operation.id).superseded_by) == (
        OperationStatus.ACCEPTED,
        None,
    )
