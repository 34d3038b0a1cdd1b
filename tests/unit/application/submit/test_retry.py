"""Retries of operations that are done."""

import asyncio
from typing import Any
from uuid import UUID

import pytest

from application.submit.retry import Retry
from application.submit.submission import Submission, Submitted
from domain.errors import (
    IdempotencyKeyReused,
    InvalidInput,
    OperationAlreadyRetried,
    OperationNotDone,
    OperationNotFound,
    OpledgerError,
)
from domain.operation.operation_type import OperationCatalogue, OperationType
from domain.operation.status import OperationStatus
from tests.support.ledger.in_memory import FakeLedger


async def failed(ledger: FakeLedger, value: Any = None, **fields: Any) -> UUID:
    """An operation that was cancelled before its start."""
    operation_id = await ledger.submit({"n": 1} if value is None else value, **fields)
    await ledger.cancel(operation_id)
    return operation_id


async def retry(ledger: FakeLedger, operation_id: UUID, tenant: str = "default", **fields: Any) -> Submitted:
    """Retries an operation."""
    return await ledger.api.retry().retry(tenant, operation_id, Retry(**fields), actor="alice", trace={})


async def test_a_retry_has_the_same_input() -> None:
    """The two operations name each other, and the history of the first one says so."""
    ledger = FakeLedger()
    first = await failed(ledger, {"machine": "m1"}, labels={"team": "a"})
    made = (await retry(ledger, first)).operation
    row = ledger.row(made.id)
    assert (row.type, row.input, row.labels) == ("work", {"machine": "m1"}, {"team": "a"})
    assert (row.status, row.retry_of) == (OperationStatus.ACCEPTED, first)
    assert ledger.row(first).retried_by == made.id
    line = ledger.history(first)[-1]
    assert (line.reason, line.actor, line.from_status) == (f"retried by operation {made.id}", "alice", line.to_status)
    await ledger.dispatch(10)
    [start] = ledger.world.starts
    assert start.input == {"machine": "m1"}


async def test_a_retry_may_change_input_and_labels() -> None:
    """Labels are checked as those of a submission."""
    ledger = FakeLedger()
    first = await failed(ledger)
    with pytest.raises(InvalidInput):
        await retry(ledger, first, labels={"no key": "x"})
    assert ledger.row(first).retried_by is None
    made = (await retry(ledger, first, input={"n": 2}, labels={"try": "2"})).operation
    assert (made.input, made.labels) == ({"n": 2}, {"try": "2"})


async def test_an_operation_is_retried_once() -> None:
    """The same retry returns the first one; another one is refused with its id. A retry can be retried."""
    ledger = FakeLedger()
    first = await failed(ledger)
    second = (await retry(ledger, first)).operation
    again = await retry(ledger, first)
    assert (again.operation.id, again.replayed) == (second.id, True)
    with pytest.raises(OperationAlreadyRetried) as refused:
        await retry(ledger, first, input={"n": 2})
    assert refused.value.operation_id == second.id
    with pytest.raises(OperationNotDone):
        await retry(ledger, second.id)
    await ledger.cancel(second.id)
    third = (await retry(ledger, second.id)).operation
    assert (third.retry_of, ledger.row(second.id).retried_by) == (second.id, third.id)


async def test_concurrent_retries_make_one_operation() -> None:
    """Whether they share a transaction or not."""
    ledger = FakeLedger()
    first = await failed(ledger)
    answers = await asyncio.gather(*(retry(ledger, first) for _ in range(20)))
    assert len({answer.operation.id for answer in answers}) == 1
    assert sum(not answer.replayed for answer in answers) == 1


async def test_retries_in_one_batch_make_one_operation() -> None:
    """The first one makes it; a different one is refused."""
    ledger = FakeLedger()
    first = await failed(ledger)
    same = Submission("default", "work", {"n": 1}, retry_of=first)
    other = Submission("default", "work", {"n": 2}, retry_of=first)
    made, again, refused = await ledger.submitter.submit_batch([same, same, other])
    assert isinstance(made, Submitted)
    assert again == Submitted(made.operation, replayed=True)
    assert isinstance(refused, OperationAlreadyRetried)
    assert refused.operation_id == made.operation.id


