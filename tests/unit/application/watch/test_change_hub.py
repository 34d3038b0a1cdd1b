"""The one reader of the feed in a process: for whom it reads, and what becomes of it when reading fails."""

import asyncio
from collections.abc import Collection, Sequence
from uuid import UUID

import pytest

from adapters.memory.clock import MemoryClock
from adapters.memory.metrics import MemoryMetrics
from adapters.memory.store import MemoryStore
from application.control.delete import DeleteOperation
from application.ports.change_feed import STATE, ChangeFeed, Event, Mark, MarkPage, Position
from application.ports.unit_of_work import DatabaseUnavailable
from application.watch import change_hub, subscription
from application.watch import feed_lag as feed_delay
from application.watch.change_hub import ChangeHub
from application.watch.subscription import OperationGone, ReaderTooSlow, Subscription, SubscriptionEnded
from domain.json_value import JsonValue
from domain.operation.lifecycle import accept, complete, start
from domain.operation.operation import Operation
from tests.support.operations import cause

FAR = 1e9
"""A time that does not come."""


class Unsteady(ChangeFeed):
    """A feed that fails as it is told, and remembers what was asked of it."""

    def __init__(self, feed: ChangeFeed) -> None:
        self._feed = feed
        self.errors: list[Exception] = []
        self.loaded: list[Mark] = []
        self.bites: list[int] = []
        """How many were loaded each time."""
        self.loads_until_error: int | None = None
        self.waits: list[float] = []
        self.unsettled = 0

    async def head(self) -> Position:
        self._fail()
        return await self._feed.head()

    async def read(self, after: Position, limit: int) -> MarkPage:
        self._fail()
        if self.unsettled:
            self.unsettled -= 1
            return MarkPage([], settled=False)
        return await self._feed.read(after, limit)

    async def load(self, marks: Sequence[Mark]) -> list[Event]:
        self._fail()
        if self.loads_until_error == len(self.bites):
            self.loads_until_error = None
            raise DatabaseUnavailable
        self.loaded += marks
        self.bites.append(len(marks))
        return await self._feed.load(marks)

    async def gone(self, operation_ids: Collection[UUID]) -> set[UUID]:
        self._fail()
        return await self._feed.gone(operation_ids)

    async def changed(self, within: float) -> None:
        self.waits.append(within)
        await self._feed.changed(0.001)

    def _fail(self) -> None:
        if self.errors:
            raise self.errors.pop()


@pytest.fixture
def store() -> MemoryStore:
    """A store without operations."""
    return MemoryStore(MemoryClock())


@pytest.fixture
def feed(store: MemoryStore) -> Unsteady:
    """Its feed."""
    return Unsteady(store.feed)


@pytest.fixture
def metrics() -> MemoryMetrics:
    """What it counts."""
    return MemoryMetrics()


@pytest.fixture
def hub(feed: Unsteady, metrics: MemoryMetrics) -> ChangeHub:
    """A hub on it."""
    return ChangeHub(feed, MemoryClock(), metrics)


async def add(store: MemoryStore, *numbers: int, tenant: str = "t", value: JsonValue = 1) -> None:
    """New operations, committed together."""
    async with store.units() as unit:
        for number in numbers:
            made = accept(UUID(int=number), tenant=tenant, type_name="x", value=value, labels={}, cause=cause())
            await unit.operations.add(made)
        await unit.commit()


async def end(store: MemoryStore, number: int) -> None:
    """Let it be done, committed."""
    async with store.units() as unit:
        operation = await unit.operations.get(UUID(int=number))
        assert operation is not None
        running = await unit.operations.save(start(operation, cause()))
        await unit.operations.save(complete(running, 1, cause()))
        await unit.commit()


def event(number: int, weight: int) -> Event:
    """Of an operation, so large."""
    operation = accept(UUID(int=number), tenant="t", type_name="x", value=1, labels={}, cause=cause()).operation
    return Event(Position(1, operation.id, STATE), "t", operation, weight)


def numbers(events: Sequence[Event]) -> list[int]:
    """Of the operations, in order."""
    return [event.operation_id.int for event in events if isinstance(event.content, Operation)]


