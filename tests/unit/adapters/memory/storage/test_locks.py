"""Row locks, in memory."""

import asyncio

from adapters.memory.storage.locks import RowLocks


async def test_a_released_lock_with_waiters_is_not_free() -> None:
    """Otherwise a caller that skips locked rows would queue behind the next holder and overwrite its change."""
    locks = RowLocks()
    first, second, third = locks.holder(), locks.holder(), locks.holder()
    await first.take("row")
    waiting = asyncio.create_task(second.take("row"))
    await asyncio.sleep(0)
    first.release()
    assert not third.free("row")
    await waiting
    assert not third.free("row")
    second.release()
    assert third.free("row")


async def test_a_cancelled_waiter_leaves_the_queue() -> None:
    """Its place is free."""
    locks = RowLocks()
    first, second, third = locks.holder(), locks.holder(), locks.holder()
    await first.take("row")
    waiting = asyncio.create_task(second.take("row"))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    first.release()
    assert third.free("row")
