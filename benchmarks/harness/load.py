"""Closed-loop load: requests per second and p99.

Each client sends its next request when the last one is answered, so that a slow server receives fewer. The latencies
are those of a saturated server: they compare servers, and are higher than those of a server with free capacity.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence

from benchmarks.harness.client import TIMEOUT, Client, timed
from benchmarks.harness.measurement import quantile

Figures = tuple[float, float]
"""Requests per second, and p99 in milliseconds."""


async def over_http(clients: Sequence[Client], requests: Iterable[bytes], expected: int = 200) -> Figures:
    """Sends the requests over these connections. Raises RuntimeError on another status."""
    return _figures(*await timed(clients, requests, expected))


async def awaited(at_once: int, calls: Sequence[Callable[[], Awaitable[object]]]) -> Figures:
    """Runs the calls in `at_once` tasks of this process."""
    took: list[float] = []
    remaining = iter(calls)

    async def one() -> None:
        for call in remaining:
            begin = time.perf_counter()
            await call()
            took.append(time.perf_counter() - begin)

    begin = time.perf_counter()
    async with asyncio.timeout(TIMEOUT):
        await asyncio.gather(*(one() for _ in range(at_once)))
    return _figures(time.perf_counter() - begin, took)


def _figures(seconds: float, took: Sequence[float]) -> Figures:
    return len(took) / seconds, quantile(took, 0.99) * 1000
