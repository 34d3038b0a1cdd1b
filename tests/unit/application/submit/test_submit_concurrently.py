"""Concurrent submissions share a commit, and nothing else."""

import asyncio
from typing import Any
from uuid import UUID

import pytest

from adapters.jsonschema.input_validator import JsonSchemaInputValidator
from adapters.memory.clock import MemoryClock
from adapters.system.operation_ids import RandomOperationIds
from application.batching.batcher import WRITES
from application.ports.storage.unit_of_work import DatabaseUnavailable
from application.submit.submission import Submission, Submitted, claim_of
from application.submit.submit import SubmitOperations
from domain.errors import IdempotencyKeyReused, InvalidInput, UnknownOperationType
from domain.operation.operation_type import OperationCatalogue, OperationType
from tests.support.ledger.commits import Database, away, begun, never

assert WRITES.max_batch is not None
BATCH: int = WRITES.max_batch
CATALOGUE = OperationCatalogue({"work": OperationType("work", "Work", "workers")})


def together(database: Database, catalogue: OperationCatalogue = CATALOGUE) -> SubmitOperations:
    """Returns the service on the database."""
    parts = database.units, MemoryClock(), RandomOperationIds(), catalogue, JsonSchemaInputValidator()
    return SubmitOperations(*parts)


def ask(value: Any = None, key: str | None = None, **fields: Any) -> Submission:
    """Returns a submission."""
    return Submission(**{"tenant": "t", "type": "work", "input": value, "idempotency_key": key, **fields})


async def answers(service: SubmitOperations, *submissions: Submission) -> list[Any]:
    """Submits all at the same time. Returns the operations and the errors."""
    return await asyncio.gather(*map(service.submit, submissions), return_exceptions=True)


async def test_a_single_submission_has_its_own_commit() -> None:
    """There is no other to share it with."""
    database = Database()
    answer = await together(database).submit(ask(1, "k"))
    assert database.rows == {answer.operation.id: answer.operation}
    assert (answer.replayed, database.commits) == (False, 1)


async def test_concurrent_submissions_share_one_commit() -> None:
    """P1: each gets its own operation, and no answer before the commit."""
    database = Database()
    given = await answers(
        together(database), *(ask(number, f"k{number}" if number % 2 else None) for number in range(BATCH))
    )
    assert [answer.operation.input for answer in given] == list(range(BATCH))
    assert database.rows == {answer.operation.id: answer.operation for answer in given}
    assert database.commits == 1


async def test_an_invalid_submission_affects_no_other() -> None:
    """Refused by a check or by the database."""
    database = Database()
    asked = [ask(1), ask(2, type="undeclared"), ask(3, tenant="t" * 256), ask(4)]
    first, unknown, unstorable, last = await answers(together(database), *asked)
    assert isinstance(unknown, UnknownOperationType)
    assert isinstance(unstorable, InvalidInput)
    assert [row.input for row in database.rows.values()] == [1, 4]
    assert set(database.rows) == {first.operation.id, last.operation.id}


async def test_concurrent_repeats_make_one_operation() -> None:
    """Hazard 6: all twenty get it."""
    database = Database()
    given = await answers(together(database), *[ask(1, "k")] * 20)
    assert [answer.replayed for answer in given] == [False] + [True] * 19
    assert {answer.operation.id for answer in given} == set(database.rows)


async def test_the_first_of_concurrent_requests_has_the_key() -> None:
    """Its repeats get its operation. Every other request is refused and stores nothing."""
    database = Database()
    given = await answers(together(database), *(ask(number % 3, "k") for number in range(9)))
    kinds = [answer.replayed if isinstance(answer, Submitted) else type(answer) for answer in given]
    assert kinds[::3] == [False, True, True]
    assert kinds[1::3] == kinds[2::3] == [IdempotencyKeyReused] * 3
    assert len(database.rows) == 1


async def test_a_key_locked_by_another_process_delays_only_its_caller() -> None:
    """The others of the commit do not wait."""
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


async def test_keys_belong_to_a_tenant() -> None:
    """P8: the same key of two tenants in one commit."""
    database = Database()
    given = await answers(together(database), ask(1, "k", tenant="a"), ask(2, "k", tenant="b"))
    assert [(answer.operation.tenant, answer.replayed) for answer in given] == [("a", False), ("b", False)]
    assert database.commits == 1


async def test_a_repeat_after_the_catalogue_has_changed() -> None:
    """Hazard 6: the repeat gives the operation, which runs."""
    database = Database()
    first = await together(database).submit(ask(1, "k"))
    again = await together(database, OperationCatalogue({})).submit(ask(1, "k"))
    assert (again.operation, again.replayed) == (first.operation, True)


async def test_an_outage_fails_all_submissions() -> None:
    """P1: no client gets a 202. A repeat is a new request, because nothing was stored."""
    database = Database()
    service = together(database)
    before, database.before = database.before, away
    given = await answers(service, *(ask(number, str(number)) for number in range(3)))
    assert [type(answer) for answer in given] == [DatabaseUnavailable] * 3
    database.before = before
    again = await answers(service, *(ask(number, str(number)) for number in range(3)))
    assert [answer.replayed for answer in again] == [False] * 3


async def test_closing_fails_callers_while_the_database_hangs() -> None:
    """The error says that the outcome is unknown."""
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
