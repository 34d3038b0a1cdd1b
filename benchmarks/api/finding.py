"""Pages of the list by each of its filters: page 1, and page 1,000, of a hundred thousand operations and of a million.

The pages are read in this process, one after another, without HTTP: two pages differ only in PostgreSQL's
work. One of three operations matches each filter, except for `rare origin`, which a few old ones match: those that
a tenant has submitted before it began to adopt all of its executions. `FINDING_ROWS` in the environment is another size
of the larger ledger, such as 10000000. Runs only on request.
"""

import os
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.connection.driver import DatabaseSettings
from adapters.postgres.connection.engine import create_engine
from adapters.postgres.operations.operation_queries import PostgresQueries
from adapters.postgres.schema.migrations import migrate
from application.ports.storage.operation_queries import OperationFilter, PageKey, SortTime
from benchmarks.data.rows import BEGIN
from benchmarks.harness.measurement import Row, Scale, column, in_turns
from benchmarks.harness.stage import data_folder
from domain.access.principal import DEFAULT_TENANT
from domain.operation.attention import AttentionKind
from domain.operation.operation_error import ErrorCode
from domain.operation.origin import Origin
from domain.operation.status import OperationStatus
from entrypoints.local.embedded.postgres import EmbeddedPostgres

PAGE: Final = 20
DEPTH: Final = 1_000
EVERY: Final = 3
"""One in three operations matches a filter."""
RARE: Final = 30
"""The oldest operations, which the ledger has started."""
FILL: Final = """
INSERT INTO opledger.operations (id, tenant, type, status, input, labels, result, error_code, error_message,
    error_details, accepted_at, started_at, finished_at, updated_at, dispatch_attempts, dispatched_at,
    follow_up_attempts, version, history_length, verified_at, attention_kind, attention_since, attention_message,
    parent_id, workflow_id, origin)
SELECT lpad(to_hex(n), 32, '0')::uuid, 'default', CASE WHEN fits THEN 'deploy' ELSE 'other' END,
    CASE WHEN fits THEN 'FAILED' ELSE 'COMPLETED' END, '{"seconds": 3}',
    jsonb_build_object('team', CASE WHEN fits THEN 'a' ELSE 'b' END),
    CASE WHEN NOT fits THEN '{"ok": true}'::json END, CASE WHEN fits THEN 'TIMED_OUT' END,
    CASE WHEN fits THEN 'why' END, CASE WHEN fits THEN '{}'::json END, accepted, accepted, accepted, accepted,
    1, accepted, 0, 3, 3, accepted, CASE WHEN fits THEN 'DIVERGED' END, CASE WHEN fits THEN accepted END,
    CASE WHEN fits THEN 'why' END, CASE WHEN fits THEN lpad('1', 32, '0')::uuid END,
    CASE WHEN fits THEN 'machine-1' END,
    CASE WHEN n <= CAST(:rare AS integer) THEN 'LEDGER' WHEN fits THEN 'CLIENT' ELSE 'ADOPTED' END
FROM (SELECT n, n % CAST(:every AS integer) = 0 AS fits,
             CAST(:begin AS timestamptz) + n * interval '1 millisecond' AS accepted
      FROM generate_series(1, CAST(:rows AS integer)) AS n) AS made
"""
FILTERS: Final[Mapping[str, OperationFilter]] = {
    "none": OperationFilter(),
    "status": OperationFilter(statuses=frozenset({OperationStatus.FAILED})),
    "type": OperationFilter(type="deploy"),
    "label": OperationFilter(labels={"team": "a"}),
    "error code": OperationFilter(error_codes=frozenset({ErrorCode.TIMED_OUT})),
    "attention": OperationFilter(attentions=frozenset({AttentionKind.DIVERGED})),
    "parent": OperationFilter(parents=frozenset({UUID(int=1)})),
    "workflow id": OperationFilter(workflow_ids=frozenset({"machine-1"})),
    "origin": OperationFilter(origins=frozenset({Origin.CLIENT})),
    "rare origin": OperationFilter(origins=frozenset({Origin.LEDGER})),
    "accepted after": OperationFilter(accepted_after=BEGIN),
    "finished after": OperationFilter(finished_after=BEGIN),
}
BY: Final = {"finished after": SortTime.FINISHED}
"""The order, if it is not that of acceptance."""
WHOLE: Final = ("none", "accepted after", "finished after")
"""Filters that every operation matches."""


async def rows(scale: Scale) -> list[Row]:
    """Milliseconds of a page."""
    sizes = scale.of(100_000, 3_000), scale.of(int(os.environ.get("FINDING_ROWS", "1000000")), 9_000)
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(EmbeddedPostgres(stack.enter_context(data_folder())))
        ledgers = [await stack.enter_async_context(_ledger(server, many)) for many in sizes]
        taken = await in_turns(scale.repeats, *(partial(ledger.measure, scale.of(50, 5)) for ledger in ledgers))
    found = []
    for number, name in enumerate(FILTERS):
        (small_first, _), (first, deep) = ([column(figures, 2 * number + page) for page in (0, 1)] for figures in taken)
        found.append(Row(f"{name}, {sizes[1]:,} operations", f"{sizes[0]:,}", "ms", first, small_first))
        if name != "rare origin":
            found.append(Row(f"{name}, {sizes[1]:,} operations, deep page", "page 1", "ms", deep, first))
    return found


@dataclass(frozen=True)
class _Ledger:
    engine: AsyncEngine
    many: int

    async def measure(self, each: int) -> tuple[float, ...]:
        """Milliseconds of page 1 and of page 1,000 by each filter, on average."""
        return tuple(
            [
                await self._page(criteria, after, BY.get(name, SortTime.ACCEPTED), each)
                for name, criteria in FILTERS.items()
                for after in (None, self._deep(name))
            ]
        )

    def _deep(self, name: str) -> PageKey:
        """The position before page 1,000, or before the last page if there are fewer."""
        every = 1 if name in WHOLE else EVERY
        skipped = min(DEPTH - 1, self.many // every // PAGE - 1) * PAGE * every
        number = self.many - skipped
        return PageKey(BEGIN + number * timedelta(milliseconds=1), UUID(int=number))

    async def _page(self, criteria: OperationFilter, after: PageKey | None, by: SortTime, each: int) -> float:
        queries = PostgresQueries(self.engine)(DEFAULT_TENANT)
        begin = time.perf_counter()
        for _ in range(each):
            await queries.page(criteria, newest_first=True, after=after, limit=PAGE, by=by)
        return 1000 * (time.perf_counter() - begin) / each


@asynccontextmanager
async def _ledger(server: EmbeddedPostgres, many: int) -> AsyncIterator[_Ledger]:
    name = f"ledger_{many}"
    await server.create_database(name)
    url = server.url_for(name)
    await migrate(url)
    engine = create_engine(url, DatabaseSettings(statement_timeout=None))
    try:
        async with engine.begin() as connection:
            await connection.execute(text(FILL), {"rows": many, "begin": BEGIN, "every": EVERY, "rare": RARE})
        async with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
            await connection.execute(text("VACUUM ANALYZE"))
            await connection.execute(text("CHECKPOINT"))
        print(f"({many:,} filled)", end=" ", flush=True)
        yield _Ledger(engine, many)
    finally:
        await engine.dispose()
