"""ChangeHub: one reader of the change feed serves all subscriptions of a process, also through errors."""

import asyncio
from collections.abc import Collection, Sequence
from uuid import UUID

import pytest

from adapters.memory.clock import MemoryClock
from adapters.memory.metrics import MemoryMetrics
from adapters.memory.store import MemoryStore
from application.control.delete import DeleteOperation
from application.ports.storage.change_feed import STATE, ChangeFeed, Event, Mark, MarkPage, Position
from application.ports.storage.unit_of_work import DatabaseUnavailable
from application.watch import change_hub, subscription
from application.watch import feed_lag as feed_delay
from application.watch.change_hub import ChangeHub
from application.watch.subscription import (
    OperationGone,
    ReaderTooSlow,
    ServiceStopping,
    Subscription,
    SubscriptionEnded,
)
from domain.json_value import JsonValue
from domain.operation.lifecycle import complete, start
from domain.operation.operation import Operation
from domain.operation.start.creation import accept
from tests.support.operations import cause

FAR = 1e9
"""Seconds; longer than any test runs."""


class FailingFeed(ChangeFeed):
    """A feed that fails on demand and records its calls."""

    def __init__(self, feed: ChangeFeed) -> None:
        self._feed = feed
        self.errors: list[Exception] = []
        self.loaded: list[Mark] = []
        self.load_sizes: list[int] = []
        """Number of events in each load."""
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
        if self.loads_until_error == len(self.load_sizes):
            self.loads_until_error = None
            raise DatabaseUnavailable
        self.loaded += marks
        self.load_sizes.append(len(marks))
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
    """An empty store."""
    return MemoryStore(MemoryClock())


@pytest.fixture
def feed(store: MemoryStore) -> FailingFeed:
    """The store's feed."""
    return FailingFeed(store.feed)


@pytest.fixture
def metrics() -> MemoryMetrics:
    """Metrics in memory."""
    return MemoryMetrics()


@pytest.fixture
def hub(feed: FailingFeed, metrics: MemoryMetrics) -> ChangeHub:
    """A hub on the feed."""
    return ChangeHub(feed, MemoryClock(), metrics)


async def add(store: MemoryStore, *numbers: int, tenant: str = "t", value: JsonValue = 1) -> None:
    """Commits new operations in one transaction."""
    async with store.units() as unit:
        for number in numbers:
            made = accept(UUID(int=number), tenant=tenant, type_name="x", value=value, labels={}, cause=cause())
            await unit.operations.add(made)
        await unit.commit()


async def end(store: MemoryStore, number: int) -> None:
    """Commits the completion of an operation."""
    async with store.units() as unit:
        operation = await unit.operations.get(UUID(int=number))
        assert operation is not None
        running = await unit.operations.save(start(operation, cause()))
        await unit.operations.save(complete(running, 1, cause()))
        await unit.commit()


def event(number: int, weight: int) -> Event:
    """Returns an event of that size, in bytes."""
    operation = accept(UUID(int=number), tenant="t", type_name="x", value=1, labels={}, cause=cause()).operation
    return Event(Position(1, operation.id, STATE), "t", operation, weight)


def numbers(events: Sequence[Event]) -> list[int]:
    """Returns the numbers of the operations, in order."""
    return [event.operation_id.int for event in events if isinstance(event.content, Operation)]


async def test_a_subscription_gets_only_its_own_events(store: MemoryStore, hub: ChangeHub, feed: FailingFeed) -> None:
    """Those of one operation, or of a tenant. Events without a subscription are not loaded."""
    async with hub.subscribe("t", UUID(int=2)) as one, hub.subscribe("t") as all_, hub.subscribe("u", UUID(int=2)) as u:
        for number, tenant in ((1, "t"), (2, "t"), (3, "v"), (4, "u")):
            await add(store, number, tenant=tenant)
        assert numbers([await all_.next(FAR) for _ in range(4)]) == [1, 2]
        assert numbers([await one.next(FAR) for _ in range(2)]) == [2]
        assert u.empty
    assert {mark.tenant for mark in feed.loaded} == {"t"}


