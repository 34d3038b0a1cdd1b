"""WatchRules: how far it has come, over rounds, failures and workers."""

from datetime import timedelta

import pytest

from application.adopt.watch_progress import CAUGHT_UP_NAME, HOLD, LEASE_NAME
from application.adopt.watch_rules import MAX_TRIES, OVERLAP
from application.batching.step_result import StepResult
from application.ports.engine.workflow_engine import EngineUnavailable
from tests.support.ledger.in_memory import ADOPTING, WATCH_EVERY, FakeLedger
from tests.unit.application.adopt.test_watch_rules import adopted, start, watching

FIVE_MINUTES = timedelta(minutes=5)


@pytest.mark.parametrize("every", [timedelta(seconds=0.5), HOLD, timedelta(seconds=11), FIVE_MINUTES])
async def test_interval_passes_between_two_rounds(every: timedelta) -> None:
    """Whatever it is, of any number of workers one lists starts in it."""
    ledger = FakeLedger(catalogue=ADOPTING, watch_every=every)
    for _ in range(3):
        await ledger.watch_rules.step(1)
        listed = len(ledger.engine.calls["started_since"])
        for watcher in (ledger.watch_rules, ledger.new_watcher(), ledger.watch_rules):
            assert await watcher.step(1) == StepResult(0)
            ledger.clock.advance(every / 4)
        assert len(ledger.engine.calls["started_since"]) == listed
        ledger.clock.advance(every / 4)


async def test_another_worker_takes_over_from_one_that_was_killed() -> None:
    """Soon, however long the interval is."""
    ledger = FakeLedger(catalogue=ADOPTING, watch_every=FIVE_MINUTES)
    await ledger.watch_rules.step(1)
    ledger.clock.advance(FIVE_MINUTES)
    start(ledger)
    assert await ledger.killed(ledger.watch_rules.step(1), 4)
    ledger.clock.advance(HOLD)
    await ledger.new_watcher().step(1)
    assert adopted(ledger).keys() == {"order-1"}


async def test_chain_that_continues_before_another_worker_goes_on_is_adopted() -> None:
    """The index no longer lists the run that the first worker has not seen, and the mark has passed its start."""
    ledger = await watching()
    ledger.pass_time(seconds=15)
    start(ledger, "chain")
    began = ledger.clock.now()
    ledger.pass_time(seconds=85)
    ledger.world.continue_as_new("chain")
    start(ledger, "blocker")
    ledger.pass_time(seconds=100)
    ledger.engine.break_for("describe", None, EngineUnavailable("away"))
    assert not (await ledger.watch()).engine_available
    marks = ledger.store._tables.leases
    passed, caught_up = marks[LEASE_NAME].mark, marks[CAUGHT_UP_NAME].mark
    assert passed is not None
    assert caught_up is not None
    assert passed - OVERLAP > began > caught_up
    ledger.engine.before.clear()
    ledger.world.continue_as_new("chain")
    ledger.watch_rules = ledger.new_watcher()
    await ledger.watch()
    assert adopted(ledger).keys() == {"blocker", "chain"}
    assert marks[CAUGHT_UP_NAME].mark == marks[LEASE_NAME].mark == ledger.clock.now()


async def test_round_after_an_update_of_the_ledger() -> None:
    """Earlier versions have one mark only."""
    ledger = await watching()
    del ledger.store._tables.leases[CAUGHT_UP_NAME]
    start(ledger)
    await ledger.watch()
    assert adopted(ledger).keys() == {"order-1"}


async def test_failed_adoption_is_repeated(caplog: pytest.LogCaptureFixture) -> None:
    """One unexpected exception costs a round, and stops no other execution."""
    ledger = await watching()
    calls = 0

    async def fail_twice() -> None:
        nonlocal calls
        calls += 1
        if calls <= 2:
            raise ValueError("unexpected")

    ledger.engine.before["input_of", None] = fail_twice
    start(ledger, "order-1")
    start(ledger, "order-2")
    for _ in range(2):
        await ledger.watch()
    assert adopted(ledger).keys() == {"order-1", "order-2"}
    assert len(ledger.engine.calls["describe"]) == 4
    assert [record.levelname for record in caplog.records] == ["ERROR"] * 2


async def test_adoption_that_fails_in_each_round_is_given_up(caplog: pytest.LogCaptureFixture) -> None:
    """Logged at its first failure and at the end. The mark waits for it, and no longer."""
    ledger = await watching()
    ledger.engine.break_for("input_of", None, ValueError("unexpected"))
    start(ledger)
    began = ledger.clock.now()
    for _ in range(MAX_TRIES - 1):
        await ledger.watch()
        assert ledger.store._tables.leases[LEASE_NAME].mark == began
    for _ in range(3):
        await ledger.watch()
        assert ledger.store._tables.leases[CAUGHT_UP_NAME].mark == ledger.clock.now()
    assert len(ledger.engine.calls["input_of"]) == MAX_TRIES
    assert [record.getMessage() for record in caplog.records] == [
        "the watch rule of type order cannot adopt 'order-1' yet",
        "the watch rule of type order gives 'order-1' up",
    ]
    assert ledger.rows() == {}


@pytest.mark.parametrize("taken_over", [False, True])
async def test_failed_adoption_is_repeated_after_a_long_interval(taken_over: bool) -> None:
    """The overlap of the rounds is shorter. Another worker goes on with it, and with the next run of its chain."""
    ledger = FakeLedger(catalogue=ADOPTING, watch_every=FIVE_MINUTES)
    await ledger.watch_rules.step(1)
    start(ledger, "order-1")
    start(ledger, "order-2")
    ledger.engine.break_for("input_of", None, ValueError("unexpected"))
    for _ in range(2):
        ledger.clock.advance(FIVE_MINUTES)
        await ledger.watch_rules.step(1)
    ledger.world.continue_as_new("order-2")
    ledger.engine.before.clear()
    if taken_over:
        ledger.watch_rules = ledger.new_watcher()
    ledger.clock.advance(FIVE_MINUTES)
    await ledger.watch_rules.step(1)
    assert adopted(ledger).keys() == {"order-1", "order-2"}


async def test_failed_run_that_is_gone_holds_nothing_up() -> None:
    """The index does not list it any more."""
    ledger = await watching()
    ledger.engine.break_for("input_of", None, ValueError("unexpected"))
    start(ledger)
    await ledger.watch()
    ledger.world.lose("order-1")
    await ledger.watch()
    assert ledger.store._tables.leases[LEASE_NAME].mark == ledger.clock.now()
    assert ledger.rows() == {}


async def test_lease_ends_with_the_interval() -> None:
    """A round of a worker with a longer interval does not keep one with a shorter one waiting."""
    ledger = FakeLedger(catalogue=ADOPTING, watch_every=FIVE_MINUTES)
    await ledger.watch_rules.step(1)
    assert ledger.store._tables.leases[LEASE_NAME].until == ledger.clock.now() + FIVE_MINUTES
    ledger = await watching()
    assert ledger.store._tables.leases[LEASE_NAME].until == ledger.clock.now() + WATCH_EVERY
