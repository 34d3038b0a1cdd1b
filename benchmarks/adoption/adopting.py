"""Time from the start of another client's execution to RUNNING in the ledger, and from its termination to FAILED.

A team starts workflows that wait. By the watch rule: a plain client, a plain worker, and `adopt = true` in the ledger's
operations file; the starts are spread over some seconds, so that they meet the rule's interval at any moment. By the
plugin: OpledgerPlugin on the client and on the worker, over HTTP; one start after another. The time runs from the
client's call to `start_workflow` until this process can read the RUNNING row, which includes the commit.

What the rule has adopted is then terminated, one after another. The time runs from Temporal's close time until the
FAILED row can be read, as in `close_lag`: the ledger has attached its callback to the running execution.

The call to `start_workflow` itself takes longer with the plugin, because it records the operation before and reports
the start after. A row compares it with that of the plain client.

What could mislead: the clocks are those of one machine, and the ledger has nothing else to do.
"""

import asyncio
import random
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final
from uuid import UUID

from temporalio.client import Client

from adapters.postgres.connection.driver import Connection
from benchmarks.data.executions import in_parallel, new_ids, start
from benchmarks.data.ledger_rows import connection, count, until
from benchmarks.harness.measurement import Goal, Row, Scale, column, in_turns, quantile
from benchmarks.tracking.application import application
from benchmarks.tracking.lags import first_seen, terminate_each
from benchmarks.tracking.team_worker import plugin_worker
from benchmarks.tracking.untracked_workflow import PLUGIN_QUEUE, TEAM_QUEUE
from domain.operation.transition import Source
from opledger import OpledgerPlugin

TYPES: Final = Path(__file__).with_name("operations.toml")
WATCHED: Final = "Watched"
"""Workflow type that the rule adopts."""
PLUGGED: Final = "Plugged"
"""Workflow type that only the plugin tracks."""
PER_SECOND: Final = 10
"""Starts per second."""
_SEEN = "SELECT workflow_id FROM opledger.operations WHERE workflow_id = ANY($1) AND "
RUNNING: Final = _SEEN + "status = 'RUNNING'"
FAILED: Final = _SEEN + "status = 'FAILED' AND error_code = 'TERMINATED'"
_BY_CALLBACK = (
    "type = 'watched' AND id IN"
    " (SELECT operation_id FROM opledger.transitions WHERE to_status = 'FAILED' AND source = $1)"
)


async def rows(scale: Scale) -> list[Row]:
    """Rows for the watch rule and for the plugin."""
    many = scale.of(100, least=4)
    async with (
        application(OPLEDGER_OPERATIONS=str(TYPES)) as it,
        plugin_worker(it.temporal_address, it.api_url),
        connection(it.database_url) as ledger,
    ):
        plain = await Client.connect(it.temporal_address)
        plugged = await Client.connect(it.temporal_address, plugins=[OpledgerPlugin(url=it.api_url)])
        by_rule, by_plugin = await in_turns(
            scale.repeats,
            partial(adopted_by_rule, plain, ledger, many),
            partial(tracked_by_plugin, plugged, plain, ledger, many),
        )
        called, in_all = await count(ledger, _BY_CALLBACK, Source.CALLBACK.value), many * (scale.repeats + 1)
    (rule, rule_p99, rule_call, end, end_p99), (plugin, plugin_p99, plugin_call) = (
        [column(figures, place) for place in range(len(figures[0]))] for figures in (by_rule, by_plugin)
    )
    began, ended = "from start to RUNNING in the ledger", "from termination to FAILED in the ledger, adopted by rule"
    spread = f"{many} starts a repeat, {PER_SECOND} a second; the rule lists once a second"
    ends = f"{many} terminations a repeat; {called} of {in_all} ended by the callback"
    return [
        Row(f"{began}, by watch rule, median", "", "ms", rule, goal=Goal(1_000, "at most"), note=spread),
        Row(f"{began}, by watch rule, p99", "", "ms", rule_p99),
        Row(f"{began}, by the plugin, median", "", "ms", plugin, goal=Goal(100, "at most")),
        Row(f"{began}, by the plugin, p99", "", "ms", plugin_p99),
        Row(f"{began}, median", "by watch rule", "ms", plugin, rule, note="ours: by the plugin"),
        Row("client.start_workflow with the plugin, median", "without it", "ms", plugin_call, rule_call),
        Row(f"{ended}, median", "", "ms", end, goal=Goal(50, "at most"), note=ends),
        Row(f"{ended}, p99", "", "ms", end_p99, goal=Goal(250, "at most")),
    ]


@dataclass
class _Starts:
    """Starts of one client, with their times."""

    client: Client
    workflow: str
    queue: str

    def __post_init__(self) -> None:
        self.called: dict[str, float] = {}
        """By workflow id: when the client called, in seconds since the epoch."""
        self.took: list[float] = []
        """Milliseconds of each call."""

    async def start(self, workflow_id: UUID) -> None:
        self.called[str(workflow_id)] = time.time()
        begin = time.perf_counter()
        await start(self.client, self.workflow, self.queue, workflow_id, marked=False)
        self.took.append((time.perf_counter() - begin) * 1000)

    def lags(self, seen: dict[str, float]) -> list[float]:
        """Returns the milliseconds from each call to the row."""
        return [(at - self.called[workflow_id]) * 1000 for workflow_id, at in seen.items()]


async def adopted_by_rule(client: Client, ledger: Connection, many: int) -> list[float]:
    """Milliseconds: median and 99th percentile of the starts, median of the client's call, median and 99th percentile
    of the ends."""
    starts, ids = _Starts(client, WATCHED, TEAM_QUEUE), new_ids(many)

    async def start_all() -> None:
        begin = time.monotonic()
        for number, one in enumerate(ids):
            due = begin + (number + random.random()) / PER_SECOND
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            await starts.start(one)

    names = list(map(str, ids))
    async with asyncio.TaskGroup() as together:
        together.create_task(start_all())
        looking = together.create_task(first_seen(ledger, RUNNING, names, every=0.005))
    seen = looking.result()
    lags, ends = starts.lags(seen), await terminate_each(client, ledger, FAILED, names)
    return [
        *(quantile(lags, 0.5), quantile(lags, 0.99), quantile(starts.took, 0.5)),
        *(quantile(ends, 0.5), quantile(ends, 0.99)),
    ]


async def tracked_by_plugin(client: Client, plain: Client, ledger: Connection, many: int) -> list[float]:
    """Milliseconds: median and 99th percentile of the starts, median of the client's call. `plain` ends them."""
    starts, ids = _Starts(client, PLUGGED, PLUGIN_QUEUE), new_ids(many)
    names, seen = list(map(str, ids)), dict[str, float]()
    for one in ids:
        async with asyncio.TaskGroup() as together:
            together.create_task(starts.start(one))
            looking = together.create_task(first_seen(ledger, RUNNING, [str(one)]))
        seen |= looking.result()
    await in_parallel([plain.get_workflow_handle(name).terminate for name in names])
    await until(ledger, many, "workflow_id = ANY($1) AND status = 'FAILED'", names)
    lags = starts.lags(seen)
    return [quantile(lags, 0.5), quantile(lags, 0.99), quantile(starts.took, 0.5)]
