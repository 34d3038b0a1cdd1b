"""Throughput and cost of a watch rule that adopts a burst of starts.

A plain client starts a burst as fast as Temporal accepts it, 16 at once, on a plain worker whose workflows wait. The
rule adopts meanwhile, until every execution is RUNNING in the ledger with a callback attached. The measurement fails
if the rule does not catch up. All executions are then terminated, and the next burst begins when every operation is
FAILED.

The cost are the requests to Temporal by which the ledger describes, reads and attaches, for each adopted execution. The
list calls, one a second, do not count. A burst has four times as many starts as the one that it is compared with: if
the cost grew with the backlog, the ratio would be near 4. It is above 1 where the larger burst keeps the worker busy:
three requests are for an execution that a worker has picked up, four for another one.

What could mislead: the development server accepts far fewer than 1,000 starts a second, and shares the processors with
the rule. A cluster that accepts them also answers the rule's requests on other processors.
"""

import time
from functools import partial

from temporalio.client import Client

from adapters.postgres.connection.driver import Connection
from benchmarks.adoption.adopting import TYPES, WATCHED
from benchmarks.adoption.server_calls import DESCRIBE, READ, START, ServerCalls
from benchmarks.data.executions import AT_ONCE, in_parallel, new_ids, start
from benchmarks.data.ledger_rows import connection, until
from benchmarks.harness.measurement import Goal, Row, Scale, column, in_turns
from benchmarks.tracking.application import application
from benchmarks.tracking.untracked_workflow import TEAM_QUEUE

ADOPTED = "workflow_id = ANY($1) AND status = 'RUNNING' AND calls_back"
ENDED = "workflow_id = ANY($1) AND status = 'FAILED'"
TIMES_FEWER = 4
"""Starts of the larger burst for each of the smaller one."""


async def rows(scale: Scale) -> list[Row]:
    """Rows for a burst, and for one a quarter as large."""
    few = scale.of(100, least=4)
    many = TIMES_FEWER * few
    async with application(OPLEDGER_OPERATIONS=str(TYPES)) as it, connection(it.database_url) as ledger:
        client, calls = await Client.connect(it.temporal_address), ServerCalls()
        large, small = await in_turns(
            scale.repeats,
            partial(burst, client, calls, ledger, many),
            partial(burst, client, calls, ledger, few),
        )
    note = f"bursts of {many} starts, {AT_ONCE} at once; all were adopted, with a callback"
    return [
        Row(
            "executions adopted a second by the watch rule, in a burst",
            "client.start_workflow, which starts them",
            "1/s",
            column(large, 0),
            column(large, 1),
            note=note,
        ),
        Row("from the last start of a burst to the last adoption", "", "s", column(large, 2)),
        Row(
            "requests to Temporal for each execution that the rule adopts",
            f"a burst of {few}, not {many}",
            "calls",
            column(large, 3),
            column(small, 3),
            Goal(1.5, "at most"),
        ),
    ]


async def burst(client: Client, calls: ServerCalls, ledger: Connection, many: int) -> list[float]:
    """Adopted and started executions a second; seconds from the last start to the last adoption; requests of the ledger
    for each. Raises TimeoutError if the rule does not adopt all of them."""
    before, ids = await calls.so_far(), new_ids(many)
    names, begin = list(map(str, ids)), time.perf_counter()
    await in_parallel([partial(start, client, WATCHED, TEAM_QUEUE, one, marked=False) for one in ids])
    started = time.perf_counter() - begin
    await until(ledger, many, ADOPTED, names)
    adopted = time.perf_counter() - begin
    made = await calls.so_far() - before
    await in_parallel([client.get_workflow_handle(name).terminate for name in names])
    await until(ledger, many, ENDED, names)
    requests = made[DESCRIBE] + made[READ] + made[START] - many
    return [many / adopted, many / started, adopted - started, requests / many]
