"""What the queries over all tenants keep to."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from application.ports.drift_queries import Drift
from domain.operation.attention import AttentionKind
from domain.operation.lifecycle import complete
from domain.operation.operation import Change
from domain.operation.status import OperationStatus
from domain.scheduling.schedule import Verification
from tests.contract.stores import OnMemory, OnPostgres, Store, add, save, stored
from tests.contract.test_operation_queries import attentive, change_to
from tests.contract.test_operation_repository import accepted_change, add_running
from tests.support.operations import at, cause


def diverged(number: int, seconds: float, tenant: str = "default") -> Change:
    """A completed operation whose execution was run again."""
    change = change_to(OperationStatus.COMPLETED, number, tenant=tenant)
    return attentive(change, AttentionKind.DIVERGED, seconds)


def verified(change: Change, verification: Verification) -> Change:
    """The same, asked about then."""
    return replace(change, operation=replace(change.operation, verification=verification))


class DriftQueriesContract:
    """Subclasses give the store."""

    @pytest.fixture
    def store(self) -> Store:
        raise NotImplementedError

    async def test_nothing(self, store: Store) -> None:
        """Without operations, and with none that is open, there is no drift."""
        assert await store.drift.drift() == Drift(None, {})
        await add(store, accepted_change(1), change_to(OperationStatus.COMPLETED, 2))
        assert await store.drift.drift() == Drift(None, {})
        assert await store.drift.diverged(10) == []

    async def test_age_of_the_watermark(self, store: Store) -> None:
        """By the database's clock; below zero for one that is in the future."""
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

    async def test_oldest_unverified(self, store: Store) -> None:
        """It is when the engine last spoke of the open operation, of whatever tenant, of which it has spoken least
        lately; when that is to be asked about does not matter, a claimant may have it."""
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

    async def test_the_start_counts(self, store: Store) -> None:
        """The engine speaks of an operation when it takes its start."""
        await add_running(store)
        assert (await store.drift.drift()).oldest_unverified == at(1)

    async def test_attention(self, store: Store) -> None:
        """By kind, over all tenants; a kind that nothing has is not there."""
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

    async def test_diverged(self, store: Store) -> None:
        """Of every tenant, the latest first, up to the limit; other kinds of attention are not meant."""
        await add(store, diverged(1, 10), diverged(2, 30, "a"), diverged(3, 20), diverged(4, 30, "b"))
        await add(store, attentive(change_to(OperationStatus.RUNNING, 5), AttentionKind.STALLED, 99))
        for limit, numbers in ((10, [4, 2, 3, 1]), (3, [4, 2, 3]), (1, [4])):
            found = await store.drift.diverged(limit)
            assert found == [UUID(int=number) for number in numbers]
            assert {type(operation_id) for operation_id in found} == {UUID}

    async def test_what_is_committed(self, store: Store) -> None:
        """What a unit has not committed is not seen."""
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
