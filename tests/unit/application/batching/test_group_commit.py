"""Group commit: those who come at the same time share a commit, and nothing else."""

import asyncio
from dataclasses import replace
from uuid import UUID

from application.batching.batcher import WRITES
from application.batching.group_commit import GroupCommit
from application.batching.optimistic_update import UpdateResult
from application.ports.unit_of_work import DatabaseContended, DatabaseUnavailable
from domain.errors import InvalidTransition
from domain.operation.lifecycle import accept, note
from domain.operation.operation import Change, Operation
from tests.support.commits import Database, at_once, away, begun, never
from tests.support.faults import Crash
from tests.support.operations import cause

CONCURRENCY = WRITES.concurrency
assert WRITES.max_batch is not None
BATCH: int = WRITES.max_batch


async def holding(many: int) -> tuple[Database, GroupCommit]:
    """A database with so many operations."""
    database = Database()
    async with database.store.units() as unit:
        for number in range(1, many + 1):
            made = accept(UUID(int=number), tenant="t", type_name="deploy", value=None, labels={}, cause=cause())
            await unit.operations.add(made)
        await unit.commit()
    return database, GroupCommit(database.units)


def noted(operation: Operation) -> Change:
    """One line more."""
    return note(operation, cause(2))


def refused(operation: Operation) -> Change:
    """What the ledger's rules forbid."""
    return Change(replace(operation, started_at=operation.accepted_at))


def revision(outcome: UpdateResult | BaseException | None) -> int:
    """That the operation has by this answer, which is none of an error."""
    assert isinstance(outcome, UpdateResult)
    return outcome.operation.revision


async def test_one_alone() -> None:
    """Who comes alone has a commit of its own, and its answer after it."""
    database, changes = await holding(1)
    outcome = await changes.change(UUID(int=1), noted)
    assert outcome == UpdateResult(database.row(1), True, outcome.transitions if outcome else ())
    assert (revision(outcome), database.commits) == (2, 1)


async def test_many_at_once() -> None:
    """Who comes at the same time shares one commit; each has its own operation's answer."""
    database, changes = await holding(BATCH)
    outcomes = await asyncio.gather(*(changes.change(UUID(int=number), noted) for number in range(1, BATCH + 1)))
    assert [outcome and outcome.operation for outcome in outcomes] == [database.row(n) for n in range(1, BATCH + 1)]
    assert {revision(outcome) for outcome in outcomes} == {2}
    assert database.commits == 1


async def test_a_group_is_bounded() -> None:
    """However many come, a commit has BATCH of them."""
    database, changes = await holding(3 * BATCH + 1)
    await asyncio.gather(*(changes.change(UUID(int=number), noted) for number in range(1, 3 * BATCH + 2)))
    assert database.commits == 4


async def test_who_comes_during_a_commit() -> None:
    """They wait for the next one, all together, and nobody is told before its own commit."""
    database, changes = await holding(20)
    release = asyncio.Event()

    async def held() -> None:
        await release.wait()

    database.before = held
    first = [
        task for number in range(1, CONCURRENCY + 1) for task in await begun(changes.change(UUID(int=number), noted))
    ]
    rest = await begun(*(changes.change(UUID(int=number), noted) for number in range(CONCURRENCY + 1, 21)))
    assert not any(task.done() for task in first + rest)
    release.set()
    await asyncio.gather(*first, *rest)
    assert database.commits == CONCURRENCY + 1


async def test_one_operation_many_times() -> None:
    """Each change starts from the one before, in the order in which they came; none is lost."""
    database, changes = await holding(1)
    outcomes = await asyncio.gather(*(changes.change(UUID(int=1), noted) for _ in range(10)))
    assert [revision(outcome) for outcome in outcomes] == list(range(2, 12))
    assert database.row(1).history_length == 11


async def test_nothing_to_change() -> None:
    """No commit is made for it; what is not there is None."""
    database, changes = await holding(2)
    outcomes = await asyncio.gather(
        changes.change(UUID(int=1), lambda operation: None),
        changes.change(UUID(int=2), Change),
        changes.change(UUID(int=3), noted),
    )
    unchanged = [UpdateResult(database.row(number), changed=False) for number in (1, 2)]
    assert [*outcomes] == [*unchanged, None]
    assert database.commits == 0


async def test_a_decision_that_raises() -> None:
    """It is its caller's error alone."""
    database, changes = await holding(3)

    def fail(operation: Operation) -> Change:
        raise InvalidTransition("no")

    outcomes = await asyncio.gather(
        changes.change(UUID(int=1), noted),
        changes.change(UUID(int=2), fail),
        changes.change(UUID(int=3), noted),
        return_exceptions=True,
    )
    assert isinstance(outcomes[1], InvalidTransition)
    assert [database.row(number).revision for number in (1, 2, 3)] == [2, 1, 2]
    assert database.commits == 1


