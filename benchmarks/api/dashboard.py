"""Measures the dashboard on a ledger with a million operations that ended in the last week: its first page, its list,
the time from a change until open pages have it, and the cost of 200 open pages.

The alternative of a page is to count its numbers from the rows, as a dashboard without stored counts would, on a
connection of its own, without list, charts, HTML and HTTP. Filling a million rows takes minutes, so this runs only on
request.
"""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Final
from uuid import UUID

import psutil

from adapters.postgres.connection.driver import Connection, DatabaseSettings
from adapters.postgres.connection.engine import create_engine
from adapters.system.clock import SystemClock
from benchmarks.data.ledger_rows import connection, insert
from benchmarks.data.week import fill_week
from benchmarks.harness.client import TIMEOUT, Client, connected, request, timed
from benchmarks.harness.measurement import Goal, Row, Scale, column, in_turns, quantile
from benchmarks.harness.processor_time import API, POSTGRES, PROCESSES, Spent
from benchmarks.harness.stage import api, data_folder, database, processor
from domain.operation.status import OperationStatus
from entrypoints.ui.live.shared_view import INTERVAL

OPEN: Final = 1_000
"""Operations that run. One in three needs attention."""
PAGES: Final = 200
"""Open pages: half of them Now, half of them lists."""
SECONDS: Final = 6.0
"""Seconds for which open pages are measured."""
EVERY: Final = 0.5
"""Seconds between two changes in this time."""
FLUSHED: Final = 2.0
"""Seconds after which PostgreSQL's statistics include all transactions."""
SPENT: Final = "of the API and of PostgreSQL: what a page takes on a machine that nothing else keeps busy"
SUBMISSION: Final = b'{"type": "deploy", "input": {"machine": "machine-1", "seconds": 3}}'
COUNTED: Final = (
    "SELECT type, status, error_code, count(*) FROM opledger.operations WHERE tenant = 'default' GROUP BY 1, 2, 3",
    "SELECT count(*) FROM opledger.operations WHERE tenant = 'default' AND attention_kind IS NOT NULL",
    """
    SELECT date_trunc('minute', finished_at), status, count(*) FROM opledger.operations
    WHERE tenant = 'default' AND finished_at > now() - interval '1 hour' GROUP BY 1, 2
    """,
)
ATTENTION: Final = """
UPDATE opledger.operations SET attention_kind = 'STALLED', attention_since = now(), attention_message = 'no progress',
    revision = revision + 1, version = version + 1
WHERE status = 'RUNNING' AND ('x' || right(id::text, 4))::bit(16)::integer % 3 = 0
"""
TRANSACTIONS: Final = "SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = current_database()"
_STREAM: Final = re.compile(rb'hx-sse:connect="([^"]+)"')


