"""Submit: stores row, history line and idempotency key in one commit, or nothing, without the engine."""

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from adapters.jsonschema.input_validator import JsonSchemaInputValidator
from adapters.memory.operation_ids import MemoryOperationIds
from adapters.system.operation_ids import RandomOperationIds
from application.submit.submission import KEY_LIFETIME, Submission, Submitted
from application.submit.submit import SubmitOperations
from domain.errors import IdempotencyKeyReused, InvalidInput, OpledgerError, UnknownOperationType
from domain.evidence.finality import Finality
from domain.operation.operation import MISSING
from domain.operation.operation_type import OperationCatalogue, OperationType
from domain.operation.report import ReportKind
from domain.operation.status import OperationStatus
from domain.operation.transition import Source
from tests.support.ledger.in_memory import FakeLedger

STRICT = OperationCatalogue({"strict": OperationType("strict", "Strict", "workers", input_schema={"type": "object"})})


def keyed(value: Any = None, **fields: Any) -> Submission:
    """Returns a submission with the idempotency key `k`."""
    return Submission("default", fields.pop("type", "work"), value, idempotency_key="k", **fields)


async def test_a_submission_is_accepted_and_due() -> None:
    """P1: the row is ACCEPTED, its history has one line with the actor, and its start is due at once."""
    ledger = FakeLedger()
    operation_id = await ledger.submit({"machine": "m"}, actor="alice", labels={"team": "a"})
    row, [line] = ledger.row(operation_id), ledger.history(operation_id)
    assert (row.status, row.labels, row.version) == (OperationStatus.ACCEPTED, {"team": "a"}, 1)
    assert row.dispatch.due_at == ledger.clock.now()
    assert (line.source, line.actor, line.at) == (Source.CLIENT, "alice", ledger.clock.now())


async def test_a_submission_needs_no_engine() -> None:
    """P5: it is accepted while the engine is down, without a call."""
    ledger = FakeLedger()
    ledger.world.go_down()
    await ledger.submit()
    assert not ledger.engine.calls


EMPTY = [MISSING, None, {}, [], "", 0, False, 0.0, {"a": None}, [None]]


@pytest.mark.parametrize("value", EMPTY, ids=repr)
async def test_empty_input_reaches_the_engine_unchanged(value: Any) -> None:
    """Hazard 7: a missing input, null and every empty value."""
    ledger = FakeLedger()
    await ledger.dispatched(value)
    [start] = ledger.world.starts
    assert start.input is value if value is MISSING else start.input == value
    assert type(start.input) is type(value)


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"type": "undeclared"}, UnknownOperationType),
        ({"labels": {"": "x"}}, InvalidInput),
        ({"tenant": "t" * 256}, InvalidInput),
        ({"tenant": "nul\x00"}, InvalidInput),
        ({"idempotency_key": "k" * 256}, InvalidInput),
    ],
    ids=str,
)
async def test_a_submission_that_cannot_be_stored_is_never_started(
    fields: Mapping[str, Any], error: type[OpledgerError]
) -> None:
    """Hazard 1: the caller gets the error. There is no row, and no workflow runs."""
    ledger = FakeLedger()
    with pytest.raises(error):
        await ledger.submitter.submit(Submission(**{"tenant": "default", "type": "work", **fields}))
    await ledger.dispatch(10)
    assert not ledger.rows()
    assert not ledger.world.starts


async def test_a_refused_submission_leaves_its_key_free() -> None:
    """Hazard 6: a correct one may use it."""
    ledger = FakeLedger(catalogue=STRICT)
    ids = MemoryOperationIds(ledger.clock)
    submit = SubmitOperations(ledger.units, ledger.clock, ids, STRICT, JsonSchemaInputValidator()).submit
    with pytest.raises(InvalidInput):
        await submit(keyed("no object", type="strict"))
    assert not (await submit(keyed({}, type="strict"))).replayed


async def test_a_repeat_after_the_catalogue_has_changed() -> None:
    """Hazard 6: a deployment removes the type, or changes its schema, before the client repeats. The repeat gives
    the operation, which runs. The same body with a new key is refused, and so is another body with the old key."""
    ledger = FakeLedger()
    ids = RandomOperationIds()
    first = (await ledger.submitter.submit(keyed("no object", type="work"))).operation
    strict = OperationType("work", "Work", "workers", input_schema={"type": "object"})
    for catalogue in (OperationCatalogue({}), OperationCatalogue({"work": strict})):
        submit = SubmitOperations(ledger.units, ledger.clock, ids, catalogue, JsonSchemaInputValidator()).submit
        again = await submit(keyed("no object", type="work"))
        assert (again.operation, again.replayed) == (first, True)
        with pytest.raises(IdempotencyKeyReused):
            await submit(keyed("another", type="work"))
        for key in (None, "new"):
            with pytest.raises((UnknownOperationType, InvalidInput)):
                await submit(Submission("default", "work", "no object", idempotency_key=key))
    assert list(ledger.rows()) == [first.id]
    assert not (await ledger.submitter.submit(Submission("default", "work", 1, idempotency_key="new"))).replayed


