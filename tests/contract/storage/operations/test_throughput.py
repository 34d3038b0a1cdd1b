"""Contract of the throughput: what started and ended, by bucket, type, status and error code."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from application.ports.storage.operation_queries import ThroughputCounts
from domain.durations import Durations
from domain.operation.lifecycle import complete, fail, note, start
from domain.operation.operation_error import ErrorCode, OperationError
from domain.operation.status import OperationStatus
from domain.retention import Cutoffs
from domain.throughput import Window
from tests.contract.storage.operations.test_operation_queries import BOOM, change_to, lasting, request_cancelled
from tests.contract.storage.operations.test_operation_repository import accepted_change, dispatched_change
from tests.contract.storage.stores import OnMemory, OnPostgres, Store, add, save
from tests.support.operations import T0, at, cause

_, R, C, F = OperationStatus
FAILED = ErrorCode.WORKFLOW_FAILED
NOTHING = ThroughputCounts({}, {})
HALF_A_DAY = timedelta(hours=12)


async def throughput(store: Store, window: Window = Window.HOUR, **fields: Any) -> ThroughputCounts:
    """Returns the throughput since T0."""
    tenant = fields.pop("tenant", "default")
    found: ThroughputCounts = await store.queries(tenant).throughput(
        window, fields.pop("since", T0), fields.pop("of", None)
    )
    return found


async def fold(store: Store, now: datetime = T0, limit: int = 1000) -> None:
    """Merges changes and commits."""
    async with store.units() as unit:
        await unit.operations.fold_throughput(now, limit)
        await unit.commit()


class ThroughputContract:
    """Times are the operations' own, not those of the changes."""

    async def test_starts_and_ends_are_counted_in_their_minutes(self, store: Store) -> None:
        """An operation that is first seen when it has ended has started, too."""
        await add(store, lasting(C, 1, at(59), 2), lasting(F, 2, at(61), 100), change_to(R, 3, 120))
        await add(store, accepted_change(4), request_cancelled(5))
        found = await throughput(store)
        assert found.by_bucket == {
            (at(0), R): 1,
            (at(60), R): 1,
            (at(120), R): 1,
            (at(60), C): 1,
            (at(120), F): 1,
            (at(0), F): 1,
        }
        assert found.totals == {
            ("deploy", R, None): 3,
            ("deploy", C, None): 1,
            ("deploy", F, FAILED): 1,
            ("deploy", F, ErrorCode.CANCELED): 1,
        }

    async def test_a_change_counts_once(self, store: Store) -> None:
        """Changes that neither start nor end an operation do not count."""
        await add(store, accepted_change(1))
        async with store.units() as unit:
            stored = await unit.operations.get(UUID(int=1))
        assert stored is not None
        dispatched = await save(store, dispatched_change(stored))
        assert await throughput(store) == NOTHING
        running = await save(store, start(dispatched, cause(30)))
        running = await save(store, note(running, cause(90)))
        await save(store, complete(running, 1, cause(95)))
        assert (await throughput(store)).by_bucket == {(at(0), R): 1, (at(60), C): 1}

    async def test_a_rollback_counts_nothing(self, store: Store) -> None:
        """The numbers are part of the transaction."""
        async with store.units() as unit:
            await unit.operations.add(lasting(C, 1, at(0), 2))
        assert await throughput(store) == NOTHING

    async def test_deleted_operations_still_count(self, store: Store) -> None:
        """They started and ended."""
        await add(store, lasting(C, 1, at(0), 2))
        before = await throughput(store)
        async with store.units() as unit:
            expired = await unit.operations.expired(Cutoffs(at(10**6)), 10)
            assert await unit.operations.delete_all(expired) == expired.keys() != set()
            await unit.commit()
        assert await throughput(store) == before != NOTHING

    async def test_only_a_tenants_operations_count(self, store: Store) -> None:
        """The throughput of a type counts operations of the type only."""
        await add(store, lasting(C, 1, at(0), 2), lasting(F, 2, at(0), 2, type_name="backup"))
        await add(store, lasting(C, 3, at(0), 2, tenant="other", type_name="theirs"))
        await fold(store, limit=1)
        mine = await throughput(store)
        assert {type_name for type_name, _, _ in mine.totals} == {"deploy", "backup"}
        assert mine.by_bucket == {(at(0), R): 2, (at(0), C): 1, (at(0), F): 1}
        backups = await throughput(store, of="backup")
        assert (backups.by_bucket, backups.totals) == (
            {(at(0), R): 1, (at(0), F): 1},
            {("backup", R, None): 1, ("backup", F, FAILED): 1},
        )
        assert await throughput(store, of="theirs") == NOTHING
        assert await throughput(store, of="\0") == await throughput(store, tenant="\0") == NOTHING
        assert await throughput(store, tenant="nobody") == NOTHING

    @pytest.mark.parametrize("folds", [0, 1, 2])
    @pytest.mark.parametrize("window", Window)
    async def test_buckets_are_those_of_the_window(self, store: Store, window: Window, folds: int) -> None:
        """Merged, partly merged, or not."""
        begins = [at(0), at(59), at(60), at(900), at(3599), at(3600), at(7200)]
        await add(store, *(lasting(C, number, begin, 0) for number, begin in enumerate(begins, 1)))
        for _ in range(folds):
            await fold(store, limit=5)
        found = await throughput(store, window)
        expected: dict[tuple[datetime, OperationStatus], int] = {}
        for begin in begins:
            for status in (R, C):
                key = (window.start_of(begin), status)
                expected[key] = expected.get(key, 0) + 1
        assert found.by_bucket == expected
        since = window.start_of(at(3600))
        later = await throughput(store, window, since=since)
        assert later.by_bucket == {key: many for key, many in expected.items() if key[0] >= since}
        assert later.totals["deploy", C, None] == sum(begin >= since for begin in begins)

    async def test_more_in_a_merged_bucket_add_up(self, store: Store) -> None:
        """Before and after a fold."""
        for number in range(1, 7):
            await add(store, lasting(F, number, at(number), 1))
            if number % 2:
                await fold(store)
            assert (await throughput(store)).by_bucket == {(at(0), R): number, (at(0), F): number}

    async def test_old_buckets_are_deleted_and_recent_ones_stay(self, store: Store) -> None:
        """Each window keeps its own."""
        await add(store, lasting(C, 1, at(0), 0))
        await fold(store)
        await add(store, lasting(C, 2, at(0), 0))
        await fold(store, T0 + HALF_A_DAY)
        expected = {(at(0), R): 2, (at(0), C): 2}
        assert (await throughput(store, Window.DAY)).by_bucket == expected
        assert (await throughput(store, Window.WEEK)).by_bucket == expected
        await fold(store, T0 + timedelta(days=15))
        assert await throughput(store, Window.WEEK) == NOTHING

    async def test_durations_between_times(self, store: Store) -> None:
        """Of completed operations of the type. The first time of each is inclusive; of many, the newest count."""
        for number in range(1, 6):
            await add(store, lasting(C, number, at(10 - number), number))
        await add(store, lasting(C, 6, at(10), 10), lasting(F, 7, at(1), 1), change_to(R, 8))
        await add(store, lasting(C, 9, at(0), 1, tenant="other"), lasting(C, 10, at(0), 1, type_name="backup"))
        queries = store.queries("default")
        times = [at(0), at(10), at(20), at(30)]
        found = await queries.durations_between("deploy", times, 10)
        assert found == [Durations(), Durations(5, False, 3, 5, 5, 5, 5), Durations(1, False, 10, 10, 10, 10, 10)]
        await add(store, lasting(C, 11, at(12), 7))
        [newest] = await queries.durations_between("deploy", [at(10), at(20)], 1)
        assert newest == Durations(1, True, 7, 7, 7, 7, 7)
        for name in ("unknown", "\0"):
            assert await queries.durations_between(name, times, 10) == [Durations()] * 3
        assert await store.queries("nobody").durations_between("deploy", times, 10) == [Durations()] * 3

    async def test_a_failure_counts_with_its_code(self, store: Store) -> None:
        """Each type has its own count."""
        await add(store, change_to(R, 1, type_name="a"), change_to(R, 2, type_name="b"))
        for number, code in ((1, ErrorCode.TIMED_OUT), (2, ErrorCode.TERMINATED)):
            async with store.units() as unit:
                running = await unit.operations.get(UUID(int=number))
            assert running is not None
            await save(store, fail(running, OperationError(code, BOOM.message), cause(5)))
        totals = (await throughput(store)).totals
        assert {key: many for key, many in totals.items() if key[1] is F} == {
            ("a", F, ErrorCode.TIMED_OUT): 1,
            ("b", F, ErrorCode.TERMINATED): 1,
        }


class TestMemory(ThroughputContract, OnMemory):
    pass


class TestPostgres(ThroughputContract, OnPostgres):
    pass
