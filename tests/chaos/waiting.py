"""Waiting for what other processes do: nothing tells us, so it is asked again and again."""

import asyncio
import time
from collections.abc import Awaitable, Callable


async def until(check: Callable[[], Awaitable[bool]], seconds: float, *, every: float = 0.1) -> bool:
    """Ask until the answer is yes; False if it never was."""
    deadline = time.monotonic() + seconds
    while not await check():
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(every)
    return True
