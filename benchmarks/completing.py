"""How many operations a second go all the way, from the submission over HTTP to COMPLETED in the ledger.

Beside it, the same workflow on the same worker, started by a client that then waits for each result: no API, no
database, no dispatcher, no reports, no callbacks. Both are a batch, and time runs from the first request until the last
is known to have ended. The client of either side has 16 requests under way, as the dispatcher has.

Where all processes share the machine, the rate is a matter of processor time: what each of them spends on an operation
is counted too, and says whose it would be to spend less.

What could mislead: all of it shares the machine, so that what the ledger's processes use is missing for Temporal, and
the development server on SQLite is what limits both. On a Temporal with a cluster of its own the ratio is another one.
"""

import time
from collections.abc import Sequence
from functools import partial
from statistics import median

from temporalio.client import Client

from adapters.postgres.connection.driver import Connection
from benchmarks.application import application, connections, submit
from benchmarks.executions import new_ids, run
from benchmarks.harness import Goal, Row, Scale, column, in_turns
from benchmarks.ledger_rows import connection, count, until
from benchmarks.processor_time import PROCESSES, Spent
from benchmarks.untracked_workflow import TEAM_QUEUE
from entrypoints.local.embedded.options import Running

COMPLETED = "status = 'COMPLETED'"
GOAL = Goal(0.9, "at least")
WHAT = "accepted to completed, sustained"
AGAINST = "raw start and run of the same workflow, untracked"


async def rows(scale: Scale) -> list[Row]:
    """Tracked by the decorator, and by callbacks alone."""
    many = scale.of(200, least=8)
    async with application() as it, connection(it.database_url) as ledger:
        temporal = await Client.connect(it.temporal_address)
        tracked, untracked, raw = await in_turns(
            scale.repeats,
            partial(through_the_ledger, it, ledger, "tracked", many),
            partial(through_the_ledger, it, ledger, "untracked", many),
            partial(without_the_ledger, temporal, many),
        )
    theirs = column(raw, 0)
    note = f"batches of {many}, one activity each, callbacks on; the client of the raw side waits for every result"
    return [
        Row(f"{WHAT}, with the decorator", AGAINST, "1/s", column(tracked, 0), theirs, GOAL, note),
        Row(f"{WHAT}, by callback alone", AGAINST, "1/s", column(untracked, 0), theirs, GOAL),
        _processor_time("with the decorator", tracked, raw),
        _processor_time("by callback alone", untracked, raw),
    ]


async def through_the_ledger(to: Running, ledger: Connection, type_name: str, many: int) -> list[float]:
    """Operations a second, and milliseconds of processor time for each, by process. Raises TimeoutError where one does
    not complete."""
    before = await count(ledger, COMPLETED)
    async with connections(to) as clients:
        spent, begin = Spent(), time.perf_counter()
        await submit(clients, type_name, many)
        await until(ledger, before + many, COMPLETED)
        return [many / (time.perf_counter() - begin), *spent.on_each(many)]


async def without_the_ledger(temporal: Client, many: int) -> list[float]:
    """The same of workflows."""
    spent = Spent()
    seconds = await run(temporal, "Untracked", TEAM_QUEUE, new_ids(many), marked=False)
    return [many / seconds, *spent.on_each(many)]


def _processor_time(how: str, ours: Sequence[tuple[float, ...]], theirs: Sequence[tuple[float, ...]]) -> Row:
    each = (f"{name} {_spent(ours, place)} (raw {_spent(theirs, place)})" for place, name in enumerate(PROCESSES, 1))
    what = f"processor time an operation, {how}"
    return Row(what, AGAINST, "ms", _together(ours), _together(theirs), note=", ".join(each))


def _spent(measured: Sequence[tuple[float, ...]], place: int) -> str:
    return f"{median(column(measured, place)):.1f}"


def _together(measured: Sequence[tuple[float, ...]]) -> tuple[float, ...]:
    return tuple(sum(figures[1:]) for figures in measured)