async def test_a_key_belongs_to_one_retry() -> None:
    """A repeat with it gets the first answer; with another change it is refused."""
    ledger = FakeLedger()
    first = await failed(ledger)
    made = await retry(ledger, first, idempotency_key="k")
    again = await retry(ledger, first, idempotency_key="k")
    assert (again.operation, again.replayed) == (made.operation, True)
    with pytest.raises(IdempotencyKeyReused):
        await retry(ledger, first, input=2, idempotency_key="k")


async def test_a_retry_of_a_deleted_retry_is_a_new_one() -> None:
    """A retry whose first operation was deleted can be retried."""
    ledger = FakeLedger()
    first = await failed(ledger)
    second = (await retry(ledger, first)).operation.id
    await ledger.cancel(second)
    await ledger.api.delete().delete("default", second)
    third = (await retry(ledger, first)).operation.id
    assert ledger.row(first).retried_by == third != second
    await ledger.cancel(third)
    await ledger.api.delete().delete("default", first)
    assert (await retry(ledger, third)).operation.retry_of == third


@pytest.mark.parametrize("tenant", ["another", "default"])
async def test_a_missing_operation_cannot_be_retried(tenant: str) -> None:
    """P8: another tenant's is refused with the same error as a missing one."""
    ledger = FakeLedger()
    target = await failed(ledger) if tenant == "another" else UUID(int=7)
    refusals: list[OpledgerError] = []
    with pytest.raises(OperationNotFound) as refused:
        await retry(ledger, target, tenant)
    refusals.append(refused.value)
    [answer] = await ledger.submitter.submit_batch([Submission(tenant, "work", retry_of=target)])
    assert isinstance(answer, OperationNotFound)
    assert {str(each) for each in (*refusals, answer)} == {f"there is no operation {target}"}


async def test_a_retry_keeps_the_parent_that_exists() -> None:
    """A deleted parent does not stop it."""
    ledger = FakeLedger()
    parent = await failed(ledger)
    first = await failed(ledger, parent_id=parent)
    second = (await retry(ledger, first)).operation
    assert second.parent_id == parent
    await ledger.cancel(second.id)
    await ledger.api.delete().delete("default", parent)
    assert (await retry(ledger, second.id)).operation.parent_id is None


async def test_a_retry_of_an_undeclared_type_is_refused() -> None:
    """The type was declared when the operation was submitted."""
    ledger = FakeLedger()
    first = await failed(ledger)
    ledger.restart(OperationCatalogue({"else": OperationType("else", "Else", "workers")}))
    with pytest.raises(InvalidInput, match="'work' is not a declared operation type"):
        await retry(ledger, first)


STEPS = 10
"""Steps of a retry, before and after each of which the process may be killed."""


@pytest.mark.parametrize("step", range(STEPS))
async def test_a_crash_at_any_step_makes_no_second_retry(step: int) -> None:
    """A client repeats its request until it gets an answer: there is one retry, and the operation names it."""
    ledger = FakeLedger()
    first = await failed(ledger)
    submission = Submission("default", "work", {"n": 1}, retry_of=first, idempotency_key="k")
    assert await ledger.killed(ledger.submitter.submit_batch([submission]), step)
    [answer] = await ledger.submitter.submit_batch([submission])
    assert isinstance(answer, Submitted)
    assert [row.id for row in ledger.rows().values() if row.retry_of == first] == [answer.operation.id]
    assert ledger.row(first).retried_by == answer.operation.id


async def test_the_crash_points_cover_every_step() -> None:
    """An undisturbed retry has no more steps than the test above crashes at."""
    ledger = FakeLedger()
    submission = Submission("default", "work", {"n": 1}, retry_of=await failed(ledger), idempotency_key="k")
    assert not await ledger.killed(ledger.submitter.submit_batch([submission]), STEPS)
