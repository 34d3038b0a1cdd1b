"""Cost of a reconciliation pass, against describing every open operation.

Two ledgers, of 10,000 and of 100,000 RUNNING operations, on one Temporal in which 1,000 executions were terminated.
Both show these as RUNNING; before every pass those rows and the watermark are reset. The other rows are RUNNING in the
ledger alone: a pass does not ask about them. The alternative does, and gets "not found", Temporal's cheapest answer.

What could mislead: the alternative's calls are counted, one description a row, and not made; its time is that of a
sample, times the rows. A pass asks about each close once, so that its calls grow with what has closed: where a tenth of
all operations have closed since the last pass, it saves nine calls of ten and no more.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from functools import partial
from uuid import UUID

from temporalio.client import Client

from adapters.system.clock import SystemClock
from benchmarks.convergence.engine_calls import counted
from benchmarks.convergence.stale_ledger import Closes, StaleLedger, stale_ledger
from benchmarks.data.executions import in_parallel, new_ids, start
from benchmarks.data.ledger_rows import TIMEOUT
from benchmarks.harness.measurement import Goal, Row, Scale, in_turns
from benchmarks.harness.stage import data_folder, temporal
from domain.operation.chain import Chain
from entrypoints.local.embedded.postgres import EmbeddedPostgres

NOBODY = "bench-nobody"
"""A task queue without a worker."""
AT_ONCE = 32
FEW, MANY, CLOSES, SAMPLE = 10_000, 100_000, 1_000, 2_000


async def rows(scale: Scale) -> list[Row]:
    """Rows for the calls of a pass in both ledgers, and for its time in the larger one."""
    few, many, sample = (scale.of(number, least=100) for number in (FEW, MANY, SAMPLE))
    with data_folder() as folder:
        async with EmbeddedPostgres(folder) as postgres, temporal(folder) as address:
            client = await Client.connect(address)
            closes = await closed(client, scale.of(CLOSES, least=10))
            async with (
                stale_ledger(postgres, client, "few", few, closes) as smaller,
                stale_ledger(postgres, client, "many", many, closes) as larger,
            ):
                calls = counted(client)
                in_smaller, in_larger, asking = await in_turns(
                    scale.repeats,
                    partial(one_pass, smaller, calls),
                    partial(one_pass, larger, calls),
                    partial(describe_each, larger, larger.running[: min(sample, len(larger.running))]),
                )
    label = f"{len(closes.ids):,} closes"
    against, goal = "a description of each", Goal(0.02, "at most")
    calls_few, calls_many = (tuple(calls for _, calls in taken) for taken in (in_smaller, in_larger))
    time_few, time_many = (tuple(seconds for seconds, _ in taken) for taken in (in_smaller, in_larger))
    each = tuple(seconds * many for (seconds,) in asking)
    why = f"each of the {label} is asked about once: fewer calls than that there cannot be"
    return [
        Row(f"a pass over {many:,} RUNNING, {label}", against, "calls", calls_many, (many,) * len(calls_many), goal),
        Row(f"a pass over {few:,} RUNNING, {label}", against, "calls", calls_few, (few,) * len(calls_few), goal, why),
        Row(f"a pass over {many:,} RUNNING", f"over {few:,}", "s", time_many, time_few, Goal(1.2, "at most")),
        Row(
            f"a pass over {many:,} RUNNING, {label}",
            against,
            "s",
            time_many,
            each,
            note=f"describing: the time of {sample:,}, {AT_ONCE} at once, times {many / sample:g}",
        ),
    ]


async def closed(client: Client, many: int) -> Closes:
    """Terminates `many` executions, and waits until the index lists them. Raises TimeoutError."""
    since = SystemClock().now()

    async def one(operation_id: UUID) -> None:
        handle = await start(client, "Nobody", NOBODY, operation_id, marked=True)
        await handle.terminate()

    ids = new_ids(many)
    await in_parallel([partial(one, operation_id) for operation_id in ids])
    async with asyncio.timeout(TIMEOUT):
        while (await client.count_workflows("ExecutionStatus = 'Terminated'")).count < many:  # noqa: ASYNC110
            await asyncio.sleep(0.2)
    return Closes(ids, since)


async def one_pass(ledger: StaleLedger, calls: Counter[str]) -> list[float]:
    """Returns the seconds of a pass, and its calls to Temporal."""
    await ledger.make_stale()
    calls.clear()
    begin = time.perf_counter()
    await ledger.reconcile()
    return [time.perf_counter() - begin, calls.total()]


async def describe_each(ledger: StaleLedger, ids: Sequence[UUID]) -> list[float]:
    """Returns the seconds per description."""
    begin = time.perf_counter()
    chains = [Chain(operation_id, str(operation_id), None) for operation_id in ids]
    await in_parallel([partial(ledger.engine.observe, chain) for chain in chains], AT_ONCE)
    return [(time.perf_counter() - begin) / len(ids)]