async def rows(scale: Scale) -> list[Row]:
    """Milliseconds of a page and of a change, kibibytes of a page, and the cost of open pages."""
    many = scale.of(1_000_000, 6_000)
    async with _subject(many) as it:
        each = scale.of(40, 5)
        now, listed, counted, change = await in_turns(
            scale.repeats,
            partial(it.load, "/", each),
            partial(it.load, "/operations", each),
            partial(it.count, 1),
            partial(it.change, scale.of(5, 2)),
        )
        few, all_ = await in_turns(min(scale.repeats, 3), partial(it.follow, 1), partial(it.follow, PAGES // 2))
    name, theirs, goal = f"of {many:,}", "its numbers counted", Goal(100, "at most")
    bytes_goal = Goal(60_000 / 1024, "at most")
    return [
        Row(f"first page {name}", theirs, "ms", column(now, 0), column(counted, 0), note="one client; the mean"),
        Row(f"first page {name}, p99", "", "ms", column(now, 1), goal=goal),
        Row(f"first page {name}, processor time", "", "ms", column(now, 3), goal=goal, note=SPENT),
        Row(f"list {name}", theirs, "ms", column(listed, 0), column(counted, 0), note="one client; the mean"),
        Row(f"list {name}, p99", "", "ms", column(listed, 1), goal=goal),
        Row(f"list {name}, processor time", "", "ms", column(listed, 3), goal=goal, note=SPENT),
        Row("first page, without scripts and styles", "", "KiB", column(now, 2), goal=bytes_goal),
        Row("list, without scripts and styles", "", "KiB", column(listed, 2), goal=bytes_goal),
        Row("submission until an open list announces it", "", "ms", column(change, 0), goal=Goal(200, "at most")),
        Row("submission until an open first page shows it", "", "ms", column(change, 1), goal=Goal(200, "at most")),
        Row(
            f"transactions of {PAGES} open pages",
            "2 open pages",
            "1/s",
            column(all_, 0),
            column(few, 0),
            Goal(1.1, "at most"),
            f"while an operation is submitted every {EVERY} s, whose own transactions are in both",
        ),
        Row(f"{PAGES} open pages", "2 open pages", "% of a processor", column(all_, 1), column(few, 1)),
    ]


@dataclass(frozen=True)
class _Subject:
    """The API, and direct access to its database."""

    server: psutil.Process
    port: int
    client: Client
    ledger: Connection

    async def load(self, path: str, many: int) -> tuple[float, float, float, float]:
        """Loads the page `many` times. Returns the mean and the p99 in milliseconds, its size in kibibytes, and the
        processor time of the API and of PostgreSQL in milliseconds for each load."""
        spent = Spent()
        _, took = await timed([self.client], [request("GET", path)] * many, 200)
        processors = dict(zip(PROCESSES, spent.on_each(many), strict=True))
        body = (await self.client.send(request("GET", path))).partition(b"\r\n\r\n")[2]
        used = processors[API] + processors[POSTGRES]
        return 1000 * sum(took) / many, 1000 * quantile(took, 0.99), len(body) / 1024, used

    async def count(self, many: int) -> tuple[float]:
        """Milliseconds of the plain counts."""
        begin = time.perf_counter()
        for _ in range(many):
            for statement in COUNTED:
                await self.ledger.fetch(statement)
        return (1000 * (time.perf_counter() - begin) / many,)

    async def change(self, many: int) -> tuple[float, float]:
        """Longest milliseconds of `many` submissions until an open list, and an open first page, have the operation."""
        taken: list[tuple[float, float]] = []
        async with self._open("/operations") as listed, self._open("/") as now:
            for _ in range(many):
                await asyncio.sleep(INTERVAL * 1.5)  # the page shows all earlier changes
                begin = time.perf_counter()
                _, *ends = await asyncio.gather(
                    self._submit(), listed.until(b"event: new"), now.until(b'id="now-stats"')
                )
                taken.append((ends[0] - begin, ends[1] - begin))
        return max(each[0] for each in taken) * 1000, max(each[1] for each in taken) * 1000

    async def follow(self, of_each: int) -> tuple[float, float]:
        """Returns, with so many open lists and first pages, the transactions per second and the load in percent of a
        processor."""
        async with AsyncExitStack() as stack:
            for path in ("/operations", "/"):
                for _ in range(of_each):
                    await stack.enter_async_context(self._open(path))
            await asyncio.sleep(FLUSHED)
            before, used, begin = await self._transactions(), processor(self.server), time.perf_counter()
            while time.perf_counter() - begin < SECONDS:
                await self._submit()
                await asyncio.sleep(EVERY)
            seconds = time.perf_counter() - begin
            load = (processor(self.server) - used) / seconds * 100
        await asyncio.sleep(FLUSHED)
        return (await self._transactions() - before) / seconds, load

    async def _submit(self) -> None:
        answer = await self.client.send(request("POST", "/v1/operations", body=SUBMISSION))
        if b" 202 " not in answer[:16]:
            raise RuntimeError(f"answered {answer[:400]!r}")

    async def _transactions(self) -> int:
        return int(await self.ledger.fetchval(TRANSACTIONS))

    @asynccontextmanager
    async def _open(self, path: str) -> AsyncIterator["_Stream"]:
        """The stream of a page, as a browser opens it."""
        page = await self.client.send(request("GET", path))
        found = _STREAM.search(page)
        if found is None:
            raise RuntimeError(f"{path} has no stream")
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(request("GET", found[1].decode().replace("&amp;", "&")))
        stream = _Stream(reader)
        reading = asyncio.create_task(stream.read())
        try:
            await stream.until(b"text/event-stream")
            yield stream
        finally:
            reading.cancel()
            writer.close()


class _Stream:
    """The stream of an open page, which is read continuously, as by a browser."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self._reader = reader
        self._text = b""
        self._arrived = asyncio.Condition()

    async def read(self) -> None:
        """Reads until the connection is closed."""
        while text := await self._reader.read(2**16):
            async with self._arrived:
                self._text = self._text[-100:] + text
                self._arrived.notify_all()

    async def until(self, words: bytes) -> float:
        """Waits for the words; returns when they arrived, on `time.perf_counter`. Raises TimeoutError."""
        self._text = b""
        async with asyncio.timeout(TIMEOUT), self._arrived:
            await self._arrived.wait_for(lambda: words in self._text)
        return time.perf_counter()


@asynccontextmanager
async def _subject(many: int) -> AsyncIterator[_Subject]:
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(database(stack.enter_context(data_folder())))
        ledger = await stack.enter_async_context(connection(url))
        await insert(ledger, _ids(), OperationStatus.RUNNING)
        await ledger.execute(ATTENTION)
        engine = create_engine(url, DatabaseSettings(statement_timeout=None, pool_size=2, max_overflow=0))
        await fill_week(engine, many, SystemClock())
        await engine.dispose()
        print("(filled)", end=" ", flush=True)
        server, port = await stack.enter_async_context(api(url))
        [client] = await connected(port, 1)
        yield _Subject(server, port, client, ledger)
        client.close()


def _ids() -> Sequence[UUID]:
    """Ids that are greater than those of the week."""
    return [UUID(int=2**64 + number) for number in range(OPEN)]
