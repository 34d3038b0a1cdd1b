"""The ledger's API against DBOS Transact, procrastinate and Prefect: submit one, read one, list a page, count.

All of them use one PostgreSQL server, each a database of its own that holds the same number of jobs, a third of them
finished. Each has one process, served in the same way as the API; sixteen clients send one request at a time each.
Neither workers nor dispatchers run. What a submission stores differs: the ledger writes a row, a history line and an
idempotency key, and checks the input against its schema; DBOS a row and the input; procrastinate a job and an event,
and it notifies; Prefect a run and its state. Each peer is set up as its documentation recommends for this use, with a
connection pool of the API's size. Where it offers two ways to do the same, the cheaper one for it is measured.

The peers are an optional dependency group: `pip install -e '.[peers]'`.
"""

import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from importlib.util import find_spec
from typing import Final

from benchmarks.harness.client import connected
from benchmarks.harness.load import Figures, over_http
from benchmarks.harness.measurement import Goal, Row, Scale, column, in_turns
from benchmarks.harness.stage import data_folder
from benchmarks.peers.subject import ACCEPT, COUNT, LIST, READ, Subject
from benchmarks.peers.subjects import PEERS, opledger
from entrypoints.local.embedded.postgres import EmbeddedPostgres

CLIENTS: Final = 16
SECONDS: Final = 2.0
"""Length of one measurement, without the requests that are in flight at its end."""
FILLED: Final = 133_000
GOALS: Final = {(ACCEPT, "dbos"): Goal(1, "at least"), (ACCEPT, "procrastinate"): Goal(1, "at least")}


async def rows(scale: Scale) -> list[Row]:
    """Requests per second of each call, against each peer. Raises SystemExit: a peer is not installed."""
    missing = [name for name in PEERS if find_spec(name) is None]
    if missing:
        raise SystemExit(f"not installed: {', '.join(missing)}. Install the peers with: pip install -e '.[peers]'")
    found: list[Row] = []
    async with _subjects(scale.of(FILLED, 3_000)) as subjects:
        for call in (READ, LIST, COUNT, ACCEPT):
            asked = [subject for subject in subjects if call in subject.calls]
            taken = await in_turns(scale.repeats, *(partial(_measure, subject, call) for subject in asked))
            ours, *theirs = [column(figures, 0) for figures in taken]
            found += [
                Row(call, subject.name, "1/s", ours, rates, GOALS.get((call, subject.name)))
                for subject, rates in zip(asked[1:], theirs, strict=True)
            ]
    return found


async def _measure(subject: Subject, name: str) -> Figures:
    """Over new connections: a server closes one that was idle while the others were measured."""
    call = subject.calls[name]
    clients = await connected(subject.port, CLIENTS)
    try:
        return await over_http(clients, _within(SECONDS, call.requests), call.status)
    finally:
        for client in clients:
            client.close()


def _within(seconds: float, requests: Iterator[bytes]) -> Iterator[bytes]:
    """Yields requests for this time, from the first on."""
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        yield next(requests)


@asynccontextmanager
async def _subjects(many: int) -> AsyncIterator[list[Subject]]:
    """The ledger first."""
    async with AsyncExitStack() as stack:
        postgres = await stack.enter_async_context(EmbeddedPostgres(stack.enter_context(data_folder())))
        starts = {"opledger": opledger, **PEERS}
        found: list[Subject] = []
        for name, start in starts.items():
            found.append(await stack.enter_async_context(start(postgres, many)))
            print(f"({name})", end=" ", flush=True)
        yield found
