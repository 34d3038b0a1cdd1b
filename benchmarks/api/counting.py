"""Cost of counts, durations and lists by finish time on 100,000 and on ten million operations, without HTTP; and the
cost of the stored counts and of the index of durations for a group of saves.

The plain count reads the rows as a count without the kept ones would. For the saves, other databases are without the
counts, with the index that they replace, without the throughput, without the index of durations, and without all
three. A further one of the same kind is the control. The figure is PostgreSQL's processor time for a group and its
commit, which depends less than elapsed time on what else runs. Filling ten million takes long: only on request.
"""

import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from datetime import timedelta
from functools import partial
from itertools import islice
from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.connection.driver import DatabaseSettings
from adapters.postgres.connection.engine import create_engine
from adapters.postgres.operations.operation_queries import PostgresQueries
from adapters.postgres.schema.migrations import migrate
from adapters.postgres.unit_of_work import PostgresUnitsOfWork
from adapters.system.clock import SystemClock
from application.ports.storage.operation_queries import OperationFilter, SortTime
from application.watch.durations import SAMPLE
from benchmarks.data.rows import BEGIN, EVERY, fill, place, running
from benchmarks.harness.measurement import Goal, Row, Scale, column, in_turns
from benchmarks.harness.processor_time import of_backend
from benchmarks.harness.stage import data_folder
from domain.access.principal import DEFAULT_TENANT
from domain.operation.lifecycle import complete
from domain.operation.operation import Cause
from domain.operation.transition import Source
from entrypoints.local.embedded.postgres import EmbeddedPostgres
from migrations.versions.r0029_throughput import COUNTED_BEFORE

GROUP: Final = 32
PAGE: Final = 50
DEPTH: Final = 600
"""Pages of the small ledger's list before the deep page."""
_NO_COUNTS: Final = (
    *(f"DROP TRIGGER operations_{event}_counted ON opledger.operations" for event in ("insert", "update", "delete")),
    "CREATE INDEX ix_operations_counts ON opledger.operations (tenant, type, status)",
)
_NO_DURATIONS: Final = ("DROP INDEX opledger.ix_operations_durations",)
WITHOUT: Final = {
    "the same again, as a control": (),
    "without counts": _NO_COUNTS,
    "without the throughput": ("SET LOCAL search_path = opledger, pg_temp", COUNTED_BEFORE),
    "without the index of durations": _NO_DURATIONS,
    "without all three": _NO_COUNTS + _NO_DURATIONS,
}
"""Statements that remove a feature from a database. The triggers of the counts also write the throughput."""
END: Final = BEGIN + timedelta(days=366)
BACKEND: Final = text("SELECT pg_backend_pid()")
PLAIN: Final = text(
    "SELECT type, status, error_code, count(*) FROM opledger.operations WHERE tenant = :tenant GROUP BY 1, 2, 3"
)


async def rows(scale: Scale) -> list[Row]:
    """Milliseconds of a call."""
    sizes = [scale.of(100_000, 3_000), scale.of(10_000_000, 6_000)]
    found: list[Row] = []
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(EmbeddedPostgres(stack.enter_context(data_folder())))
        for size in sizes:
            engine = await _database(server, f"of_{size}", size)
            found += await _reading(engine, size, scale)
            await engine.dispose()
        found += await saving(server, sizes[0], scale)
    return found


async def saving(server: EmbeddedPostgres, size: int, scale: Scale) -> list[Row]:
    """Milliseconds of PostgreSQL's processor time for a group of saves."""
    engines = [await _database(server, "saving_now", size)]
    for number, statements in enumerate(WITHOUT.values()):
        engines.append(await _database(server, f"saving_{number}", size, statements))
    groups = scale.of(50, 20)
    saved = [partial(_saved, engine, iter(running(size)), groups) for engine in engines]
    ours, *others = await in_turns(scale.repeats, *saved)
    for engine in engines:
        await engine.dispose()
    name, goal = f"processor time of a group of {GROUP} saves", Goal(1.03, "at most")
    return [
        Row(name, what, "ms", column(ours, 0), column(theirs, 0), goal)
        for what, theirs in zip(WITHOUT, others, strict=True)
    ]


async def _database(server: EmbeddedPostgres, name: str, size: int, statements: Sequence[str] = ()) -> AsyncEngine:
    await server.create_database(name)
    url = server.url_for(name)
    await migrate(url)
    await fill(url, size)
    engine = create_engine(url, DatabaseSettings(statement_timeout=None, pool_size=1, max_overflow=0))
    async with engine.begin() as connection:
        for statement in statements:
            await connection.execute(text(statement))
    return engine


async def _reading(engine: AsyncEngine, size: int, scale: Scale) -> list[Row]:
    queries = PostgresQueries(engine)(DEFAULT_TENANT)
    depth = min(DEPTH, size // EVERY // PAGE - 1)
    deep = place((size // EVERY - depth * PAGE) * EVERY)
    listed = partial(queries.page, OperationFilter(finished_after=BEGIN), newest_first=True, limit=PAGE)
    calls: list[Callable[[], Awaitable[object]]] = [
        queries.counts,
        partial(_plain, engine),
        partial(listed, after=None, by=SortTime.FINISHED),
        partial(listed, after=deep, by=SortTime.FINISHED),
        partial(queries.durations, "deploy", BEGIN, END, SAMPLE),
    ]
    each = scale.of(100, 5)
    counted, plain, first, behind, timed = await in_turns(
        scale.repeats, *(partial(_timed, call, 1 if place == 1 else each) for place, call in enumerate(calls))
    )
    lists = f"finished operations of {size:,}, page"
    return [
        Row(f"count, {size:,} operations", "", "ms", column(counted, 0), goal=Goal(20, "at most")),
        Row(f"count, {size:,} operations", "a plain count", "ms", column(counted, 0), column(plain, 0)),
        Row(f"durations, {size:,} operations", "", "ms", column(timed, 0), goal=Goal(50, "at most")),
        Row(f"{lists} {depth + 1}", "page 1", "ms", column(behind, 0), column(first, 0), Goal(1.2, "at most")),
    ]


async def _plain(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        (await connection.execute(PLAIN, {"tenant": DEFAULT_TENANT})).all()


async def _timed(call: Callable[[], Awaitable[object]], each: int) -> tuple[float]:
    begin = time.perf_counter()
    for _ in range(each):
        await call()
    return (1000 * (time.perf_counter() - begin) / each,)


async def _saved(engine: AsyncEngine, ids: Iterator[UUID], groups: int) -> tuple[float]:
    """Milliseconds of PostgreSQL's processor time for a group. The pool has one connection."""
    spent = 0.0
    async with engine.connect() as connection:
        backend = int(await connection.scalar(BACKEND))
    for _ in range(groups):
        async with PostgresUnitsOfWork(engine)() as unit:
            found = await unit.operations.get_all(list(islice(ids, GROUP)))
            cause = Cause(Source.CALLBACK, "measured", SystemClock().now())
            changes = [complete(operation, {"ok": True}, cause) for operation in found.values()]
            before = of_backend(backend)
            await unit.operations.save_all(changes)
            await unit.commit()
            spent += of_backend(backend) - before
    return (1000 * spent / groups,)
