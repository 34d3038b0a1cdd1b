"""Submitting a batch: the valid submissions in one commit, a refusal for each other one, keys as alone."""

import asyncio
import threading
from collections import Counter
from datetime import timedelta
from typing import Any, ClassVar

import pytest

from adapters.jsonschema.input_validator import JsonSchemaInputValidator
from adapters.memory.operation_ids import MemoryOperationIds
from adapters.system.operation_ids import RandomOperationIds
from application.submit.submission import KEY_LIFETIME, Submission, Submitted
from application.submit.submit import Answer, SubmitOperations
from domain.errors import IdempotencyKeyReused, InvalidInput, UnknownOperationType, Violation
from domain.evidence.finality import Finality
from domain.operation.operation_type import OperationCatalogue, OperationType
from domain.operation.report import ReportKind
from domain.operation.transition import Source
from tests.support.ledger.in_memory import FakeLedger

STRICT = OperationType("strict", "Strict", "workers", input_schema={"type": "object"})
CATALOGUE = OperationCatalogue({"work": OperationType("work", "Work", "workers"), "strict": STRICT})


def ask(value: Any = None, key: str | None = None, **fields: Any) -> Submission:
    """Returns a submission."""
    return Submission("default", fields.pop("type", "work"), value, idempotency_key=key, **fields)


class Ledger(FakeLedger):
    """Submits alone and in batches."""

    def __init__(self, finality: Finality = Finality.ENGINE) -> None:
        super().__init__(finality, CATALOGUE)
        parts = self.units, self.clock, MemoryOperationIds(self.clock), CATALOGUE, JsonSchemaInputValidator()
        self.submitter = SubmitOperations(*parts)


def made(answer: Answer) -> Submitted:
    """Returns the operation of an answer. Fails for an error."""
    assert isinstance(answer, Submitted), answer
    return answer


async def test_all_are_accepted_in_their_order() -> None:
    """P1: each has a row, a history line with the actor and a due start; then each runs once."""
    ledger = Ledger()
    answers = await ledger.submitter.submit_batch(
        [ask(number, actor="alice", labels={"n": str(number)}) for number in range(9)]
    )
    operations = [made(answer).operation for answer in answers]
    assert [operation.input for operation in operations] == list(range(9))
    for operation in operations:
        assert ledger.row(operation.id) == operation
        [line] = ledger.history(operation.id)
        assert (line.source, line.actor) == (Source.CLIENT, "alice")
    await ledger.dispatch(20)
    assert sorted(start.operation_id for start in ledger.world.starts) == sorted(row.id for row in operations)


async def test_an_invalid_submission_stops_no_other() -> None:
    """Each has an answer of its own. A refused one leaves its key free."""
    ledger = Ledger()
    asked = [
        ask(1),
        ask(2, type="undeclared"),
        ask(3, type="strict", key="k"),
        ask({"a": 1}, type="strict", key="k"),
        ask(4, labels={"": "x"}),
    ]
    first, unknown, invalid, good, label = await ledger.submitter.submit_batch(asked)
    assert isinstance(unknown, UnknownOperationType)
    assert isinstance(invalid, InvalidInput)
    assert invalid.pointer == "/input"
    assert isinstance(label, InvalidInput)
    assert list(ledger.rows()) == [made(first).operation.id, made(good).operation.id]
    assert not made(good).replayed


async def test_a_batch_without_valid_submission_makes_no_commit() -> None:
    """Only refusals are returned."""
    ledger = Ledger()
    assert await ledger.submitter.submit_batch([]) == []
    [error] = await ledger.submitter.submit_batch([ask(type="undeclared")])
    assert isinstance(error, UnknownOperationType)
    assert not ledger.rows()


async def test_inputs_are_checked_in_a_thread() -> None:
    """Checking many inputs may take seconds."""

    class Where:
        threads: ClassVar[set[int]] = set()

        def accepts(self, operation_type: OperationType, value: object) -> bool:
            return not self.violations(operation_type, value)

        def violations(self, operation_type: OperationType, value: object) -> list[Violation]:
            self.threads.add(threading.get_ident())
            return []

    ledger = Ledger()
    service = SubmitOperations(ledger.units, ledger.clock, RandomOperationIds(), CATALOGUE, Where())
    await service.submit_batch([ask(1), ask(2)])
    assert Where.threads
    assert threading.get_ident() not in Where.threads


async def test_a_cancelled_check_stops_after_the_current_chunk() -> None:
    """A client that disconnects costs no more."""
    entered, leave = threading.Event(), threading.Event()
    checked: list[object] = []

    class Slow:
        def accepts(self, operation_type: OperationType, value: object) -> bool:
            return not self.violations(operation_type, value)

        def violations(self, operation_type: OperationType, value: object) -> list[Violation]:
            checked.append(value)
            entered.set()
            assert leave.wait(10)
            return []

    ledger = Ledger()
    service = SubmitOperations(ledger.units, ledger.clock, RandomOperationIds(), CATALOGUE, Slow())
    checking = asyncio.create_task(service.submit_batch([ask(number) for number in range(500)]))
    assert await asyncio.to_thread(entered.wait, 10)
    checking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await checking
    leave.set()
    assert len(checked) <= 20
    assert not ledger.rows()


async def test_a_refusal_keeps_no_traceback() -> None:
    """The frames of a traceback would keep the inputs in memory."""
    ledger = Ledger()
    refusals = await ledger.submitter.check([ask("x", type="strict"), ask(type="nope"), ask(labels={"": "a"})])
    assert [type(refusal) for refusal in refusals] == [InvalidInput, UnknownOperationType, InvalidInput]
    for refusal in refusals:
        assert refusal is not None
        assert (refusal.__traceback__, refusal.__context__) == (None, None)


