"""Bulk actions beside other transactions, and with rows that take too long."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from dependency_injector import providers
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.memory.clock import MemoryClock
from adapters.postgres.connection.driver import DatabaseSettings
from adapters.postgres.connection.engine import create_engine
from adapters.postgres.operations.operation_queries import PostgresQueries
from adapters.postgres.unit_of_work import PostgresUnitsOfWork
from application.bulk.bulk_operations import BulkOperations, Confirmation
from application.bulk.perform import PerformBulkActions, TargetsFailed
from application.ports.storage.operation_queries import OperationFilter
from application.submit.submission import Submission, Submitted
from domain.bulk.bulk_action import BulkTerms, BulkVerb
from domain.bulk.target import TargetOutcome
from domain.operation.acknowledging import with_problem, without_problem
from domain.operation.attention import Attention, AttentionKind
from domain.operation.lifecycle import complete, note, start
from domain.operation.operation import Cause
from domain.operation.operation_type import OperationCatalogue, OperationType
from domain.operation.transition import Source
from entrypoints.settings.settings import Settings
from entrypoints.wiring.api import ApiServices
from entrypoints.wiring.memory import in_memory
from entrypoints.wiring.worker import WorkerServices

CATALOGUE = OperationCatalogue({"deploy": OperationType("deploy", "Deploy", "queue")})
TARGETS = 7
SLOW = """
CREATE FUNCTION take_long() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(600); RETURN NEW; END $$;
"""
SLOW_ROW = """
CREATE TRIGGER take_long BEFORE UPDATE ON opledger.operations FOR EACH ROW WHEN (NEW.id = '{}')
EXECUTE FUNCTION take_long()
"""


class Ledger:
    """The services as they are wired, with PostgreSQL and no engine."""

    def __init__(self, engine: AsyncEngine) -> None:
        parts = in_memory(Settings(), CATALOGUE)
        adapters: Any = parts["adapters"]
        self.units = PostgresUnitsOfWork(engine)
        adapters.units.override(providers.Object(self.units))
        adapters.queries.override(providers.Object(PostgresQueries(engine)))
        self.clock: MemoryClock = adapters.clock()
        self.cause = Cause(Source.WORKFLOW, "test", self.clock.now())
        self.api = ApiServices(**parts)
        self.bulk: BulkOperations = self.api.bulk()
        self.performer: PerformBulkActions = WorkerServices(**parts).bulk()

    async def submit(self, number: int, *, done: bool = False, troubled: bool = False) -> list[UUID]:
        """So many operations. `troubled`: they need attention."""
        made = await self.api.submit().submit_batch([Submission("default", "deploy", {"n": n}) for n in range(number)])
        rows = [answer.operation for answer in made if isinstance(answer, Submitted)]
        if done:
            async with self.units() as unit:
                for row in rows:
                    began = start(row, self.cause)
                    await unit.operations.save(began.then(complete(began.operation, 1, self.cause)))
                await unit.commit()
        if troubled:
            await self.trouble([row.id for row in rows], "stuck")
        return [row.id for row in rows]

    async def trouble(self, operation_ids: list[UUID], message: str, seconds: float = 0) -> None:
        """They have a problem, since so many seconds after the beginning."""
        problem = Attention(AttentionKind.STALLED, self.cause.now + timedelta(seconds=seconds), message)
        async with self.units() as unit:
            for row in (await unit.operations.get_all(operation_ids)).values():
                await unit.operations.save(note(with_problem(row, problem), self.cause))
            await unit.commit()

    async def confirmed(self, verb: BulkVerb) -> UUID:
        """A bulk action on all operations."""
        preview = await self.bulk.preview("default", verb, OperationFilter())
        confirmation = Confirmation(preview.action.id, verb, BulkTerms(), {})
        return (await self.bulk.confirm("default", confirmation, trace={})).operation.id

    async def outcomes(self, action_id: UUID) -> dict[UUID, TargetOutcome]:
        """What became of each target."""
        targets = await self.bulk.targets("default", action_id, after=0, limit=1000)
        return {target.operation_id: target.outcome for target in targets}


@pytest.fixture
async def impatient_engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    """A pool whose statements end soon."""
    engine = create_engine(database_url, DatabaseSettings(statement_timeout=2.0))
    yield engine
    await engine.dispose()


@pytest.mark.parametrize("verb", BulkVerb)
async def test_a_locked_target_is_waited_for_alone(postgres_engine: AsyncEngine, verb: BulkVerb) -> None:
    """The others are handled before, and the locked one after its change by another transaction."""
    ledger = Ledger(postgres_engine)
    done = verb in (BulkVerb.RETRY, BulkVerb.DELETE)
    made = await ledger.submit(TARGETS, done=done, troubled=verb is BulkVerb.ACKNOWLEDGE)
    action, locked = await ledger.confirmed(verb), made[3]
    others = dict.fromkeys(made, TargetOutcome.DONE) | {locked: TargetOutcome.PENDING}
    async with ledger.units() as other:
        row = await other.operations.get(locked)
        assert row is not None
        await other.operations.save(note(row, ledger.cause))
        handling = asyncio.create_task(ledger.performer.handle(action, 0))
        while await ledger.outcomes(action) != others:
            assert not handling.done()
        await other.commit()
    assert (await handling).outcomes == {TargetOutcome.DONE: TARGETS}


async def test_only_the_problems_of_the_dry_run_are_acknowledged(postgres_engine: AsyncEngine) -> None:
    """New words are no new problem. A newer problem stays, and so does an operation without one."""
    ledger = Ledger(postgres_engine)
    made = await ledger.submit(TARGETS, troubled=True)
    action = await ledger.confirmed(BulkVerb.ACKNOWLEDGE)
    newer, solved, renamed = made[:3]
    await ledger.trouble([newer], "stuck", seconds=1)
    await ledger.trouble([renamed], "stuck in another place")
    async with ledger.units() as unit:
        row = await unit.operations.get(solved)
        assert row is not None
        await unit.operations.save(note(without_problem(row), ledger.cause))
        await unit.commit()
    await ledger.performer.handle(action, 0)
    skipped = dict.fromkeys((newer, solved), TargetOutcome.SKIPPED)
    assert await ledger.outcomes(action) == dict.fromkeys(made, TargetOutcome.DONE) | skipped
    async with ledger.units() as unit:
        rows = await unit.operations.get_all(made)
        lines = await unit.operations.histories(made)
    assert {key for key, row in rows.items() if row.attention is not None} == {newer}
    assert {key for key, row in rows.items() if row.acknowledged is not None} == {*made} - skipped.keys()
    told = {key for key in made if sum(line.reason.startswith("acknowledged") for line in lines[key]) == 1}
    assert told == {*made} - skipped.keys()


async def test_a_target_that_exceeds_the_statement_timeout_stops_no_other(
    postgres_engine: AsyncEngine, impatient_engine: AsyncEngine
) -> None:
    """The statement for all targets exceeds it too. In the end the target fails."""
    ledger = Ledger(postgres_engine)
    made = await ledger.submit(TARGETS, done=False)
    action, slow = await ledger.confirmed(BulkVerb.CANCEL), made[3]
    async with postgres_engine.begin() as connection:
        await connection.execute(text(SLOW))
        await connection.execute(text(SLOW_ROW.format(slow)))
    performer = Ledger(impatient_engine).performer
    with pytest.raises(TargetsFailed, match="statement timeout"):
        await performer.handle(action, 0)
    done = dict.fromkeys(made, TargetOutcome.DONE)
    assert await ledger.outcomes(action) == done | {slow: TargetOutcome.PENDING}
    await performer.handle(action, 0, give_up=True)
    assert await ledger.outcomes(action) == done | {slow: TargetOutcome.FAILED}


async def test_retry_waits_until_an_operation_that_has_waited_is_claimed(postgres_engine: AsyncEngine) -> None:
    """Nothing is written meanwhile. It goes on in the same piece, as soon as the dispatcher has committed the claim."""
    ledger = Ledger(postgres_engine)
    made = await ledger.submit(TARGETS, done=True)
    action = await ledger.confirmed(BulkVerb.RETRY)
    await ledger.submit(1, done=False)
    ledger.clock.advance(timedelta(seconds=2))
    handling = asyncio.create_task(ledger.performer.handle(action, 0))
    async with postgres_engine.connect() as connection:
        for _ in range(20):
            assert await connection.scalar(text("SELECT count(*) FROM opledger.bulk_outcomes")) == 0
    assert not handling.done()
    async with ledger.units() as unit:  # the bulk action itself has not been dispatched either
        assert len(await unit.operations.claim_due_dispatches(ledger.clock.now(), timedelta(seconds=30), 10)) == 2
        await unit.commit()
    assert (await handling).outcomes == {TargetOutcome.DONE: TARGETS}
    assert await ledger.outcomes(action) == dict.fromkeys(made, TargetOutcome.DONE)
