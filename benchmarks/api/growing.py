"""How the cost of calls grows with the ledger: 100,000 against ten million operations, and a million operations of one
tenant against those of a thousand tenants.

The calls are made in this process, one after another, without HTTP: two ledgers differ only in PostgreSQL's
work. All are on one server, with its default memory for buffers, which the large ledger does not fit into; the system's
own memory for files holds it, so that a machine with less of it reads from disk where this one does not. Histories are
not filled in. Filling takes most of half an hour: runs only on request.
"""

import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Final
from uuid import UUID

from sqlalchemy import text

from adapters.postgres.schema.migrations import migrate
from application.submit.submission import Submission
from benchmarks.api.listing import CRITERIA, PAGE
from benchmarks.data.rows import EVERY, fill, operation_id, place
from benchmarks.harness.measurement import Row, Scale, column, in_turns
from benchmarks.harness.stage import data_folder
from domain.access.principal import DEFAULT_TENANT
from domain.evidence.observation import ExecutionState, Observation
from domain.operation.transition import Source
from entrypoints.local.demo_types import DEMO_TYPES
from entrypoints.local.embedded.postgres import EmbeddedPostgres
from entrypoints.settings.settings import Settings
from entrypoints.wiring.api import ApiServices, wired

TENANTS: Final = 1_000
DEPTH: Final = 600
"""Pages of the small ledger's list before the deep page."""
CALLS: Final = ("read one", "list, page 1", "list, deep page", "accept", "record an end", "count")
Call = Callable[[], Awaitable[object]]


async def rows(scale: Scale) -> list[Row]:
    """Milliseconds of a call."""
    small, large, shared = scale.of(100_000, 3_000), scale.of(10_000_000, 9_000), scale.of(1_000_000, 6_000)
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(EmbeddedPostgres(stack.enter_context(data_folder())))
        made = [(small, 1), (large, 1), (shared, 1), (shared, min(TENANTS, shared // 500))]
        ledgers = [await stack.enter_async_context(_ledger(server, *which)) for which in made]
        each = scale.of(200, 10)
        taken = await in_turns(scale.repeats, *(partial(ledger.measure, each) for ledger in ledgers))
        bytes_each = await ledgers[1].disk()
    by_call = {call: [column(figures, number) for figures in taken] for number, call in enumerate(CALLS)}
    grown = [
        Row(f"{call}, {large:,} operations", f"{small:,}", "ms", of_large, of_small)
        for call, (of_small, of_large, _, _) in by_call.items()
    ]
    spread = [
        Row(f"{call}, {shared:,} of {made[3][1]:,} tenants", "of one", "ms", of_many, of_one)
        for call, (_, _, of_one, of_many) in by_call.items()
        if call != "list, deep page"
    ]
    return [
        *grown,
        *spread,
        Row(f"disk for one of {large:,}", "", "KiB", (bytes_each / 1024,), note="indexes included"),
    ]


@dataclass(frozen=True)
class _Ledger:
    """A database, and the services on it."""

    container: ApiServices
    many: int
    tenants: int
    running: Iterator[int]

    @property
    def tenant(self) -> str:
        """Tenant of the operations that are read."""
        return DEFAULT_TENANT if self.tenants == 1 else "tenant-0"

    async def measure(self, each: int) -> tuple[float, ...]:
        """Milliseconds of each call, on average."""
        return tuple(
            [await _timed(call, max(1, each // 50) if name == "count" else each) for name, call in self._calls]
        )

    async def disk(self) -> float:
        """Returns the bytes per operation."""
        async with self.container.adapters.database().connect() as connection:
            size = await connection.scalar(text("SELECT pg_total_relation_size('opledger.operations')"))
            return float(size / self.many)

    @property
    def _calls(self) -> list[tuple[str, Call]]:
        depth = min(DEPTH, self.many // EVERY // PAGE - 1)
        read, deep = self.container.read(), place((self.many // EVERY - depth * PAGE) * EVERY)
        page = partial(read.page, self.tenant, CRITERIA, newest_first=True, size=PAGE)
        first, behind = partial(page, after=None), partial(page, after=deep if self.tenants == 1 else None)
        calls: list[Call] = [self._read_one, first, behind, self._accept, self._record]
        return list(zip(CALLS, [*calls, partial(read.counts, self.tenant)], strict=True))

    async def _read_one(self) -> None:
        number = random.randrange(self.tenants, self.many, self.tenants)
        await self.container.read().get(self.tenant, operation_id(number))

    async def _accept(self) -> None:
        await self.container.submit().submit(Submission(self.tenant, "deploy", {"machine": "machine-1", "seconds": 3}))

    async def _record(self) -> None:
        now = self.container.adapters.clock().now()
        closed = Observation(ExecutionState.COMPLETED, now, closed_at=now, result={"ok": True})
        await self.container.services.recorder().observation(UUID(int=next(self.running)), closed, Source.CALLBACK)


@asynccontextmanager
async def _ledger(server: EmbeddedPostgres, many: int, tenants: int) -> AsyncIterator[_Ledger]:
    name = f"ledger_{many}_{tenants}"
    await server.create_database(name)
    url = server.url_for(name)
    await migrate(url)
    await fill(url, many, tenants)
    print(f"({many:,} filled)", end=" ", flush=True)
    running = (number for number in range(many, 0, -1) if number % EVERY)
    async with wired(Settings(database_url=url, operations=str(DEMO_TYPES))) as services:
        yield _Ledger(services, many, tenants, running)


async def _timed(call: Call, many: int) -> float:
    begin = time.perf_counter()
    for _ in range(many):
        await call()
    return 1000 * (time.perf_counter() - begin) / many
