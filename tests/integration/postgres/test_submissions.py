"""Concurrent submissions, batches and deletions on real connections: one operation per key, few statements, no
deadlock."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar

from sqlalchemy import event, text
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.jsonschema.input_validator import JsonSchemaInputValidator
from adapters.memory.clock import MemoryClock
from adapters.memory.metrics import MemoryMetrics
from adapters.postgres.connection.engine import create_engine
from adapters.postgres.unit_of_work import PostgresUnitsOfWork
from adapters.system.operation_ids import RandomOperationIds
from application.batching.optimistic_update import optimistic_update
from application.control.delete import DeleteOperation
from application.operate.purge_operations import RetainOperations
from application.submit.submission import KEY_LIFETIME, Submission, Submitted
from application.submit.submit import Answer, SubmitOperations
from domain.errors import InvalidInput, OperationNotFound, OpledgerError
from domain.operation.lifecycle import complete, note, start
from domain.operation.operation import Cause, Change, Operation
from domain.operation.operation_type import OperationCatalogue, OperationType
from domain.operation.transition import Source
from domain.retention import Retention

CATALOGUE = OperationCatalogue({"deploy": OperationType("deploy", "Deploy", "queue")})
TASKS = 16
_T = TypeVar("_T")


class Ledger:
    """The services on one database."""

    def __init__(self, engine: AsyncEngine, catalogue: OperationCatalogue = CATALOGUE) -> None:
        self.engine = engine
        self.clock = MemoryClock()
        self.units = PostgresUnitsOfWork(engine)
        parts = self.units, self.clock, RandomOperationIds(), catalogue, JsonSchemaInputValidator()
        self.parts = parts
        self.service = SubmitOperations(*parts)
        self.deletion = DeleteOperation(self.units)

    async def submit(self, submission: Submission) -> Answer:
        """Submits from a process of its own. Errors are returned."""
        try:
            return await SubmitOperations(*self.parts).submit(submission)
        except OpledgerError as error:
            return error

    async def done(self, key: str | None = None) -> Operation:
        """A completed operation."""
        made = (await self.service.submit(ask(1, key))).operation
        cause = Cause(Source.WORKFLOW, "for a test", self.clock.now())

        def decide(row: Operation) -> Change:
            started = start(row, cause)
            return started.then(complete(started.operation, 1, cause))

        outcome = await optimistic_update(self.units, made.id, decide)
        assert outcome is not None
        return outcome.operation

    async def count(self, table: str) -> int:
        """Returns the number of rows."""
        async with self.engine.connect() as connection:
            return int(await connection.scalar(text(f"SELECT count(*) FROM opledger.{table}")) or 0)


def ask(value: Any, key: str | None = None) -> Submission:
    """A submission request."""
    return Submission("t", "deploy", value, idempotency_key=key)


async def at_once(*calls: Awaitable[_T]) -> list[_T]:
    """Starts all together and returns their results."""
    return list(await asyncio.gather(*calls))


def kinds(answers: list[Answer]) -> Counter[str]:
    """Returns the numbers of created, repeated and refused ones."""
    return Counter(
        ("replayed" if answer.replayed else "made") if isinstance(answer, Submitted) else "refused"
        for answer in answers
    )


async def test_sixteen_equal_requests_create_one_operation(postgres_engine: AsyncEngine) -> None:
    """Hazard 6: all return it. There is one row, history line and key."""
    ledger = Ledger(postgres_engine)
    answers = await at_once(*(ledger.submit(ask({"a": 1}, "k")) for _ in range(TASKS)))
    assert kinds(answers) == {"made": 1, "replayed": TASKS - 1}
    assert len({answer.operation.id for answer in answers if isinstance(answer, Submitted)}) == 1
    assert [await ledger.count(table) for table in ("operations", "transitions", "idempotency_keys")] == [1, 1, 1]


async def test_one_of_several_requests_with_one_key_wins(postgres_engine: AsyncEngine) -> None:
    """Its repeats return its operation. Every other one is refused and stores nothing."""
    ledger = Ledger(postgres_engine)
    answers = await at_once(*(ledger.submit(ask(number % 4, "k")) for number in range(TASKS)))
    assert kinds(answers) == {"made": 1, "replayed": TASKS / 4 - 1, "refused": TASKS * 3 / 4}
    assert await ledger.count("operations") == 1


async def test_groups_of_two_processes_create_one_operation_per_key(
    postgres_engine: AsyncEngine, database_url: str
) -> None:
    """With the same requests in opposite orders, without deadlock."""
    other_engine = create_engine(database_url)
    one, other = Ledger(postgres_engine), Ledger(other_engine)
    asked = [ask(number, f"k{number}") for number in range(50)]
    answers: list[Answer] = await at_once(
        *map(one.service.submit, asked), *map(other.service.submit, reversed(asked)), *map(one.service.submit, asked)
    )
    await other_engine.dispose()
    assert kinds(answers) == {"made": 50, "replayed": 100}
    assert [await one.count(table) for table in ("operations", "transitions", "idempotency_keys")] == [50, 50, 50]


async def test_a_refused_submission_fails_alone(postgres_engine: AsyncEngine) -> None:
    """The others of its group are stored."""
    ledger = Ledger(postgres_engine)
    good = [ledger.service.submit(ask(number)) for number in range(5)]
    wrong = ledger.service.submit(Submission("t" * 256, "deploy", 1))
    *answers, error = await asyncio.gather(*good, wrong, return_exceptions=True)
    assert isinstance(error, InvalidInput)
    assert all(isinstance(answer, Submitted) for answer in answers)
    assert await ledger.count("operations") == 5


async def test_an_expired_key_is_taken_over_once(postgres_engine: AsyncEngine) -> None:
    """Of sixteen requests after 24 hours, one creates the second operation."""
    ledger = Ledger(postgres_engine)
    await ledger.submit(ask(1, "k"))
    ledger.clock.advance(KEY_LIFETIME)
    answers = await at_once(*(ledger.submit(ask(2, "k")) for _ in range(TASKS)))
    assert kinds(answers) == {"made": 1, "replayed": TASKS - 1}
    assert await ledger.count("operations") == 2


async def test_batches_and_single_submissions_with_shared_keys_do_not_deadlock(postgres_engine: AsyncEngine) -> None:
    """In different orders. Each key creates one operation."""
    ledger = Ledger(postgres_engine)
    asked = [ask(number, f"k{number}") for number in range(40)]
    rounds = [(asked[5 * place :] + asked[: 5 * place])[:: 1 if place % 2 else -1] for place in range(8)]
    batched = at_once(*(ledger.service.submit_batch(one) for one in rounds))
    single = at_once(*(ledger.submit(one) for one in asked))
    found, alone = await asyncio.gather(batched, single)
    answers = [answer for batch in found for answer in batch] + alone
    assert kinds(answers) == {"made": 40, "replayed": 8 * 40}
    assert await ledger.count("operations") == await ledger.count("idempotency_keys") == 40


async def test_repeats_during_a_deployment_create_at_most_one_operation(postgres_engine: AsyncEngine) -> None:
    """Hazard 6: old and new processes get the same request. If the old ones accept it, all return that operation; a
    request that only the new ones get leaves nothing."""
    old, new = Ledger(postgres_engine), Ledger(postgres_engine, OperationCatalogue({}))
    found = await at_once(*((new if number % 2 else old).submit(ask(1, "k")) for number in range(TASKS)))
    assert kinds(found)["made"] == 1
    assert kinds([await new.submit(ask(1, "k")), *await new.service.submit_batch([ask(1, "k")])]) == {"replayed": 2}
    assert kinds([await new.submit(ask(1, "l")), *await new.service.submit_batch([ask(1, "l")])]) == {"refused": 2}
    assert [await old.count(table) for table in ("operations", "transitions", "idempotency_keys")] == [1, 1, 1]


@contextmanager
def statements(engine: AsyncEngine) -> Iterator[list[str]]:
    """Returns the executed statements."""
    executed: list[str] = []

    def catch(_: Any, __: Any, statement: str, *___: Any) -> None:
        executed.append(" ".join(statement.split()[:3]))

    event.listen(engine.sync_engine, "before_cursor_execute", catch)
    try:
        yield executed
    finally:
        event.remove(engine.sync_engine, "before_cursor_execute", catch)


async def test_a_batch_of_500_takes_as_many_statements_as_one_of_2(postgres_engine: AsyncEngine) -> None:
    """One for the keys, and one for the operations with their history lines; repeats take one for the earlier ones."""
    ledger = Ledger(postgres_engine)
    for many in (2, 500):
        with statements(postgres_engine) as executed:
            answers = await ledger.service.submit_batch([ask(number, f"{many} {number}") for number in range(many)])
        assert kinds(answers) == {"made": many}
        assert executed == ["INSERT INTO opledger.idempotency_keys", "WITH added AS"]
    with statements(postgres_engine) as executed:
        again = await ledger.service.submit_batch([ask(number, f"500 {number}") for number in range(500)])
    assert kinds(again) == {"replayed": 500}
    assert len(executed) == 3


async def test_one_of_several_concurrent_deletions_wins(postgres_engine: AsyncEngine) -> None:
    """The others find nothing."""
    ledger = Ledger(postgres_engine)
    operation = await ledger.done("k")

    async def remove() -> str:
        try:
            await ledger.deletion.delete("t", operation.id)
        except OperationNotFound:
            return "not found"
        return "removed"

    assert Counter(await at_once(*(remove() for _ in range(TASKS)))) == {"removed": 1, "not found": TASKS - 1}
    assert [await ledger.count(table) for table in ("operations", "transitions", "idempotency_keys")] == [0, 0, 0]


async def test_a_deletion_concurrent_with_changes_and_repeats_leaves_nothing_behind(
    postgres_engine: AsyncEngine,
) -> None:
    """In any order: the operation is gone, no history line remains, no change restores it, and every repeat returns it
    or one new operation."""
    ledger = Ledger(postgres_engine)
    for number in range(6):
        key = f"k{number}"
        operation = await ledger.done(key)

        async def change(done: Operation = operation) -> None:
            cause = Cause(Source.CALLBACK, "late", ledger.clock.now())
            await optimistic_update(ledger.units, done.id, lambda row: note(row, cause))

        repeats = at_once(*(ledger.submit(ask(1, key)) for _ in range(4)))
        changes = at_once(*(change() for _ in range(4)))
        answers, _, _ = await asyncio.gather(repeats, changes, ledger.deletion.delete("t", operation.id))
        given = {answer.operation.id for answer in answers if isinstance(answer, Submitted)}
        assert len(given - {operation.id}) <= 1
        async with ledger.units() as unit:
            assert await unit.operations.get(operation.id) is None
    orphans = "transitions WHERE operation_id NOT IN (SELECT id FROM opledger.operations)"
    assert await ledger.count(orphans) == 0


async def test_concurrent_purges_remove_each_operation_once(postgres_engine: AsyncEngine) -> None:
    """The count is correct."""
    ledger = Ledger(postgres_engine)
    for _ in range(30):
        await ledger.done()
    await ledger.submit(ask("not done"))
    ledger.clock.advance(timedelta(days=40))

    async def purge() -> int:
        retain = RetainOperations(ledger.units, ledger.clock, Retention(timedelta(days=30)), MemoryMetrics())
        purged = 0
        while claimed := (await retain.step(4)).found:
            purged += claimed
        return purged

    assert sum(await at_once(*(purge() for _ in range(4)))) == 30
    assert await ledger.count("operations") == 1