async def test_each_hears_of_its_own(store: MemoryStore, hub: ChangeHub, feed: Unsteady) -> None:
    """Of one operation, or of a tenant's; what nobody follows is not even loaded."""
    async with hub.subscribe("t", UUID(int=2)) as one, hub.subscribe("t") as all_, hub.subscribe("u", UUID(int=2)) as u:
        for number, tenant in ((1, "t"), (2, "t"), (3, "v"), (4, "u")):
            await add(store, number, tenant=tenant)
        assert numbers([await all_.next(FAR) for _ in range(4)]) == [1, 2]
        assert numbers([await one.next(FAR) for _ in range(2)]) == [2]
        assert u.empty
    assert {mark.tenant for mark in feed.loaded} == {"t"}


async def test_it_reads_only_while_somebody_is_there(store: MemoryStore, hub: ChangeHub, feed: Unsteady) -> None:
    """And what happened while nobody was is not for those who come after."""
    async with hub.subscribe("t"):
        reading = hub._reading
    assert reading is not None
    await reading
    await add(store, 1)
    async with hub.subscribe("t") as later:
        await add(store, 2)
        assert numbers([await later.next(FAR), await later.next(FAR)]) == [2]


async def test_an_outage_loses_nothing(store: MemoryStore, hub: ChangeHub, feed: Unsteady) -> None:
    """Reading goes on where it was, whatever of it had failed."""
    async with hub.subscribe("t") as subscription:
        for number in range(1, 5):
            feed.errors += [DatabaseUnavailable()] * number
            await add(store, number)
            assert numbers([await subscription.next(FAR), await subscription.next(FAR)]) == [number]


async def test_who_cannot_begin_is_told(hub: ChangeHub, feed: Unsteady) -> None:
    """And the next one can."""
    feed.errors = [DatabaseUnavailable()]
    with pytest.raises(DatabaseUnavailable):
        async with hub.subscribe("t"):
            pass
    async with hub.subscribe("t") as subscription:
        assert subscription.empty


async def test_an_error_that_nobody_expected(store: MemoryStore, hub: ChangeHub, feed: Unsteady) -> None:
    """Everybody is sent away instead of waiting for nothing; who comes back is served."""
    async with hub.subscribe("t") as subscription:
        feed.errors = [RuntimeError("a bug")]
        with pytest.raises(SubscriptionEnded):
            await subscription.next(FAR)
    async with hub.subscribe("t") as again:
        await add(store, 1)
        assert numbers([await again.next(FAR), await again.next(FAR)]) == [1]