async def test_a_repeated_batch_gives_the_first_operations() -> None:
    """Hazard 6: a client that lost the response sends the batch again. Submissions with a key get their first
    response, also if the operation has changed since; those without are accepted again."""
    ledger = Ledger(Finality.WORKFLOW)
    asked = [ask(1, "a"), ask(2), ask(3, "b")]
    first = await ledger.submitter.submit_batch(asked)
    await ledger.dispatch(9)
    await ledger.report(made(first[0]).operation.id, ReportKind.COMPLETED, result=1)
    again = await ledger.submitter.submit_batch(asked)
    assert [made(answer).replayed for answer in again] == [True, False, True]
    assert [made(again[place]).operation for place in (0, 2)] == [made(first[place]).operation for place in (0, 2)]
    assert len(ledger.rows()) == 4


async def test_a_repeat_after_the_catalogue_has_changed() -> None:
    """Hazard 6: each repeat gets its first response. A refused submission leaves its key free."""
    ledger = Ledger()
    first = await ledger.submitter.submit_batch([ask(1, "a"), ask(2, "b"), ask({}, "c", type="strict")])
    catalogue = OperationCatalogue({"strict": STRICT})
    later = SubmitOperations(ledger.units, ledger.clock, RandomOperationIds(), catalogue, JsonSchemaInputValidator())
    asked = [ask(1, "a"), ask({}, "d", type="strict"), ask(2, "b"), ask({}, "c", type="strict")]
    *again, other, new, unkeyed = await later.submit_batch([*asked, ask(3, "b"), ask(1, "new"), ask(1)])
    assert [made(answer).replayed for answer in again] == [True, False, True, True]
    assert [made(again[place]).operation for place in (0, 2, 3)] == [made(answer).operation for answer in first]
    assert isinstance(other, IdempotencyKeyReused)
    assert isinstance(new, UnknownOperationType)
    assert isinstance(unkeyed, UnknownOperationType)
    assert len(ledger.rows()) == 4
    assert not made((await ledger.submitter.submit_batch([ask(5, "new")]))[0]).replayed


async def test_keys_are_shared_with_single_submissions() -> None:
    """A key stands for one request, sent alone or in a batch."""
    ledger = Ledger()
    alone = await ledger.submitter.submit(ask(1, "k"))
    same, other = await ledger.submitter.submit_batch([ask(1, "k"), ask(2, "k")])
    assert (made(same).operation, made(same).replayed) == (alone.operation, True)
    assert isinstance(other, IdempotencyKeyReused)
    [batched] = await ledger.submitter.submit_batch([ask(3, "l")])
    assert (await ledger.submitter.submit(ask(3, "l"))).operation == made(batched).operation


async def test_a_key_may_occur_twice_in_a_batch() -> None:
    """The second submission is a repeat if it is equal, otherwise it is refused."""
    ledger = Ledger()
    first, again, other, apart = await ledger.submitter.submit_batch(
        [ask(1, "k"), ask(1, "k"), ask(2, "k"), ask(2, "l")]
    )
    assert (made(first).replayed, made(again).replayed) == (False, True)
    assert made(first).operation == made(again).operation
    assert isinstance(other, IdempotencyKeyReused)
    assert list(ledger.rows()) == [made(first).operation.id, made(apart).operation.id]


async def test_keys_belong_to_a_tenant() -> None:
    """P8: the same key of another tenant is another key."""
    ledger = Ledger()
    await ledger.submitter.submit_batch([ask(1, "k")])
    theirs = Submission("another", "work", 2, idempotency_key="k")
    [answer] = await ledger.submitter.submit_batch([theirs])
    assert not made(answer).replayed


async def test_expired_keys_are_new_requests() -> None:
    """After 24 hours, to the microsecond."""
    ledger = Ledger()
    await ledger.submitter.submit_batch([ask(1, "k")])
    ledger.clock.advance(KEY_LIFETIME - timedelta(microseconds=1))
    [within] = await ledger.submitter.submit_batch([ask(1, "k")])
    ledger.clock.advance(timedelta(microseconds=1))
    [after] = await ledger.submitter.submit_batch([ask(2, "k")])
    assert (made(within).replayed, made(after).replayed) == (True, False)


async def test_concurrent_batches_with_the_same_keys_make_one_operation_each() -> None:
    """Hazard 6: whichever of ten batches is first, in whatever order."""
    ledger = Ledger()
    asked = [ask(number, f"k{number}") for number in range(6)]
    rounds = [asked[place % 6 :] + asked[: place % 6] for place in range(10)]
    answers = await asyncio.gather(*(ledger.submitter.submit_batch(one) for one in rounds))
    flat = [made(answer) for answered in answers for answer in answered]
    assert len(ledger.rows()) == 6
    assert Counter(answer.replayed for answer in flat) == {False: 6, True: 54}
    assert {answer.operation.id for answer in flat} == set(ledger.rows())


@pytest.mark.parametrize("step", range(6))
async def test_a_repeat_after_a_crash_leaves_one_row_each(step: int) -> None:
    """P1, hazard 6: a crash at any step stores everything or nothing."""
    ledger = Ledger()
    asked = [ask(1, "a"), ask(2, "b"), ask(3, "c")]
    assert await ledger.killed(ledger.submitter.submit_batch(asked), step)
    stored = len(ledger.rows())
    assert stored == (3 if step == 5 else 0)
    answers = await ledger.submitter.submit_batch(asked)
    assert [made(answer).replayed for answer in answers] == [stored == 3] * 3
    assert list(ledger.rows()) == [made(answer).operation.id for answer in answers]
