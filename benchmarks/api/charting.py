"""Cost of the dashboard's charts on 100,000 and on ten million operations that finished in a week, without HTTP. The
figure is PostgreSQL's CPU time, which other work on the machine changes little.

The plain count reads the operations of the hour and of the week as a chart without the kept numbers would. Filling ten
million takes half an hour: runs only on request.
"""

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import datetime
from functools import partial
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.connection.driver import DatabaseSettings
from adapters.postgres.connection.engine import create_engine
from adapters.postgres.operations.operation_queries import PostgresQueries
from adapters.postgres.schema.migrations import migrate
from adapters.system.clock import SystemClock
from application.watch.throughput import ReadThroughput
from benchmarks.data.week import fill_week
from benchmarks.harness.measurement import Goal, Row, Scale, column, in_turns
from benchmarks.harness.processor_time import of_backend
from benchmarks.harness.stage import data_folder
from domain.access.principal import DEFAULT_TENANT
from domain.throughput import Window
from entrypoints.local.embedded.postgres import EmbeddedPostgres

PLAIN: Final = text(
    "SELECT date_trunc('hour', finished_at) AS hour, status, count(*) FROM opledger.operations"
    " WHERE tenant = :tenant AND finished_at > :since GROUP BY 1, 2"
)
BACKEND: Final = text("SELECT pg_backend_pid()")
GOAL: Final = Goal(50, "at most")


async def rows(scale: Scale) -> list[Row]:
    """Milliseconds of PostgreSQL's processor time for a call."""
    found: list[Row] = []
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(EmbeddedPostgres(stack.enter_context(data_folder())))
        for size in (scale.of(100_000, 3_000), scale.of(10_000_000, 6_000)):
            await server.create_database(f"of_{size}")
            url = server.url_for(f"of_{size}")
            await migrate(url)
            engine = create_engine(url, DatabaseSettings(statement_timeout=None, pool_size=2, max_overflow=0))
            await fill_week(engine, size, SystemClock())
            await engine.dispose()
            print(f"({size:,} filled)", end=" ", flush=True)
            engine = create_engine(url, DatabaseSettings(statement_timeout=None, pool_size=1, max_overflow=0))
            found += await _reading(engine, size, scale)
            await engine.dispose()
    return found


async def _reading(engine: AsyncEngine, size: int, scale: Scale) -> list[Row]:
    clock = SystemClock()
    read = ReadThroughput(PostgresQueries(engine), clock)
    now = clock.now()
    charts = {
        f"{name}, {window}": partial(call, DEFAULT_TENANT, window, *of)
        for window in Window
        for name, call, of in (("throughput", read.read, ()), ("durations of a type", read.durations, ("type-1",)))
    }
    plain = {window: partial(_plain, engine, window.since(now)) for window in (Window.HOUR, Window.WEEK)}
    each = scale.of(20, 2)
    calls: list[tuple[Callable[[], Awaitable[object]], int]] = [(call, each) for call in charts.values()]
    calls += [(call, 1) for call in plain.values()]
    figures = await in_turns(scale.repeats, *(partial(_timed, engine, call, many) for call, many in calls))
    taken = dict(zip([*charts, *plain], (column(figure, 0) for figure in figures), strict=True))
    own = [Row(f"{name}, {size:,} operations", "", "ms", taken[name], goal=GOAL) for name in charts]
    compared = [
        Row(f"throughput, {window}, {size:,}", "a plain count", "ms", taken[f"throughput, {window}"], taken[window])
        for window in plain
    ]
    return [*own, *compared]


async def _plain(engine: AsyncEngine, since: datetime) -> None:
    async with engine.connect() as connection:
        (await connection.execute(PLAIN, {"tenant": DEFAULT_TENANT, "since": since})).all()


async def _timed(engine: AsyncEngine, call: Callable[[], Awaitable[object]], each: int) -> tuple[float]:
    """Milliseconds of a call. The pool has one connection."""
    async with engine.connect() as connection:
        backend = int(await connection.scalar(BACKEND))
    begin = of_backend(backend)
    for _ in range(each):
        await call()
    return (1000 * (of_backend(backend) - begin) / each,)
