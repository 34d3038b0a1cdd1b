"""GroupCommit: concurrent changes share a commit, and nothing else."""

import asyncio
from dataclasses import replace
from uuid import UUID

from application.batching.batcher import WRITES
from application.batching.group_commit import GroupCommit
from application.batching.optimistic_update import UpdateResult
from application.ports.storage.unit_of_work import DatabaseContended, DatabaseUnavailable
from domain.errors import InvalidTransition
from domain.operation.lifecycle import note
from domain.operation.operation import Change, Operation
from domain.operation.start.creation import accept
from tests.support.ledger.commits import Database, at_once, away, begun, never
from tests.support.ledger.faults import Crash
from tests.support.operations import cause

CONCURRENCY = WRITES.concurrency
assert WRITES.max_batch is not None
BATCH: int = WRITES.max_batch


async def holding(many: int) -> tuple[Database, GroupCommit]:
    """Returns a store with that many operations."""
    database = Database()
    async with database.store.units() as unit:
        for number in range(1, many + 1):
            made = accept(UUID(int=number), tenant="t", type_name="deploy", value=None, labels={}, cause=cause())
            await unit.operations.add(made)
        await unit.commit()
    return database, GroupCommit(database.units)


def noted(operation: Operation) -> Change:
    """Returns a change that adds one history line."""
    return note(operation, cause(2))


def refused(operation: Operation) -> Change:
    """Returns a change that the ledger's rules forbid."""
    return Change(replace(operation, started_at=operation.accepted_at))


def revision(outcome: UpdateResult | BaseException | None) -> int:
    """Returns the revision in an answer. Fails for an error."""
    assert isinstance(outcome, UpdateResult)
    return outcome.operation.revision


async def test_a_single_change_has_its_own_commit() -> None:
    """Its answer follows the commit."""
    database, changes = await holding(1)
    outcome = await changes.change(UUID(int=1), noted)
    assert outcome == UpdateResult(database.row(1), True, outcome.transitions if outcome else ())
    assert (revision(outcome), database.commits) == (2, 1)


async def test_concurrent_changes_share_one_commit() -> None:
    """Each caller gets the answer of its own operation."""
    database, changes = await holding(BATCH)
    outcomes = await asyncio.gather(*(changes.change(UUID(int=number), noted) for number in range(1, BATCH + 1)))
    assert [outcome and outcome.operation for outcome in outcomes] == [database.row(n) for n in range(1, BATCH + 1)]
    assert {revision(outcome) for outcome in outcomes} == {2}
    assert database.commits == 1


async def test_a_commit_has_at_most_batch_changes() -> None:
    """BATCH, however many wait."""
    database, changes = await holding(3 * BATCH + 1)
    await asyncio.gather(*(changes.change(UUID(int=number), noted) for number in range(1, 3 * BATCH + 2)))
    assert database.commits == 4


async def test_changes_during_a_commit_share_the_next_one() -> None:
    """No caller is answered before its own commit."""
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


async def test_changes_of_one_operation_keep_their_order() -> None:
    """Each starts from the one before; none is lost."""
    database, changes = await holding(1)
    outcomes = await asyncio.gather(*(changes.change(UUID(int=1), noted) for _ in range(10)))
    assert [revision(outcome) for outcome in outcomes] == list(range(2, 12))
    assert database.row(1).history_length == 11


async def test_a_decision_without_change_makes_no_commit() -> None:
    """An operation that does not exist gives None."""
    database, changes = await holding(2)
    outcomes = await asyncio.gather(
        changes.change(UUID(int=1), lambda operation: None),
        changes.change(UUID(int=2), Change),
        changes.change(UUID(int=3), noted),
    )
    unchanged = [UpdateResult(database.row(number), changed=False) for number in (1, 2)]
    assert [*outcomes] == [*unchanged, None]
    assert database.commits == 0


async def test_an_error_of_a_decision_is_raised_to_its_caller() -> None:
    """To no other caller."""
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


async def test_a_refused_change_fails_alone() -> None:
    """The database refuses the group. Each change is then made alone, and the wrong one raises."""
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


async def test_a_change_that_lost_a_race_is_decided_again() -> None:
    """On the present row. The other changes of the group are stored with it or without it."""
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


async def test_a_locked_row_delays_only_its_caller() -> None:
    """Another transaction holds the lock."""
    database, changes = await holding(3)
    async with database.store.units() as holder:
        await holder.operations.save(noted(database.row(2)))
        one, two, three = await begun(*(changes.change(UUID(int=number), noted) for number in (1, 2, 3)))
        assert [one.done(), two.done(), three.done()] == [True, False, True]
        await holder.commit()
    assert revision(await two) == 3


async def test_a_cancelled_caller_affects_no_other() -> None:
    """Cancelled during the commit, it does not learn the result. Cancelled before, its change is left out."""
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


async def test_an_outage_fails_all_callers_of_the_group() -> None:
    """Nothing is stored. Later changes work."""
    database, changes = await holding(3)
    database.before = away
    calls = [changes.change(UUID(int=number), noted) for number in (1, 2, 3)]
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [DatabaseUnavailable] * 3
    database.before = at_once
    assert revision(await changes.change(UUID(int=1), noted)) == 2


async def test_a_group_that_timed_out_on_a_lock_is_made_one_by_one() -> None:
    """The group stored nothing. Only one caller has to wait for the lock."""
    database, changes = await holding(3)

    async def contended() -> None:
        database.before = at_once
        raise DatabaseContended("a lock")

    database.before = contended
    outcomes = await asyncio.gather(*(changes.change(UUID(int=number), noted) for number in (1, 2, 3)))
    assert [revision(outcome) for outcome in outcomes] == [2] * 3
    assert database.commits == 3


async def test_a_crash_leaves_no_caller_waiting() -> None:
    """The error is no Exception that a service handles."""
    database, changes = await holding(2)

    async def crash() -> None:
        raise Crash

    database.before = crash
    outcomes = await asyncio.gather(
        *(changes.change(UUID(int=number), noted) for number in (1, 2)), return_exceptions=True
    )
    assert [type(outcome) for outcome in outcomes] == [Crash] * 2


async def test_closing_finishes_running_and_waiting_changes() -> None:
    """No task is left."""
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


async def test_closing_fails_callers_while_the_database_hangs() -> None:
    """Those whose commit is under way, and those behind them."""
    others = asyncio.all_tasks()
    database, changes = await holding(CONCURRENCY * BATCH + 1)
    database.before = never
    tasks = await begun(*(changes.change(UUID(int=number), noted) for number in range(1, CONCURRENCY * BATCH + 2)))
    await changes.close(within=0)
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [DatabaseUnavailable] * (CONCURRENCY * BATCH + 1)
    assert asyncio.all_tasks() <= others
