"""Compares streams and long polling with polling every 2 s.

All clients wait for one operation, so that a change notifies all of them. Streams use one API process; long polling,
and afterwards polling, use another one. This process commits the change. The latency runs from before the commit until
the client's socket is readable here, so that with 5,000 sockets it includes time of this process. The load of streams
is the idle load and a tenth of the cost of one change: a change every ten seconds. If polling saturates the process,
its load is that of fewer requests than were due. Memory is the growth of the API's process, without the kernel's
buffers.
"""

import asyncio
import json
import os
import sys
from statistics import median
from uuid import UUID

from benchmarks.harness.measurement import Goal, Row, Scale, column, in_turns
from benchmarks.harness.stage import api, data_folder, database
from benchmarks.waiting.over_http import CHANGE_EVERY, POLL, Crowd, crowd
from benchmarks.waiting.writer import Writer
from entrypoints.process import raise_descriptor_limit

WAITERS = 5_000
_KIB = Goal(40, "at most")
_MS = Goal(100, "at most")


async def rows(scale: Scale) -> list[Row]:
    """Rows for memory, notification latency, and load of a processor."""
    raise_descriptor_limit()  # every client is a file here, and one in the API's process, which inherits this
    many = scale.of(WAITERS, 50)
    with data_folder() as folder:
        async with database(folder) as url:
            inside = await _inside(url, many, scale.repeats)
            print("(inside)", end=" ", flush=True)
            async with (
                Writer(url, UUID(int=1)) as one,
                Writer(url, UUID(int=2)) as other,
                api(url) as streaming,
                api(url) as asked,
            ):
                streams, waits = await crowd(*streaming, one, many), await crowd(*asked, other, many)
                return inside + await _over_http(scale, streams, waits, many)


async def _over_http(scale: Scale, streams: Crowd, waits: Crowd, many: int) -> list[Row]:
    await streams.open_streams()
    of_streams = streams.kib_each()
    await waits.begin_to_wait()
    of_waits = waits.kib_each()
    await waits.notify()
    print("(connected)", end=" ", flush=True)
    followed, waited, polled = await in_turns(scale.repeats, streams.follow, waits.wait, waits.poll)
    for client in (*streams.clients, *waits.clients):
        client.close()
    every = f"{many:,} polling every {POLL:g} s"
    note = (
        f"a change every {CHANGE_EVERY:g} s; of {many / POLL:,.0f} requests per second that were due, "
        f"{median(column(polled, 1)):,.0f} were answered"
    )
    load = (column(followed, 0), column(polled, 0))
    return [
        Row(f"{many:,} streams", every, "% of a processor", *load, Goal(1 / 20, "at most"), note),
        Row("memory of a stream", "", "KiB", (of_streams,), goal=_KIB, note="with its connection"),
        Row("memory of a wait over HTTP", "", "KiB", (of_waits,), goal=_KIB, note="with its connection"),
        Row(f"change to {many:,} streams, p99", "", "ms", column(followed, 1), goal=_MS),
        Row(f"change to {many:,} waits over HTTP, p99", "", "ms", column(waited, 0), goal=_MS),
    ]


async def _inside(url: str, many: int, repeats: int) -> list[Row]:
    command = (sys.executable, "-m", "benchmarks.waiting.inside", str(many), str(repeats + 1))
    child = await asyncio.create_subprocess_exec(
        *command, env={**os.environ, "DATABASE_URL": url}, stdout=asyncio.subprocess.PIPE
    )
    said, _ = await child.communicate()
    if child.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {child.returncode}")
    found = json.loads(said)
    return [
        Row("memory of a wait in the process", "", "KiB", (found["kib"],), goal=_KIB, note="without HTTP"),
        Row(f"change to {many:,} waits in the process, p99", "", "ms", tuple(found["ms"]), goal=_MS),
    ]
