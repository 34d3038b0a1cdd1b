"""Reading the throughput, and durations over time, of a tenant."""

from datetime import timedelta

from adapters.memory.clock import MemoryClock
from adapters.memory.store import MemoryStore
from application.watch.throughput import ReadThroughput
from domain.durations import Durations
from domain.operation.status import OperationStatus
from domain.throughput import Bucket, Window
from tests.contract.storage.operations.test_operation_queries import lasting
from tests.support.operations import T0


async def reader() -> ReadThroughput:
    """Of a ledger with two operations: of half a minute an hour ago, and of ten seconds just now."""
    clock = MemoryClock()
    clock.advance(T0 + timedelta(hours=2) - clock.now())
    store = MemoryStore(clock)
    now = clock.now()
    async with store.units() as unit:
        before = lasting(OperationStatus.FAILED, 1, now - timedelta(minutes=59), 30)
        await unit.operations.add(before)
        await unit.operations.add(lasting(OperationStatus.COMPLETED, 2, now, 10))
        await unit.operations.add(lasting(OperationStatus.COMPLETED, 3, now, 10, type_name="backup"))
        await unit.commit()
    return ReadThroughput(store.queries, clock)


async def test_every_bucket_of_the_window_is_present() -> None:
    """Those without operations, too."""
    found = await (await reader()).read("default", Window.HOUR)
    assert len(found.buckets) == 60
    begin = T0 + timedelta(hours=1, minutes=1)
    assert found.buckets[0] == Bucket(begin, started=1, failed=1)
    assert set(found.buckets[1:-1]) == {Bucket(begin + timedelta(minutes=number)) for number in range(1, 59)}
    assert found.buckets[-1] == Bucket(T0 + timedelta(hours=2), started=2, completed=2)
    assert (found.started, found.completed, found.failed) == (3, 2, 1)


async def test_a_type_has_its_own_throughput() -> None:
    """And another tenant none."""
    read = await reader()
    assert (await read.read("default", Window.WEEK, "backup")).completed == 1
    assert (await read.read("other", Window.WEEK)).started == 0


async def test_durations_are_those_of_completed_operations_in_each_bucket() -> None:
    """None where none completed."""
    found = await (await reader()).durations("default", Window.HOUR, "deploy")
    assert [each for _, each in found.buckets[:-1]] == [Durations()] * 59
    assert found.buckets[-1] == (T0 + timedelta(hours=2), Durations(1, False, 10, 10, 10, 10, 10))