async def test_the_hub_reads_only_while_there_are_subscriptions(
    store: MemoryStore, hub: ChangeHub, feed: FailingFeed
) -> None:
    """Later subscriptions do not get the events from in between."""
    async with hub.subscribe("t"):
        reading = hub._reading
    assert reading is not None
    await reading
    await add(store, 1)
    async with hub.subscribe("t") as later:
        await add(store, 2)
        assert numbers([await later.next(FAR), await later.next(FAR)]) == [2]


async def test_an_outage_loses_no_event(store: MemoryStore, hub: ChangeHub, feed: FailingFeed) -> None:
    """The hub continues where it was, whichever call failed."""
    async with hub.subscribe("t") as subscription:
        for number in range(1, 5):
            feed.errors += [DatabaseUnavailable()] * number
            await add(store, number)
            assert numbers([await subscription.next(FAR), await subscription.next(FAR)]) == [number]


async def test_a_subscription_that_cannot_start_raises(hub: ChangeHub, feed: FailingFeed) -> None:
    """The next one can start."""
    feed.errors = [DatabaseUnavailable()]
    with pytest.raises(DatabaseUnavailable):
        async with hub.subscribe("t"):
            pass
    async with hub.subscribe("t") as subscription:
        assert subscription.empty


async def test_an_unexpected_error_ends_all_subscriptions(
    store: MemoryStore, hub: ChangeHub, feed: FailingFeed
) -> None:
    """Subscribers do not wait for ever; a new subscription works."""
    async with hub.subscribe("t") as subscription:
        feed.errors = [RuntimeError("a bug")]
        with pytest.raises(SubscriptionEnded):
            await subscription.next(FAR)
    async with hub.subscribe("t") as again:
        await add(store, 1)
        assert numbers([await again.next(FAR), await again.next(FAR)]) == [1]