async def test_a_change_that_is_refused() -> None:
    """The database refuses the group; then each is done alone, and who was wrong is told so."""
    database, changes = await holding(3)
    outcomes = await asyncio.gather(
        changes.change(UUID(int=1), noted),
        changes.change(UUID(int=2), refused),
        changes.change(UUID(int=3), noted),
        return_exceptions=True,
    )
    assert isinstance(outcomes[1], InvalidTransition)
    assert [revision(outcomes[0]), revision(outcomes[2])] == [2, 2]
    assert [database.row(number).revision for number in (1, 2, 3)] == [2, 1, 2]


async def test_a_lost_race() -> None:
    """Who has lost one decides again on what is there now; the others of its group are stored with it or not."""
    database, changes = await holding(3)
    decided = []

    def decide(operation: Operation) -> Change:
        decided.append(operation.revision)
        if len(decided) == 1:
            database.change_behind(2)
        return noted(operation)

    outcomes = await asyncio.gather(
        changes.change(UUID(int=1), noted), changes.change(UUID(int=2), decide), changes.change(UUID(int=3), noted)
    )
    assert decided == [1, 2]
    assert [revision(outcome) for outcome in outcomes] == [2, 3, 2]
    assert database.commits == 2


async def test_a_row_that_somebody_holds() -> None:
    """Its caller waits for it alone."""
    database, changes = await holding(3)
    async with database.store.units() as holder:
        await holder.operations.save(noted(database.row(2)))
        one, two, three = await begun(*(changes.change(UUID(int=number), noted) for number in (1, 2, 3)))
        assert [one.done(), two.done(), three.done()] == [True, False, True]
        await holder.commit()
    assert revision(await two) == 3


async def test_callers_that_hang_up() -> None:
    """One that hangs up during the commit does not learn what became of it, and harms nobody; one that hung up before
    is passed over."""
    database, changes = await holding(2 + CONCURRENCY)
    release = asyncio.Event()

    async def held() -> None:
        await release.wait()

    database.before = held
    during, other = await begun(*(changes.change(UUID(int=number), noted) for number in (1, 2)))
    for number in range(CONCURRENCY - 1):
        await begun(changes.change(UUID(int=3 + number), noted))
    [before] = await begun(changes.change(UUID(int=2 + CONCURRENCY), noted))
    during.cancel()
    before.cancel()
    release.set()
    assert revision(await other) == 2
    await changes.close()
    assert during.cancelled()
    assert before.cancelled()
    assert [database.row(number).revision for number in (1, 2, 2 + CONCURRENCY)] == [2, 2, 1]


async def test_a_database_that_is_away() -> None:
    """All of the group are told, nothing is pretended; who comes afterwards is served."""
    database, changes = await holding(3)
    database.before = away
    calls = [changes.change(UUID(int=number), noted) for number in (1, 2, 3)]
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [DatabaseUnavailable] * 3
    database.before = at_once
    assert revision(await changes.change(UUID(int=1), noted)) == 2


async def test_what_others_are_at() -> None:
    """A group that waited for others in vain has stored nothing: each is done alone, and but one has to wait."""
    database, changes = await holding(3)

    async def contended() -> None:
        database.before = at_once
        raise DatabaseContended("a lock")

    database.before = contended
    outcomes = await asyncio.gather(*(changes.change(UUID(int=number), noted) for number in (1, 2, 3)))
    assert [revision(outcome) for outcome in outcomes] == [2] * 3
    assert database.commits == 3


async def test_a_process_that_is_killed() -> None:
    """Nobody is left waiting by what is no error that a service handles."""
    database, changes = await holding(2)

    async def crash() -> None:
        raise Crash

    database.before = crash
    outcomes = await asyncio.gather(
        *(changes.change(UUID(int=number), noted) for number in (1, 2)), return_exceptions=True
    )
    assert [type(outcome) for outcome in outcomes] == [Crash] * 2


async def test_the_end() -> None:
    """What is under way is ended first, what waits too; then no task is left."""
    others = asyncio.all_tasks()
    many = CONCURRENCY * BATCH + 1
    database, changes = await holding(many)
    release = asyncio.Event()

    async def held() -> None:
        await release.wait()

    database.before = held
    tasks = await begun(*(changes.change(UUID(int=number), noted) for number in range(1, many + 1)))
    asyncio.get_running_loop().call_soon(release.set)
    await changes.close()
    assert [revision(outcome) for outcome in await asyncio.gather(*tasks)] == [2] * many
    assert asyncio.all_tasks() <= others


async def test_the_end_while_the_database_says_nothing() -> None:
    """Who still waits is told so: those whose commit was under way, and those behind them."""
    others = asyncio.all_tasks()
    database, changes = await holding(CONCURRENCY * BATCH + 1)
    database.before = never
    tasks = await begun(*(changes.change(UUID(int=number), noted) for number in range(1, CONCURRENCY * BATCH + 2)))
    await changes.close(within=0)
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [DatabaseUnavailable] * (CONCURRENCY * BATCH + 1)
    assert asyncio.all_tasks() <= others
