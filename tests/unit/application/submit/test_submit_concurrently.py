"""Submissions that come at the same time share a commit, and nothing else."""

import asyncio
from typing import Any
from uuid import UUID

import pytest

from adapters.jsonschema.input_validator import JsonSchemaInputValidator
from adapters.memory.clock import MemoryClock
from adapters.system.operation_ids import RandomOperationIds
from application.batching.batcher import WRITES
from application.ports.unit_of_work import DatabaseUnavailable
from application.submit.submission import Submission, Submitted, claim_of
from application.submit.submit import SubmitOperations
from domain.errors import IdempotencyKeyReused, InvalidInput, UnknownOperationType
from domain.operation.operation_type import OperationCatalogue, OperationType
from tests.support.commits import Database, away, begun, never

assert WRITES.max_batch is not None
BATCH: int = WRITES.max_batch
CATALOGUE = OperationCatalogue({"work": OperationType("work", "Work", "workers")})


def together(database: Database, catalogue: OperationCatalogue = CATALOGUE) -> SubmitOperations:
    """The service on that database."""
    parts = database.units, MemoryClock(), RandomOperationIds(), catalogue, JsonSchemaInputValidator()
    return SubmitOperations(*parts)


def ask(value: Any = None, key: str | None = None, **fields: Any) -> Submission:
    """A submission."""
    return Submission(**{"tenant": "t", "type": "work", "input": value, "idempotency_key": key, **fields})


async def answers(service: SubmitOperations, *submissions: Submission) -> list[Any]:
    """To all of them, begun together; an error is an answer."""
    return await asyncio.gather(*map(service.submit, submissions), return_exceptions=True)


async def test_one_alone() -> None:
    """Who comes alone has a commit of its own."""
    database = Database()
    answer = await together(database).submit(ask(1, "k"))
    assert database.rows == {answer.operation.id: answer.operation}
    assert (answer.replayed, database.commits) == (False, 1)


async def test_many_at_once() -> None:
    """P1: each has its own operation, and none its answer before the commit, which is one for all."""
    database = Database()
    given = await answers(
        together(database), *(ask(number, f"k{number}" if number % 2 else None) for number in range(BATCH))
    )
    assert [answer.operation.input for answer in given] == list(range(BATCH))
    assert database.rows == {answer.operation.id: answer.operation for answer in given}
    assert database.commits == 1


async def test_a_wrong_one() -> None:
    """It is its caller's error alone, be it refused before or by the database."""
    database = Database()
    asked = [ask(1), ask(2, type="undeclared"), ask(3, tenant="t" * 256), ask(4)]
    first, unknown, unstorable, last = await answers(together(database), *asked)
    assert isinstance(unknown, UnknownOperationType)
    assert isinstance(unstorable, InvalidInput)
    assert [row.input for row in database.rows.values()] == [1, 4]
    assert set(database.rows) == {first.operation.id, last.operation.id}


async def test_one_request_many_times() -> None:
    """Hazard 6: of twenty at once the first makes the operation, and all give it."""
    database = Database()
    given = await answers(together(database), *[ask(1, "k")] * 20)
    assert [answer.replayed for answer in given] == [False] + [True] * 19
    assert {answer.operation.id for answer in given} == set(database.rows)


async def test_many_requests_under_one_key() -> None:
    """The first has the key, its own repeats get its operation, every other one is refused and stores nothing."""
    database = Database()
    given = await answers(together(database), *(ask(number % 3, "k") for number in range(9)))
    kinds = [answer.replayed if isinstance(answer, Submitted) else type(answer) for answer in given]
    assert kinds[::3] == [False, True, True]
    assert kinds[1::3] == kinds[2::3] == [IdempotencyKeyReused] * 3
    assert len(database.rows) == 1


async def test_a_key_that_another_process_is_at() -> None:
    """Its caller waits for that alone."""
    database = Database()
    service = together(database)
    asked = ask(2, "held")
    claim = claim_of(asked, UUID(int=1), MemoryClock().now())
    assert claim is not None
    async with database.store.units() as other:
        await other.idempotency_keys.claim(claim, MemoryClock().now())
        first, held, last = await begun(*map(service.submit, (ask(1, "a"), asked, ask(3))))
        assert [first.done(), held.done(), last.done()] == [True, False, True]
    assert not (await held).replayed
    assert {row.input for row in database.rows.values()} == {1, 2, 3}


async def test_a_key_of_two_tenants() -> None:
    """P8: another tenant's key is another key, in one commit too."""
    database = Database()
    given = await answers(together(database), ask(1, "k", tenant="a"), ask(2, "k", tenant="b"))
    assert [(answer.operation.tenant, answer.replayed) for answer in given] == [("a", False), ("b", False)]
    assert database.commits == 1


async def test_repeat_after_the_catalogue_has_changed() -> None:
    """Hazard 6: the operation runs, whatever the catalogue says by now, and the repeat gives it."""
    database = Database()
    first = await together(database).submit(ask(1, "k"))
    again = await together(database, OperationCatalogue({})).submit(ask(1, "k"))
    assert (again.operation, again.replayed) == (first.operation, True)


async def test_a_database_that_is_away() -> None:
    """P1: nobody is told 202; a repeat is a new request where nothing was stored."""
    database = Database()
    service = together(database)
    before, database.before = database.before, away
    given = await answers(service, *(ask(number, str(number)) for number in range(3)))
    assert [type(answer) for answer in given] == [DatabaseUnavailable] * 3
    database.before = before
    again = await answers(service, *(ask(number, str(number)) for number in range(3)))
    assert [answer.replayed for answer in again] == [False] * 3


async def test_the_end_while_the_database_says_nothing() -> None:
    """Who still waits is told that it is not known."""
    others = asyncio.all_tasks()
    database = Database()
    service = together(database)
    database.before = never
    waiting = asyncio.ensure_future(service.submit(ask()))
    await asyncio.sleep(0)
    await service.close(within=0)
    with pytest.raises(DatabaseUnavailable):
        await waiting
    assert asyncio.all_tasks() <= others
