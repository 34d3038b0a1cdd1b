"""The one reader of the feed in a process: for whom it reads, and what becomes of it when reading fails."""

import asyncio
from collections.abc import Sequence
from uuid import UUID

import pytest

from adapters.memory.store import MemoryStore
from application.ports.change_feed import ChangeFeed, Event, Mark, MarkPage, Position
from application.ports.unit_of_work import DatabaseUnavailable
from application.services import change_hub
from application.services.change_hub import ChangeHub, ReaderTooSlow, SubscriptionEnded
from domain.lifecycle import accept
from domain.operation import Operation
from tests.support.operations import cause


class Unsteady(ChangeFeed):
    """A feed that fails as it is told, and remembers what was asked of it."""

    def __init__(self, feed: ChangeFeed) -> None:
        self._feed = feed
        self.errors: list[Exception] = []
        self.loaded: list[Mark] = []
        self.waits: list[float] = []
        self.unsettled = 0

    async def head(self) -> Position:
        self._fail()
        return await self._feed.head()

    async def read(self, after: Position, limit: int, *, tenant: str | None = None) -> MarkPage:
        self._fail()
        if self.unsettled:
            self.unsettled -= 1
            return MarkPage([], settled=False)
        return await self._feed.read(after, limit, tenant=tenant)

    async def load(self, marks: Sequence[Mark]) -> list[Event]:
        self._fail()
        self.loaded += marks
        return await self._feed.load(marks)

    async def changed(self, within: float) -> None:
        self.waits.append(within)
        await self._feed.changed(0.001)

    def _fail(self) -> None:
        if self.errors:
            raise self.errors.pop()


@pytest.fixture
def store() -> MemoryStore:
    """A store without operations."""
    return MemoryStore()


@pytest.fixture
def feed(store: MemoryStore) -> Unsteady:
    """Its feed."""
    return Unsteady(store.feed)


@pytest.fixture
def hub(feed: Unsteady) -> ChangeHub:
    """A hub on it."""
    return ChangeHub(feed)


async def add(store: MemoryStore, number: int, tenant: str = "t") -> None:
    """A new operation, committed."""
    async with store.units() as unit:
        await unit.operations.add(
            accept(UUID(int=number), tenant=tenant, type_name="x", value=1, labels={}, cause=cause())
        )
        await unit.commit()


def numbers(events: Sequence[Event]) -> list[int]:
    """Of the operations, in order."""
    return [event.operation_id.int for event in events if isinstance(event.content, Operation)]


async def test_each_hears_of_its_own(store: MemoryStore, hub: ChangeHub, feed: Unsteady) -> None:
    """Of one operation, or of a tenant's; what nobody follows is not even loaded."""
    async with hub.subscribe("t", UUID(int=2)) as one, hub.subscribe("t") as all_, hub.subscribe("u", UUID(int=2)) as u:
        for number, tenant in ((1, "t"), (2, "t"), (3, "v"), (4, "u")):
            await add(store, number, tenant)
        assert numbers([await all_.next() for _ in range(4)]) == [1, 2]
        assert numbers([await one.next() for _ in range(2)]) == [2]
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
        assert numbers([await later.next(), await later.next()]) == [2]


async def test_an_outage_loses_nothing(store: MemoryStore, hub: ChangeHub, feed: Unsteady) -> None:
    """Reading goes on where it was, whatever of it had failed."""
    async with hub.subscribe("t") as subscription:
        for number in range(1, 5):
            feed.errors += [DatabaseUnavailable()] * number
            await add(store, number)
            assert numbers([await subscription.next(), await subscription.next()]) == [number]


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
            await subscription.next()
    async with hub.subscribe("t") as again:
        await add(store, 1)
        assert numbers([await again.next(), await again.next()]) == [1]


async def test_too_slow(store: MemoryStore, hub: ChangeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is kept for it any more, and the others do not notice."""
    monkeypatch.setattr(change_hub, "LONGEST_QUEUE", 4)
    async with hub.subscribe("t") as slow, hub.subscribe("t") as quick:
        for number in range(1, 4):
            await add(store, number)
            assert numbers([await quick.next(), await quick.next()]) == [number]
        with pytest.raises(ReaderTooSlow):
            await slow.next()
        assert slow.empty


async def test_closed(store: MemoryStore, hub: ChangeHub) -> None:
    """What has arrived is still given out; then it ends, also for those who come after."""
    async with hub.subscribe("t") as subscription, hub.subscribe("t") as witness:
        await add(store, 1)
        await witness.next()
        hub.close()
        assert numbers([await subscription.next(), await subscription.next()]) == [1]
        with pytest.raises(SubscriptionEnded):
            await subscription.next()
    async with hub.subscribe("t") as late:
        with pytest.raises(SubscriptionEnded):
            await late.next()


async def test_how_often_it_looks(store: MemoryStore, hub: ChangeHub, feed: Unsteady) -> None:
    """Each second; soon again where something is held back, and then less and less often."""
    feed.unsettled = 9
    async with hub.subscribe("t") as subscription:
        while len(feed.waits) < 11:  # noqa: ASYNC110
            await asyncio.sleep(0)
        assert feed.waits[:11] == [*(0.02 * 2**n for n in range(6)), *[change_hub.POLL] * 5]
        await add(store, 1)
        await subscription.next()
