"""Row locks in memory."""

import asyncio

from adapters.memory.storage.locks import RowLocks


async def test_what_others_wait_for_is_not_free() -> None:
    """Between the moment when it is let go and the one when the next holder has it: who skips locked rows would else
    wait in the line, and then write over what the next holder has changed."""
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


async def test_who_is_killed_waits_no_longer() -> None:
    """Its place in the line is nobody's."""
    locks = RowLocks()
    first, second, third = locks.holder(), locks.holder(), locks.holder()
    await first.take("row")
    waiting = asyncio.create_task(second.take("row"))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    first.release()
    assert third.free("row")
