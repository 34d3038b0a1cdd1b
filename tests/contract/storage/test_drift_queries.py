"""The contract of the queries over all tenants."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from application.batching.step_result import StepResult
from application.operate.worker_presence import INTERVAL, NotePresence
from application.ports.storage.drift_queries import Drift
from application.ports.storage.leases import PRESENCE
from domain.operation.attention import AttentionKind
from domain.operation.lifecycle import complete
from domain.operation.operation import Change
from domain.operation.status import OperationStatus
from domain.scheduling.schedule import Verification
from tests.contract.storage.operations.test_operation_queries import attentive, change_to
from tests.contract.storage.operations.test_operation_repository import accepted_change, add_running
from tests.contract.storage.stores import OnMemory, OnPostgres, Store, add, save, stored
from tests.support.operations import at, cause


def diverged(number: int, seconds: float, tenant: str = "default") -> Change:
    """A completed operation whose execution ran again."""
    change = change_to(OperationStatus.COMPLETED, number, tenant=tenant)
    return attentive(change, AttentionKind.DIVERGED, seconds)


def verified(change: Change, verification: Verification) -> Change:
    """The operation, verified at that time."""
    return replace(change, operation=replace(change.operation, verification=verification))


class DriftQueriesContract:
    """The contract. Subclasses provide the store."""

    @pytest.fixture
    def store(self) -> Store:
        raise NotImplementedError

    async def test_there_is_no_drift_without_open_operations(self, store: Store) -> None:
        """Nor without any operation."""
        assert await store.drift.drift() == Drift(None, {})
        await add(store, accepted_change(1), change_to(OperationStatus.COMPLETED, 2))
        assert await store.drift.drift() == Drift(None, {})
        assert await store.drift.diverged(10) == []

    async def test_watermark_age_is_by_the_database_clock(self, store: Store) -> None:
        """Negative for a watermark in the future."""
        await store.set_watermark(datetime(2199, 1, 1, tzinfo=UTC))
        ahead = (await store.drift.drift()).watermark_age
        assert ahead is not None
        assert ahead < timedelta(days=-365)
        async with store.units() as unit:
            now = await unit.watermarks.now()
            await unit.watermarks.advance(now - timedelta(hours=2))
            await unit.commit()
        behind = (await store.drift.drift()).watermark_age
        assert behind is not None
        assert timedelta(hours=2) <= behind < timedelta(hours=3)

    async def test_worker_age_is_that_of_the_last_note(self, store: Store) -> None:
        """From the first note of any worker on, whether a pass has ended or not."""
        assert (await store.drift.drift()).worker_age is None
        async with store.units() as unit:
            lease = await unit.leases.acquire(PRESENCE, timedelta())
            assert lease is not None
            await unit.leases.advance(PRESENCE, lease.now - timedelta(hours=2))
            await unit.commit()
        noted = (await store.drift.drift()).worker_age
        assert noted is not None
        assert timedelta(hours=2) <= noted < timedelta(hours=3)
        await NotePresence(store.units).step(1)
        again = (await store.drift.drift()).worker_age
        assert again is not None
        assert timedelta() <= again < timedelta(hours=1)

    async def test_workers_note_their_presence_together(self, store: Store) -> None:
        """A second one writes nothing within the interval, and its mark stays."""
        presence = NotePresence(store.units)
        await presence.step(1)
        async with store.units() as unit:
            assert await unit.leases.acquire(PRESENCE, INTERVAL) is None
        assert await presence.step(1) == StepResult(0)

    async def test_oldest_unverified_is_the_earliest_verification_of_an_open_operation(self, store: Store) -> None:
        """Over all tenants, whenever the next verification is due, even if it is claimed."""
        running = OperationStatus.RUNNING
        await add(
            store,
            verified(change_to(running, 1, tenant="a"), Verification(at(10), at(300))),
            verified(change_to(running, 2, tenant="b"), Verification(at(40), at(200))),
            verified(change_to(running, 3, tenant="c"), Verification(at(20), at(400))),
        )
        assert (await store.drift.drift()).oldest_unverified == at(10)
        async with store.units() as unit:
            await unit.operations.set_verified(UUID(int=1), Verification(at(200), at(500)))
            assert (await store.drift.drift()).oldest_unverified == at(10)
            await unit.commit()
        assert (await store.drift.drift()).oldest_unverified == at(20)
        for number in (2, 3):
            await save(store, complete(await stored(store, UUID(int=number)), 1, cause(50)))
        assert (await store.drift.drift()).oldest_unverified == at(200)

    async def test_a_start_counts_as_a_verification(self, store: Store) -> None:
        """The engine has confirmed the operation."""
        await add_running(store)
        assert (await store.drift.drift()).oldest_unverified == at(1)

    async def test_attention_is_counted_by_kind(self, store: Store) -> None:
        """Over all tenants. Kinds without operations are absent."""
        await add(
            store,
            attentive(change_to(OperationStatus.RUNNING, 1, tenant="a"), AttentionKind.STALLED),
            attentive(change_to(OperationStatus.RUNNING, 2, tenant="b"), AttentionKind.STALLED),
            attentive(accepted_change(3), AttentionKind.DISPATCH_RETRYING),
            accepted_change(4),
        )
        found = (await store.drift.drift()).attention
        assert found == {AttentionKind.STALLED: 2, AttentionKind.DISPATCH_RETRYING: 1}
        assert {type(kind) for kind in found} == {AttentionKind}

    async def test_diverged_operations_come_latest_first(self, store: Store) -> None:
        """Of all tenants, up to the limit, without other kinds of attention."""
        await add(store, diverged(1, 10), diverged(2, 30, "a"), diverged(3, 20), diverged(4, 30, "b"))
        await add(store, attentive(change_to(OperationStatus.RUNNING, 5), AttentionKind.STALLED, 99))
        for limit, numbers in ((10, [4, 2, 3, 1]), (3, [4, 2, 3]), (1, [4])):
            found = await store.drift.diverged(limit)
            assert found == [UUID(int=number) for number in numbers]
            assert {type(operation_id) for operation_id in found} == {UUID}

    async def test_uncommitted_changes_are_not_counted(self, store: Store) -> None:
        """Queries read committed rows."""
        async with store.units() as unit:
            await unit.operations.add(diverged(1, 10))
            assert await store.drift.diverged(10) == []
            assert await store.drift.drift() == Drift(None, {})
            await unit.commit()
        assert await store.drift.diverged(10) == [UUID(int=1)]


class TestMemory(OnMemory, DriftQueriesContract):
    pass


class TestPostgres(OnPostgres, DriftQueriesContract):
    pass