async def test_a_repeat_gives_the_first_operation() -> None:
    """Hazard 6: a client that lost the response repeats the request: one operation, and the same response."""
    ledger = FakeLedger()
    first = await ledger.submitter.submit(keyed({"a": 1, "b": 2}, labels={"x": "1", "y": "2"}))
    again = await ledger.submitter.submit(keyed({"b": 2, "a": 1}, labels={"y": "2", "x": "1"}))
    assert (first.replayed, again.replayed) == (False, True)
    assert again.operation == first.operation
    assert len(ledger.rows()) == 1


async def test_a_repeat_gives_the_first_response() -> None:
    """Hazard 6: also if the operation has finished since."""
    ledger = FakeLedger(Finality.WORKFLOW)
    first = await ledger.submitter.submit(keyed())
    await ledger.dispatch(1)
    await ledger.report(first.operation.id, ReportKind.COMPLETED, result=1)
    assert ledger.status(first.operation.id) is OperationStatus.COMPLETED
    assert (await ledger.submitter.submit(keyed())).operation == first.operation


@pytest.mark.parametrize(
    "other",
    [
        keyed({"a": 2}),
        keyed({}),
        keyed(None),
        keyed(MISSING),
        keyed({"a": 1}, type="other"),
        keyed({"a": 1}, labels={"l": "1"}),
    ],
    ids=["value", "empty", "null", "missing", "type", "labels"],
)
async def test_a_key_with_another_request_is_refused(other: Submission) -> None:
    """Hazard 6: nothing is stored."""
    ledger = FakeLedger()
    await ledger.submitter.submit(keyed({"a": 1}))
    with pytest.raises(IdempotencyKeyReused):
        await ledger.submitter.submit(other)
    assert len(ledger.rows()) == 1


async def test_null_and_missing_input_are_different_requests() -> None:
    """Hazards 6 and 7: under one key."""
    ledger = FakeLedger()
    await ledger.submitter.submit(keyed(MISSING))
    with pytest.raises(IdempotencyKeyReused):
        await ledger.submitter.submit(keyed(None))


async def test_an_expired_key_is_a_new_request() -> None:
    """The body may be the same or another."""
    ledger = FakeLedger()
    first = await ledger.submitter.submit(keyed(1))
    ledger.clock.advance(KEY_LIFETIME - timedelta(microseconds=1))
    assert (await ledger.submitter.submit(keyed(1))).replayed
    ledger.clock.advance(timedelta(microseconds=1))
    second = await ledger.submitter.submit(keyed(2))
    assert not second.replayed
    assert second.operation.id != first.operation.id


async def test_keys_belong_to_a_tenant() -> None:
    """P8: the same key of another tenant is another key."""
    ledger = FakeLedger()
    mine = await ledger.submitter.submit(keyed())
    theirs = await ledger.submitter.submit(Submission("another", "work", None, idempotency_key="k"))
    assert not theirs.replayed
    assert theirs.operation.id != mine.operation.id


async def test_concurrent_requests_with_one_key_make_one_operation() -> None:
    """Hazard 6: all twenty get it."""
    ledger = FakeLedger()
    answers: list[Submitted] = await asyncio.gather(*(ledger.submitter.submit(keyed()) for _ in range(20)))
    assert sorted(answer.replayed for answer in answers) == [False, *[True] * 19]
    assert {answer.operation.id for answer in answers} == set(ledger.rows())


@pytest.mark.parametrize("step", range(6))
async def test_a_repeat_after_a_crash_leaves_one_row(step: int) -> None:
    """P1, hazard 6: after a crash at any step, with its key and history."""
    ledger = FakeLedger()
    assert await ledger.killed(ledger.submitter.submit(keyed()), step)
    assert len(ledger.rows()) == (1 if step == 5 else 0)
    answer = await ledger.submitter.submit(keyed())
    assert answer.replayed is (step == 5)
    assert list(ledger.rows()) == [answer.operation.id]
    assert len(ledger.history(answer.operation.id)) == 1
