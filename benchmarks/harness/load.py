"""Many askers at once, each with one question under way: questions per second, and the time that 99 of 100 take.

The next question is asked when the last one is answered: a server that is slow is asked less often, and the times of
its answers are those of a server that has all that it can do. They compare servers; they are not what a client sees
of one that is not busy.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence

from benchmarks.harness.client import PATIENCE, Client, timed
from benchmarks.harness.measurement import quantile

Figures = tuple[float, float]
"""Questions per second; milliseconds."""


async def over_http(clients: Sequence[Client], requests: Iterable[bytes], expected: int = 200) -> Figures:
    """Over these connections. Raises RuntimeError on another status."""
    return _figures(*await timed(clients, requests, expected))


async def awaited(at_once: int, calls: Sequence[Callable[[], Awaitable[object]]]) -> Figures:
    """By so many tasks of this process."""
    took: list[float] = []
    remaining = iter(calls)

    async def one() -> None:
        for call in remaining:
            begin = time.perf_counter()
            await call()
            took.append(time.perf_counter() - begin)

    begin = time.perf_counter()
    async with asyncio.timeout(PATIENCE):
        await asyncio.gather(*(one() for _ in range(at_once)))
    return _figures(time.perf_counter() - begin, took)


def _figures(seconds: float, took: Sequence[float]) -> Figures:
    return len(took) / seconds, quantile(took, 0.99) * 1000
