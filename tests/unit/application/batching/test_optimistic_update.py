"""The conflict loop: which errors make it try again, and when it gives up."""

from typing import Any

import pytest

from application.batching.optimistic_update import MAX_TRIES, retry_on_conflict
from application.ports.storage.operation_repository import StaleOperation, WorkflowIdTaken
from application.ports.storage.unit_of_work import DatabaseUnavailable
from tests.support.ledger.in_memory import FakeLedger


class Attempts:
    """Raises one error after the other, then answers."""

    def __init__(self, *errors: Exception) -> None:
        self._errors = list(errors)
        self.units: list[Any] = []
        """One for each attempt."""

    async def __call__(self, unit: Any) -> str:
        self.units.append(unit)
        if self._errors:
            raise self._errors.pop(0)
        return "stored"


async def test_each_conflict_is_retried_in_a_new_unit_of_work() -> None:
    attempts = Attempts(StaleOperation(), WorkflowIdTaken(), StaleOperation())
    assert await retry_on_conflict(FakeLedger().store.units, "it", attempts) == "stored"
    assert len({id(unit) for unit in attempts.units}) == 4


async def test_a_conflict_that_the_caller_does_not_name_is_raised() -> None:
    attempts = Attempts(WorkflowIdTaken(), StaleOperation("locked"))
    with pytest.raises(StaleOperation, match=r"^locked$"):
        await retry_on_conflict(FakeLedger().store.units, "it", attempts, (WorkflowIdTaken,))
    assert len(attempts.units) == 2


async def test_another_error_is_not_retried() -> None:
    attempts = Attempts(DatabaseUnavailable())
    with pytest.raises(DatabaseUnavailable):
        await retry_on_conflict(FakeLedger().store.units, "it", attempts)
    assert len(attempts.units) == 1


async def test_too_many_conflicts_in_a_row_end_with_the_name_of_what_changed() -> None:
    attempts = Attempts(*[WorkflowIdTaken() for _ in range(MAX_TRIES)])
    with pytest.raises(StaleOperation, match=f"^workflow id 'a' changed during each of {MAX_TRIES} attempts$"):
        await retry_on_conflict(FakeLedger().store.units, "workflow id 'a'", attempts)
    assert len(attempts.units) == MAX_TRIES
