"""What a reconciliation pass costs beside asking the engine about every open operation.

    python -m benchmarks.reconcile [--running 100000] [--closes 1000] [--sample 2000]

PostgreSQL and Temporal are the embedded ones, on disk. The closes are real executions, terminated past the ledger. The
other rows are RUNNING in the ledger alone: a pass does not ask about them, and for the alternative, which does, the
engine's "not found" is its cheapest answer. The alternative is timed on a sample, its calls are counted in full.
"""

import argparse
import asyncio
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from dependency_injector import providers
from sqlalchemy import text
from temporalio.client import Client

from adapters.postgres.migrations import migrate
from application.services.submit import Submission
from domain.operation_type import OperationCatalogue, OperationType
from entrypoints.container import Container
from entrypoints.embedded.data_folder import opened
from entrypoints.embedded.postgres import EmbeddedPostgres
from entrypoints.embedded.temporal_server import EmbeddedTemporal
from entrypoints.settings import Settings

CATALOGUE = OperationCatalogue({"sleep": OperationType("sleep", workflow="Sleep", task_queue="nobody")})
AT_ONCE = 32
FILL = """
INSERT INTO operations (id, tenant, type, status, input, labels, accepted_at, started_at, updated_at,
    dispatch_attempts, dispatched_at, follow_up_attempts, version, history_length, verified_at, verify_due_at)
SELECT gen_random_uuid(), 'default', 'sleep', 'RUNNING', '1', '{}', long_ago, long_ago, long_ago,
    1, long_ago, 0, 3, 2, now(), now() + interval '1 hour'
FROM (SELECT now() - interval '2 hours' AS long_ago FROM generate_series(1, :rows)) AS made
"""


async def main(running: int, closes: int, sample: int) -> None:
    with tempfile.TemporaryDirectory(prefix="opledger-bench-") as place, opened(Path(place, "data")) as folder:
        async with EmbeddedPostgres(folder) as postgres, EmbeddedTemporal(folder) as temporal:
            await postgres.create_database()
            await migrate(postgres.url)
            client = await Client.connect(temporal.address)
            container = Container(
                settings=providers.Object(Settings(database_url=postgres.url)),
                catalogue=providers.Object(CATALOGUE),
                client=providers.Object(client),
            )
            try:
                await measure(container, client, running, closes, sample)
            finally:
                await container.database().dispose()


async def measure(container: Container, client: Client, running: int, closes: int, sample: int) -> None:
    ids = await started(container, closes)
    async with container.database().begin() as connection:
        await connection.execute(text(FILL), {"rows": running - closes})
        everything = list(await connection.scalars(text("SELECT id FROM operations ORDER BY id")))
    await container.reconciler().page()
    await in_parallel([lambda one=one: client.get_workflow_handle(str(one)).terminate() for one in ids])
    await listed(client, closes)

    calls = counted(client)
    begun = time.perf_counter()
    cursor, corrected, asked = None, 0, 0
    while True:
        page = await container.reconciler().page(cursor)
        corrected, asked = corrected + page.corrected, asked + page.asked
        if (cursor := page.cursor) is None:
            break
    pass_seconds, pass_calls = time.perf_counter() - begun, calls.copy()

    calls.clear()
    step = max(1, len(everything) // sample)
    asked_about = everything[::step][:sample]
    begun = time.perf_counter()
    await in_parallel([lambda one=one: container.engine().observe(one) for one in asked_about])
    each_seconds = (time.perf_counter() - begun) * len(everything) / len(asked_about)
    # Every open row once, and for each close what describing leaves open: its history.
    each_calls = len(everything) + closes

    total = pass_calls.total()
    print(f"{running:,} RUNNING rows, {closes:,} closes that nobody had reported")
    print(f"a pass:        {total:>9,} engine calls {dict(pass_calls)}, {pass_seconds:.1f} s, {corrected:,} corrected")
    print(
        f"asking of all: {each_calls:>9,} engine calls, about {each_seconds:,.0f} s at {AT_ONCE} at once "
        f"({len(asked_about):,} of them timed)"
    )
    print(f"ratio: {each_calls / total:.0f} times fewer calls, {each_seconds / pass_seconds:.0f} times faster")
    if corrected != closes or asked != closes:
        raise SystemExit(f"the pass asked about {asked} and corrected {corrected}, not {closes}")


async def started(container: Container, many: int) -> list[Any]:
    """So many operations, started in Temporal and RUNNING in the ledger."""
    submit = container.submit()
    for _ in range(many):
        await submit.submit(Submission("default", "sleep", 1))
    while (await container.dispatcher().step(200)).claimed:
        pass
    async with container.database().begin() as connection:
        await connection.execute(
            text("UPDATE operations SET status = 'RUNNING', started_at = dispatched_at, follow_up_due_at = NULL")
        )
        return list(await connection.scalars(text("SELECT id FROM operations")))


async def listed(client: Client, many: int) -> None:
    """Until the index has them all."""
    while (await client.count_workflows("ExecutionStatus = 'Terminated'")).count < many:  # noqa: ASYNC110
        await asyncio.sleep(0.2)


def counted(client: Client) -> Counter[str]:
    """Counts every call to the engine from now on."""
    calls: Counter[str] = Counter()
    service = client.workflow_service
    names = ("describe_workflow_execution", "get_workflow_execution_history_reverse", "list_workflow_executions")
    for name in (*names, "get_workflow_execution_history"):
        setattr(service, name, counting(name, getattr(service, name), calls))
    return calls


def counting(name: str, call: Callable[..., Awaitable[Any]], calls: Counter[str]) -> Callable[..., Awaitable[Any]]:
    async def counted_call(*args: Any, **kwargs: Any) -> Any:
        calls[name] += 1
        return await call(*args, **kwargs)

    return counted_call


async def in_parallel(work: list[Callable[[], Awaitable[Any]]]) -> None:
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(call: Callable[[], Awaitable[Any]]) -> None:
        async with gate:
            await call()

    await asyncio.gather(*map(one, work))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--running", type=int, default=100_000)
    parser.add_argument("--closes", type=int, default=1_000)
    parser.add_argument("--sample", type=int, default=2_000)
    asyncio.run(main(**vars(parser.parse_args())))
    sys.stdout.flush()
    os._exit(0)  # temporalio can crash while the interpreter takes itself apart