async def test_too_slow(store: MemoryStore, hub: ChangeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is kept for it any more, and the others do not notice."""
    monkeypatch.setattr(subscription, "MAX_QUEUE", 4)
    async with hub.subscribe("t") as slow, hub.subscribe("t") as quick:
        for number in range(1, 4):
            await add(store, number)
            assert numbers([await quick.next(FAR), await quick.next(FAR)]) == [number]
        with pytest.raises(ReaderTooSlow):
            await slow.next(FAR)
        assert slow.empty


async def test_too_much(store: MemoryStore, hub: ChangeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same where few events are large."""
    monkeypatch.setattr(subscription, "MAX_QUEUE_WEIGHT", 1)
    async with hub.subscribe("t") as slow:
        await add(store, 1)
        with pytest.raises(ReaderTooSlow):
            await slow.next(FAR)
        assert slow.empty


async def test_what_was_taken_weighs_nothing(hub: ChangeHub) -> None:
    """A reader that keeps up is never too slow, however much it has been told; and one event is always kept."""
    quick = subscription.Subscription()
    for number in range(1, 100):
        assert quick.offer(event(number, weight=subscription.MAX_QUEUE_WEIGHT))
        assert (await quick.next(FAR)).operation_id.int == number
    assert quick.offer(event(1, weight=1))
    assert not quick.offer(event(2, weight=subscription.MAX_QUEUE_WEIGHT))


async def taken(subscription: Subscription, many: int) -> list[Event]:
    """So many events, each as soon as it is there."""
    return [await subscription.next(FAR) for _ in range(many)]


@pytest.mark.parametrize(("many", "size"), [(1_000, 1), (12, subscription.MAX_QUEUE_WEIGHT // 4)])
async def test_much_at_once(store: MemoryStore, hub: ChangeHub, metrics: MemoryMetrics, many: int, size: int) -> None:
    """Who takes each event as it comes is not too slow, whatever one commit brings: many, or large ones."""
    async with hub.subscribe("t") as one, hub.subscribe("t") as other:
        readers = [asyncio.ensure_future(taken(reader, 2 * many)) for reader in (one, other)]
        await add(store, *range(1, many + 1), value="x" * size)
        for events in await asyncio.gather(*readers):
            assert numbers(events) == list(range(1, many + 1))
    assert metrics.resyncs == 0


async def test_one_who_takes_nothing_of_much(store: MemoryStore, hub: ChangeHub) -> None:
    """The others hear all of it."""
    async with hub.subscribe("t") as slow, hub.subscribe("t") as quick:
        reader = asyncio.ensure_future(taken(quick, 2_000))
        await add(store, *range(1, 1_001))
        assert len(numbers(await reader)) == 1_000
        with pytest.raises(ReaderTooSlow):
            await slow.next(FAR)


@pytest.mark.parametrize(("size", "most"), [(1, 75), (change_hub.MAX_LOAD // 4, 12)])
async def test_how_much_is_loaded_at_once(
    store: MemoryStore, hub: ChangeHub, feed: Unsteady, size: int, most: int
) -> None:
    """A few of a page, and then as many as will not be much, by what those were."""
    async with hub.subscribe("t") as subscription:
        await add(store, *range(1, 51), value="x" * size)
        await taken(subscription, 100)
    first, *others = feed.bites
    assert (first, sum(others)) == (change_hub.FIRST_LOAD, 75)
    assert max(others) <= most


async def test_an_outage_in_the_middle_of_a_page(store: MemoryStore, hub: ChangeHub, feed: Unsteady) -> None:
    """What was handed out before is not handed out again."""
    async with hub.subscribe("t") as subscription:
        feed.loads_until_error = 1
        await add(store, *range(1, 51))
        assert numbers(await taken(subscription, 100)) == list(range(1, 51))
        await add(store, 51)
        assert numbers(await taken(subscription, 2)) == [51]
    assert len(feed.loaded) == 102


async def test_closed(store: MemoryStore, hub: ChangeHub) -> None:
    """What has arrived is still given out; then it ends, also for those who come after."""
    async with hub.subscribe("t") as subscription, hub.subscribe("t") as witness:
        await add(store, 1)
        await witness.next(FAR)
        hub.close()
        assert numbers([await subscription.next(FAR), await subscription.next(FAR)]) == [1]
        with pytest.raises(SubscriptionEnded):
            await subscription.next(FAR)
    async with hub.subscribe("t") as late:
        with pytest.raises(SubscriptionEnded):
            await late.next(FAR)


async def test_how_often_it_looks(store: MemoryStore, hub: ChangeHub, feed: Unsteady) -> None:
    """Each second; soon again where something is held back, and then less and less often."""
    feed.unsettled = 9
    async with hub.subscribe("t") as subscription:
        while len(feed.waits) < 11:  # noqa: ASYNC110
            await asyncio.sleep(0)
        assert feed.waits[:11] == [*(0.02 * 2**n for n in range(6)), *[change_hub.POLL_INTERVAL] * 5]
        await add(store, 1)
        await subscription.next(FAR)


async def test_one_attempt_for_all_who_come(hub: ChangeHub, feed: Unsteady) -> None:
    """An outage is told to everybody when it is known, not to one after the other."""
    feed.errors = [DatabaseUnavailable()]

    async def comes() -> None:
        async with hub.subscribe("t"):
            pass

    told = await asyncio.gather(*(comes() for _ in range(20)), return_exceptions=True)
    assert {type(error) for error in told} == {DatabaseUnavailable}
    assert not hub._subscriptions


async def test_who_waits_for_what_is_removed(
    store: MemoryStore, hub: ChangeHub, feed: Unsteady, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The feed does not tell of it: somebody looks now and then, and nobody waits for ever. Others go on."""
    monkeypatch.setattr(change_hub, "DELETION_CHECK_INTERVAL", 0.0)
    await add(store, 1)
    await add(store, 2)
    async with hub.subscribe("t", UUID(int=1)) as one, hub.subscribe("t", UUID(int=2)) as other, hub.subscribe("t"):
        await end(store, 1)
        await DeleteOperation(store.units).delete("t", UUID(int=1))
        with pytest.raises(OperationGone):
            await one.next(FAR)
        assert other._ended is None


async def test_what_is_counted(
    store: MemoryStore, hub: ChangeHub, feed: Unsteady, metrics: MemoryMetrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who waits, how late each change is told, once however many hear it, and who was too slow."""
    monkeypatch.setattr(subscription, "MAX_QUEUE", 2)
    async with hub.subscribe("t") as slow, hub.subscribe("t") as quick, hub.subscribe("t", UUID(int=1)):
        assert metrics.waiters == 3
        for number in (1, 2):
            await add(store, number)
            await quick.next(FAR)
            await quick.next(FAR)
        with pytest.raises(ReaderTooSlow):
            await slow.next(FAR)
        async with asyncio.timeout(60):
            while len(metrics.told_lags) < 4:  # noqa: ASYNC110
                await asyncio.sleep(0)
        assert (len(metrics.told_lags), metrics.resyncs) == (4, 1)
    assert metrics.waiters == 0


async def test_what_is_held_back_is_told(
    hub: ChangeHub,
    feed: Unsteady,
    metrics: MemoryMetrics,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """For how long, as it grows, and once in the log; then it is over."""
    monkeypatch.setattr(feed_delay, "LOG_AFTER", 0.0)
    feed.unsettled = 5
    async with hub.subscribe("t"):
        while feed.unsettled > 1:  # noqa: ASYNC110
            await asyncio.sleep(0)
        assert metrics.held_back > 0
        while metrics.held_back:  # noqa: ASYNC110
            await asyncio.sleep(0)
    assert [record.levelname for record in caplog.records] == ["WARNING"]


async def test_the_first_do_not_wait_for_the_last(
    store: MemoryStore, hub: ChangeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of many, some can be sent their event before all have been told; and whoever comes or goes meanwhile disturbs
    nobody."""
    monkeypatch.setattr(change_hub, "CHUNK", 1)
    untold: list[int] = []

    async def follow(subscriptions: list[Subscription]) -> list[int]:
        async with hub.subscribe("t") as mine:
            subscriptions.append(mine)
            first = await mine.next(FAR)
            untold.append(sum(other.empty for other in subscriptions if other is not mine))
            async with hub.subscribe("t"):
                pass
            return numbers([first, await mine.next(FAR)])

    all_: list[Subscription] = []
    following = [asyncio.create_task(follow(all_)) for _ in range(3)]
    while len(all_) < 3:  # noqa: ASYNC110
        await asyncio.sleep(0)
    await add(store, 1)
    assert await asyncio.gather(*following) == [[1]] * 3
    assert untold[0] == 2


async def test_time_that_was_given_is_given() -> None:
    """A timer of before, which an event came before, does not cut short what is waited for next."""
    loop, one = asyncio.get_running_loop(), subscription.Subscription()
    waiting = asyncio.create_task(one.next(loop.time() + 0.02))
    await asyncio.sleep(0)
    one.offer(event(1, weight=1))
    assert (await waiting).operation_id.int == 1
    until = loop.time() + 0.06
    with pytest.raises(TimeoutError):
        await one.next(until)
    assert loop.time() >= until


async def test_who_leaves_leaves_no_timer(hub: ChangeHub) -> None:
    """It would keep what was waited for until its time."""
    async with hub.subscribe("t") as one:
        waiting = asyncio.create_task(one.next(FAR))
        await asyncio.sleep(0)
        timer = one._timer
    assert timer is not None
    assert timer.cancelled()
    waiting.cancel()