async def test_a_subscriber_with_too_many_events_is_ended(
    store: MemoryStore, hub: ChangeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its events are dropped. The others are not affected."""
    monkeypatch.setattr(subscription, "MAX_QUEUE", 4)
    async with hub.subscribe("t") as slow, hub.subscribe("t") as quick:
        for number in range(1, 4):
            await add(store, number)
            assert numbers([await quick.next(FAR), await quick.next(FAR)]) == [number]
        with pytest.raises(ReaderTooSlow):
            await slow.next(FAR)
        assert slow.empty


async def test_a_subscriber_with_too_many_bytes_is_ended(
    store: MemoryStore, hub: ChangeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same for few large events."""
    monkeypatch.setattr(subscription, "MAX_QUEUE_WEIGHT", 1)
    async with hub.subscribe("t") as slow:
        await add(store, 1)
        with pytest.raises(ReaderTooSlow):
            await slow.next(FAR)
        assert slow.empty


async def test_events_that_were_taken_do_not_count(hub: ChangeHub) -> None:
    """A subscriber that keeps up is never ended, and one event of any size is kept."""
    quick = subscription.Subscription()
    for number in range(1, 100):
        assert quick.offer(event(number, weight=subscription.MAX_QUEUE_WEIGHT))
        assert (await quick.next(FAR)).operation_id.int == number
    assert quick.offer(event(1, weight=1))
    assert not quick.offer(event(2, weight=subscription.MAX_QUEUE_WEIGHT))


async def taken(subscription: Subscription, many: int) -> list[Event]:
    """Takes that many events, each as soon as it arrives."""
    return [await subscription.next(FAR) for _ in range(many)]


@pytest.mark.parametrize(("many", "size"), [(1_000, 1), (12, subscription.MAX_QUEUE_WEIGHT // 4)])
async def test_a_large_commit_does_not_end_a_subscriber_that_keeps_up(
    store: MemoryStore, hub: ChangeHub, metrics: MemoryMetrics, many: int, size: int
) -> None:
    """Many events, or large ones."""
    async with hub.subscribe("t") as one, hub.subscribe("t") as other:
        readers = [asyncio.ensure_future(taken(reader, 2 * many)) for reader in (one, other)]
        await add(store, *range(1, many + 1), value="x" * size)
        for events in await asyncio.gather(*readers):
            assert numbers(events) == list(range(1, many + 1))
    assert metrics.resyncs == 0


async def test_a_slow_subscriber_of_a_large_commit_affects_no_other(store: MemoryStore, hub: ChangeHub) -> None:
    """The others get all events."""
    async with hub.subscribe("t") as slow, hub.subscribe("t") as quick:
        reader = asyncio.ensure_future(taken(quick, 2_000))
        await add(store, *range(1, 1_001))
        assert len(numbers(await reader)) == 1_000
        with pytest.raises(ReaderTooSlow):
            await slow.next(FAR)


@pytest.mark.parametrize(("size", "most"), [(1, 75), (change_hub.MAX_LOAD // 4, 12)])
async def test_the_size_of_loads_follows_the_size_of_events(
    store: MemoryStore, hub: ChangeHub, feed: FailingFeed, size: int, most: int
) -> None:
    """A few events of a page first, then as many as stay below the limit."""
    async with hub.subscribe("t") as subscription:
        await add(store, *range(1, 51), value="x" * size)
        await taken(subscription, 100)
    first, *others = feed.load_sizes
    assert (first, sum(others)) == (change_hub.FIRST_LOAD, 75)
    assert max(others) <= most


async def test_an_outage_within_a_page_repeats_no_event(store: MemoryStore, hub: ChangeHub, feed: FailingFeed) -> None:
    """Events that subscribers got are not delivered again."""
    async with hub.subscribe("t") as subscription:
        feed.loads_until_error = 1
        await add(store, *range(1, 51))
        assert numbers(await taken(subscription, 100)) == list(range(1, 51))
        await add(store, 51)
        assert numbers(await taken(subscription, 2)) == [51]
    assert len(feed.loaded) == 102


async def test_closing_delivers_what_has_arrived(store: MemoryStore, hub: ChangeHub) -> None:
    """Then subscriptions end, also those that start afterwards."""
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


async def test_the_hub_polls_each_second(store: MemoryStore, hub: ChangeHub, feed: FailingFeed) -> None:
    """Sooner while a transaction holds events back, with growing waits."""
    feed.unsettled = 9
    async with hub.subscribe("t") as subscription:
        while len(feed.waits) < 11:  # noqa: ASYNC110
            await asyncio.sleep(0)
        assert feed.waits[:11] == [*(0.02 * 2**n for n in range(6)), *[change_hub.POLL_INTERVAL] * 5]
        await add(store, 1)
        await subscription.next(FAR)


async def test_concurrent_subscriptions_share_one_attempt_to_start(hub: ChangeHub, feed: FailingFeed) -> None:
    """An outage fails all of them at the same time."""
    feed.errors = [DatabaseUnavailable()]

    async def comes() -> None:
        async with hub.subscribe("t"):
            pass

    told = await asyncio.gather(*(comes() for _ in range(20)), return_exceptions=True)
    assert {type(error) for error in told} == {DatabaseUnavailable}
    assert not hub._subscriptions


async def test_a_subscription_of_a_deleted_operation_ends(
    store: MemoryStore, hub: ChangeHub, feed: FailingFeed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The feed has no event of a deletion, so the hub checks from time to time. Other subscriptions continue."""
    monkeypatch.setattr(change_hub, "DELETION_CHECK_INTERVAL", 0.0)
    await add(store, 1)
    await add(store, 2)
    async with hub.subscribe("t", UUID(int=1)) as one, hub.subscribe("t", UUID(int=2)) as other, hub.subscribe("t"):
        await end(store, 1)
        await DeleteOperation(store.units).delete("t", UUID(int=1))
        with pytest.raises(OperationGone):
            await one.next(FAR)
        assert other._ended is None


async def test_waiters_delays_and_slow_subscribers_are_counted(
    store: MemoryStore, hub: ChangeHub, feed: FailingFeed, metrics: MemoryMetrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The delay of a change counts once, however many subscriptions get it."""
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
            while len(metrics.notification_lags) < 4:  # noqa: ASYNC110
                await asyncio.sleep(0)
        assert (len(metrics.notification_lags), metrics.resyncs) == (4, 1)
    assert metrics.waiters == 0


async def test_events_held_back_by_a_transaction_are_reported(
    hub: ChangeHub,
    feed: FailingFeed,
    metrics: MemoryMetrics,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The metric grows meanwhile, the log has one line, and both end."""
    monkeypatch.setattr(feed_delay, "LOG_AFTER", 0.0)
    feed.unsettled = 5
    async with hub.subscribe("t"):
        while feed.unsettled > 1:  # noqa: ASYNC110
            await asyncio.sleep(0)
        assert metrics.held_back > 0
        while metrics.held_back:  # noqa: ASYNC110
            await asyncio.sleep(0)
    records = [record for record in caplog.records if record.name.startswith("application.watch")]
    assert [record.levelname for record in records] == ["WARNING"]


async def test_many_subscriptions_are_served_in_parts(
    store: MemoryStore, hub: ChangeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first can send their event before the last has it. Subscriptions that start or end meanwhile affect no
    other."""
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


async def test_an_earlier_timer_does_not_shorten_a_wait() -> None:
    """An event came before that timer."""
    loop, one = asyncio.get_running_loop(), subscription.Subscription()
    waiting = asyncio.create_task(one.next(loop.time() + 0.02))
    await asyncio.sleep(0)
    one.offer(event(1, weight=1))
    assert (await waiting).operation_id.int == 1
    until = loop.time() + 0.06
    with pytest.raises(TimeoutError):
        await one.next(until)
    assert loop.time() >= until


async def test_an_ended_wait_leaves_no_timer(hub: ChangeHub) -> None:
    """A timer would keep the subscription in memory."""
    async with hub.subscribe("t") as one:
        waiting = asyncio.create_task(one.next(FAR))
        await asyncio.sleep(0)
        timer = one._timer
    assert timer is not None
    assert timer.cancelled()
    waiting.cancel()


async def test_a_signal_is_set_by_changes_of_its_tenant_and_loads_nothing(
    store: MemoryStore, hub: ChangeHub, feed: FailingFeed
) -> None:
    """Many changes are one signal until it is cleared."""
    async with hub.signal("t") as signal, hub.signal("u") as other:
        await add(store, 1, 2)
        assert await signal.changed(FAR)
        await add(store, 3, tenant="u")
        assert await other.changed(FAR)
        assert await signal.changed(0)
        signal.clear()
        assert not await signal.changed(0)
        await end(store, 1)
        assert await signal.changed(FAR)
    assert feed.loaded == []
    assert not hub._signals


async def test_signals_end_with_the_hub(hub: ChangeHub) -> None:
    """Those that follow no tenant too: they read no feed."""
    async with hub.signal(None) as idle, hub.signal("t") as signal:
        hub.close()
        for each in (idle, signal):
            each.clear()
            with pytest.raises(ServiceStopping):
                await each.changed(FAR)
    async with hub.signal(None) as later:
        with pytest.raises(ServiceStopping):
            await later.changed(FAR)


async def test_a_signal_without_a_tenant_reads_no_feed(hub: ChangeHub, feed: FailingFeed) -> None:
    """It works while the database is down."""
    feed.errors.append(DatabaseUnavailable())
    async with hub.signal(None) as signal:
        assert not await signal.changed(0)
        assert hub.position is None


async def test_a_subscriber_is_spared_what_it_does_not_want(store: MemoryStore, hub: ChangeHub) -> None:
    """It takes no place in its queue, and does not wake it."""
    async with (
        hub.subscribe("t", wants=lambda event: event.operation_id.int % 2 == 0) as even,
        hub.subscribe("t") as every,
    ):
        await add(store, *range(1, 5))
        assert {(await every.next(FAR)).operation_id.int for _ in range(8)} == {1, 2, 3, 4}
        assert {(await even.next(FAR)).operation_id.int for _ in range(4)} == {2, 4}
        assert even.empty
