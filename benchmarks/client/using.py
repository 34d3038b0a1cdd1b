"""Cost of the Python client against httpx, of a command, and of long lists and waits.

The client is the synchronous one, with one call at a time, so that its overhead is added to the time of a call. Memory
is the largest resident size of a process that does nothing else, by Linux: `ru_maxrss` would have that of the parent in
it.
"""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final
from uuid import UUID

import httpx

from benchmarks.data.rows import EVERY, fill, running
from benchmarks.harness.measurement import Goal, Row, Scale, column, in_turns
from benchmarks.harness.stage import api, data_folder, database
from opledger import Client
from opledger._client.filters import MAX_VALUES

WAITED: Final = 500
SHORT: Final = 1_000
"""Operations of the short list, whose memory is compared with that of the long one."""
LIST: Final = """
import re, sys
from itertools import islice
from opledger import Client
with Client(sys.argv[1]) as ledger:
    listed = sum(1 for _ in islice(ledger.list(page_size=200), int(sys.argv[2])))
assert listed == int(sys.argv[2]), listed
print(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1])
"""


async def rows(scale: Scale) -> list[Row]:
    """Calls per second, seconds, memory and calls."""
    many = scale.of(100_000, 2 * SHORT)
    async with _ledger(many) as url:
        ids = running(many)
        made = await asyncio.to_thread(_submit, url)
        gets = scale.of(1_000, 50)
        ours, bare, command, short, long, waited = await in_turns(
            scale.repeats,
            lambda: asyncio.to_thread(_client_gets, url, ids[:gets]),
            lambda: asyncio.to_thread(_bare_gets, url, ids[:gets]),
            lambda: _command(url, "get", made),
            lambda: _list(url, SHORT),
            lambda: _list(url, many),
            lambda: asyncio.to_thread(_wait, url, ids[: scale.of(WAITED, 20)], scale.of(10, 3)),
        )
    note = "one call at a time, on a connection that is kept open"
    return [
        Row("Client.get", "bare httpx", "1/s", column(ours, 0), column(bare, 0), Goal(0.7, "at least"), note),
        Row("`opledger get`", "", "s", column(command, 0), goal=Goal(0.3, "at most"), note="the whole process"),
        Row(
            *(f"memory of a list of {many:,}", f"of {SHORT:,}", "MiB"),
            *(column(long, 0), column(short, 0), Goal(1.1, "at most")),
            note="largest resident size of the process",
        ),
        Row(
            *(f"streams of a wait for {WAITED}", "", "calls", column(waited, 0)),
            goal=Goal(1, "at most"),
            note="each operation is also read once, 20 in a request",
        ),
        Row(
            *(f"other requests of a wait for {WAITED}", "", "calls", column(waited, 1)),
            goal=Goal(WAITED / MAX_VALUES, "at most"),
        ),
    ]


@asynccontextmanager
async def _ledger(many: int) -> AsyncIterator[str]:
    """Yields the URL of an API with `many` operations, most of them RUNNING."""
    assert many > WAITED * EVERY
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(data_folder())
        database_url = await stack.enter_async_context(database(folder))
        await fill(database_url, many)
        _, port = await stack.enter_async_context(api(database_url))
        yield f"http://127.0.0.1:{port}"


def _submit(url: str) -> str:
    """Returns the id of an operation with a history."""
    with Client(url) as ledger:
        return ledger.submit("deploy", {"machine": "m1", "seconds": 3}).id


def _client_gets(url: str, ids: Sequence[UUID]) -> tuple[float]:
    with Client(url) as ledger:
        return _rate(ledger.get, ids)


def _bare_gets(url: str, ids: Sequence[UUID]) -> tuple[float]:
    with httpx.Client(base_url=url) as http:
        return _rate(lambda one: http.get(f"/v1/operations/{one}").raise_for_status().json(), ids)


def _rate(get: Callable[[UUID], object], ids: Sequence[UUID]) -> tuple[float]:
    get(ids[0])  # connects
    begin = time.perf_counter()
    for one in ids:
        get(one)
    return (len(ids) / (time.perf_counter() - begin),)


async def _command(url: str, *words: str) -> tuple[float]:
    """Returns the seconds of a command, process start included."""
    program = str(Path(sys.executable).with_name("opledger"))
    begin = time.perf_counter()
    await _output(program, *words, "--url", url)
    return (time.perf_counter() - begin,)


async def _list(url: str, many: int) -> tuple[float]:
    """Returns the MiB of a process that lists `many` operations."""
    return (int(await _output(sys.executable, "-c", LIST, url, str(many))) / 1024,)


async def _output(*command: str) -> bytes:
    """Returns the output of a command. Raises RuntimeError if it fails."""
    started = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    printed, _ = await started.communicate()
    if started.returncode:
        raise RuntimeError(f"{command[:2]} failed")
    return printed


class _Counting(httpx.HTTPTransport):
    """Counts streams and other requests."""

    def __init__(self) -> None:
        super().__init__()
        self.streams = self.others = 0

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        is_stream = request.url.path.endswith("/events")
        self.streams += is_stream
        self.others += not is_stream
        return super().handle_request(request)


def _wait(url: str, ids: Sequence[UUID], seconds: float) -> tuple[float, float]:
    """Returns the streams and other requests of a wait for operations that stay open."""
    transport = _Counting()
    with Client(url, transport=transport) as ledger:
        try:
            ended = [operation.id for operation in ledger.as_completed(ids, seconds)]
        except TimeoutError:
            return transport.streams, transport.others
    raise RuntimeError(f"{len(ended)} operations have ended")
