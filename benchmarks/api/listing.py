"""A page of a filtered list of a million operations, against a page of Temporal's index.

Both filter by type, by status and by one text: a label here, a Keyword search attribute there. Temporal is at an
advantage three times: it searches some thousand executions only, returns its first page only, and is called directly,
without HTTP and JSON. The dev server keeps its index in SQLite; a cluster with Elasticsearch
has another, which is eventual and has not been measured. Pages are read again and again, so from memory: the first
page of a list that everybody looks at is, and a deep one may not be.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial

from temporalio.api.workflowservice.v1 import ListWorkflowExecutionsRequest
from temporalio.client import Client as Temporal

from application.ports.storage.operation_queries import OperationFilter
from benchmarks.data.idle_executions import UNLIMITED, indexed, start_all
from benchmarks.data.rows import EVERY, fill, operation_id, place
from benchmarks.harness.client import Client, connected, request
from benchmarks.harness.load import Figures, awaited, over_http
from benchmarks.harness.measurement import Goal, Row, Scale, column, in_turns
from benchmarks.harness.stage import api, data_folder, database, temporal
from domain.access.principal import DEFAULT_TENANT
from domain.operation.status import OperationStatus
from entrypoints.http.requests.listing.page_token import ListQuery, PageTokens

CLIENTS = 4
PAGE = 50
DEPTH = 1_000
KEY = "a key for this measurement, and long enough"
FILTER = "type=deploy&status=COMPLETED&label.team=a"
CRITERIA = OperationFilter(frozenset({OperationStatus.COMPLETED}), "deploy", {"team": "a"})
QUERY = "WorkflowType = 'Deploy' AND ExecutionStatus = 'Running' AND OperationUUID = 'a'"


async def rows(scale: Scale) -> list[Row]:
    """Pages per second, and p99."""
    many = scale.of(1_000_000, 3_000)
    depth = min(DEPTH, many // EVERY // PAGE)
    async with _subject(scale, many, depth) as it:
        first, deep, theirs, lone, lone_deep = await in_turns(
            scale.repeats,
            lambda: it.read(it.first, it.clients, scale.of(400, 20)),
            lambda: it.read(it.deep, it.clients, scale.of(400, 20)),
            lambda: it.ask(scale.of(400, 20)),
            lambda: it.read(it.first, it.clients[:1], scale.of(200, 20)),
            lambda: it.read(it.deep, it.clients[:1], scale.of(200, 20)),
        )
        searched = it.executions
    engine, rate, deep_rate, their_rate = "ListWorkflowExecutions", column(first, 0), column(deep, 0), column(theirs, 0)
    lists, page_depth = f"filtered list of {many:,}", f"page {depth:,}"
    note = f"{PAGE} a page, {CLIENTS} clients; Temporal searches {searched:,} executions, a third of which fit"
    return [
        Row(f"{lists}, page 1", engine, "1/s", rate, their_rate, Goal(20, "at least"), note),
        Row(f"{lists}, {page_depth}", engine, "1/s", deep_rate, their_rate, Goal(20, "at least")),
        Row(f"{lists}, {page_depth}", "page 1", "ms", _each(deep_rate), _each(rate), Goal(1.2, "at most")),
        Row(f"{lists}, page 1, p99", "", "ms", column(lone, 1), goal=Goal(10, "at most"), note="one client"),
        Row(f"{lists}, {page_depth}, p99", "", "ms", column(lone_deep, 1), goal=Goal(10, "at most"), note="one client"),
    ]


@dataclass(frozen=True)
class _Subject:
    """Connections to both, and their requests."""

    clients: Sequence[Client]
    first: bytes
    deep: bytes
    engine: Temporal
    executions: int

    async def read(self, page: bytes, clients: Sequence[Client], many: int) -> Figures:
        """Reads the same page `many` times."""
        return await over_http(clients, [page] * many)

    async def ask(self, many: int) -> Figures:
        """Reads Temporal's first page `many` times."""
        wanted = ListWorkflowExecutionsRequest(namespace=self.engine.namespace, page_size=PAGE, query=QUERY)
        return await awaited(CLIENTS, [partial(self.engine.workflow_service.list_workflow_executions, wanted)] * many)


@asynccontextmanager
async def _subject(scale: Scale, many: int, depth: int) -> AsyncIterator[_Subject]:
    executions = scale.of(2_000, 3 * PAGE)
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(data_folder())
        url = await stack.enter_async_context(database(folder))
        address = await stack.enter_async_context(temporal(folder, *UNLIMITED))
        await fill(url, many)
        print("(filled)", end=" ", flush=True)
        engine = await Temporal.connect(address)
        fitting = executions // EVERY
        await start_all(engine, "Deploy", [f"deploy-{number}" for number in range(fitting)], "a")
        await start_all(engine, "Commission", [f"other-{number}" for number in range(executions - fitting)], "b")
        await indexed(engine, QUERY, fitting)
        print("(started)", end=" ", flush=True)
        _, port = await stack.enter_async_context(api(url, OPLEDGER_PAGE_TOKEN_KEY=KEY))
        clients = await connected(port, CLIENTS)
        newest = many // EVERY * EVERY
        skipped = (depth - 1) * PAGE
        first, deep = _get(None), _get(newest - (skipped - 1) * EVERY)
        await _begins_with(clients[0], first, newest)
        await _begins_with(clients[0], deep, newest - skipped * EVERY)
        yield _Subject(clients, first, deep, engine, executions)
        for client in clients:
            client.close()


def _get(after: int | None) -> bytes:
    """Returns the request for the page after that operation."""
    path = f"/v1/operations?{FILTER}&page_size={PAGE}"
    if after is not None:
        query = ListQuery(DEFAULT_TENANT, CRITERIA, newest_first=True)
        path += f"&page_token={PageTokens(KEY.encode()).issue(query, place(after))}"
    return request("GET", path)


async def _begins_with(client: Client, page: bytes, number: int) -> None:
    """Raises RuntimeError if the page is not the one to measure."""
    answer = await client.send(page)
    if f'{{"items":[{{"id":"{operation_id(number)}"'.encode() not in answer:
        raise RuntimeError(f"answered {answer[:400]!r}")


def _each(rates: Sequence[float]) -> tuple[float, ...]:
    """Milliseconds of the machine's time for a page."""
    return tuple(1000 / rate for rate in rates)
