"""What it costs to let many wait, and how soon a change reaches them, against letting them ask every two seconds.

All wait for one operation, which is the most that one change can set off. Those with streams have one API process, and
those with long requests, who afterwards are the ones that ask again and again, another, so that neither pays for the
others. A change is committed by this process, and its time runs from before the commit until a client's socket can be
read here: with 5,000 of them this process takes its part of it. The load of streams is that of nothing happening, and a
tenth of what one change costs: a change every ten seconds. Where those who poll want more than the process has,
their load is what it has, and less than what they want. Memory is what the API's process grows by; the kernel's
buffers are not in it.
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
    """Memory, milliseconds, and the load of a processor."""
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
    await waits.told()
    print("(connected)", end=" ", flush=True)
    followed, waited, polled = await in_turns(scale.repeats, streams.follow, waits.wait, waits.poll)
    for client in (*streams.clients, *waits.clients):
        client.close()
    every = f"{many:,} polling every {POLL:g} s"
    note = (
        f"a change every {CHANGE_EVERY:g} s; of {many / POLL:,.0f} questions a second that were to be asked, "
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
