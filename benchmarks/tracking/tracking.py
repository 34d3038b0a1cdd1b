"""Cost of the decorator: the same workflow with and without it, started by a client.

The rows of the tracked ones are there before, dispatched and ACCEPTED, and both kinds of executions carry the search
attribute. So two things differ: the reports of the start and of the outcome, each a local activity in a worker like the
service's own, and an activity on the ledger's task queue from another team's; and the run id, which the client notes in
the row after each start, as the dispatcher does. Without it the ledger would ask Temporal about every first report.

What could mislead: the confirmation of a reported outcome, by callback or by asking, is not in here (it is in
`completing`), starting and running the workflow dilutes the cost, and one activity is little work: more makes the ratio
better. For the remote side a second worker process shares the same processors.
"""

from functools import partial

from temporalio.client import Client

from adapters.postgres.connection.driver import Connection
from benchmarks.data.executions import new_ids, run
from benchmarks.data.ledger_rows import RunNotes, connection, insert, until
from benchmarks.harness.measurement import Goal, Row, Scale, in_turns
from benchmarks.harness.stage import data_folder, database, temporal
from benchmarks.tracking.team_worker import ledger_worker, team_worker
from benchmarks.tracking.untracked_workflow import TEAM_QUEUE
from domain.operation.status import OperationStatus
from opledger.wire import LEDGER_TASK_QUEUE


async def rows(scale: Scale) -> list[Row]:
    """Rows for local reports against none, local against remote, and remote against none."""
    many = scale.of(150, least=8)
    with data_folder() as folder:
        async with (
            database(folder) as url,
            temporal(folder) as address,
            ledger_worker(address, url),
            team_worker(address),
            connection(url) as ledger,
        ):
            client = await Client.connect(address)
            measured = await in_turns(
                scale.repeats,
                partial(untracked, client, LEDGER_TASK_QUEUE, many),
                partial(tracked, client, ledger, LEDGER_TASK_QUEUE, many),
                partial(tracked, client, ledger, TEAM_QUEUE, many),
                partial(untracked, client, TEAM_QUEUE, many),
            )
    bare, local, remote, bare_team = (tuple(figure for (figure,) in figures) for figures in measured)
    note = f"batches of {many} workflows of one activity each, of two reports where they are tracked"
    what, against = "workflows a second, tracked", "the same untracked"
    return [
        Row(f"{what} by local activities", against, "1/s", local, bare, Goal(0.95, "at least"), note),
        Row(f"{what} by local activities", "by remote activities", "1/s", local, remote, Goal(1.0, "at least")),
        Row(f"{what} by remote activities", against, "1/s", remote, bare_team),
    ]


async def untracked(client: Client, queue: str, many: int) -> list[float]:
    """Returns the workflows per second."""
    return [many / await run(client, "Untracked", queue, new_ids(many), marked=True)]


async def tracked(client: Client, ledger: Connection, queue: str, many: int) -> list[float]:
    """Returns the workflows per second. Raises TimeoutError if an outcome was not reported."""
    ids = new_ids(many)
    await insert(ledger, ids, OperationStatus.ACCEPTED)
    took = await run(client, "Tracked", queue, ids, marked=True, started=RunNotes(ledger).note)
    await until(ledger, many, "id = ANY($1) AND status = 'RUNNING' AND reported IS NOT NULL", ids)
    return [many / took]
