"""The whole ledger in this process, on the real PostgreSQL and the real Temporal server."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

from dependency_injector import providers
from sqlalchemy import text
from temporalio import activity
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client, WorkflowHandle
from temporalio.worker import Worker
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from adapters.postgres.connection.engine import create_engine
from adapters.temporal.workflow_engine import TemporalWorkflowEngine
from application.converge.reconcile import ReconciledPage
from application.ports.clock import Clock
from application.ports.storage.operation_queries import OperationFilter
from application.submit.submission import Submission
from domain.evidence.observation import ExecutionState
from domain.operation.operation import MISSING, Operation
from domain.operation.operation_type import OperationCatalogue, OperationType, RetryPolicy
from domain.operation.status import OperationStatus
from domain.operation.transition import Transition
from entrypoints.poller import Pace, poll
from entrypoints.run_worker import claim
from entrypoints.settings.settings import Settings
from entrypoints.wiring.adapters import Adapters
from entrypoints.wiring.api import ApiServices
from entrypoints.wiring.services import joined
from entrypoints.wiring.temporal import TemporalAdapters
from entrypoints.wiring.worker import WorkerServices
from entrypoints.worker.reconcile_operations import ReconcileOperations
from opledger.wire import UPDATE_ACTIVITY, StatusUpdate, UpdateOutcome
from tests.support.chains import own_chain
from tests.support.eventually import eventually, until
from tests.support.ledger.claims import run_once
from tests.support.ledger.in_memory import WatchedEngine
from tests.support.temporal.ledger_workflows import ACTIVITIES, LEDGER_QUEUE, TEAM_QUEUE, WORKFLOWS

FAST = Pace(idle=0.02, outage=0.1)
TENANT = "default"
NOBODY = "nobody-listens-here"
WITH_RETRIES = {"SecondTimeLucky": RetryPolicy(initial_interval=timedelta(milliseconds=10), maximum_attempts=3)}


def _types() -> Iterable[OperationType]:
    for workflow in [*(cls.__name__ for cls in WORKFLOWS), "Fixable"]:
        for place, queue in (("ledger", LEDGER_QUEUE), ("team", TEAM_QUEUE)):
            yield OperationType(
                f"{workflow}-{place}",
                workflow,
                queue,
                # Short, so that a task which died with its worker is given out again soon.
                task_timeout=timedelta(seconds=2),
                retry_policy=WITH_RETRIES.get(workflow),
            )
    yield OperationType("nobody", "Nobody", NOBODY)
    yield OperationType("impossible", "Nobody", "/_sys/mine")
    yield OperationType("nobody-for-long", "Nobody", NOBODY, execution_timeout=timedelta(seconds=1))


CATALOGUE = OperationCatalogue({declared.name: declared for declared in _types()})


@dataclass
class RealLedger:
    """The services as the container wires them, and what a test asks of them."""

    client: Client
    parts: dict[str, Any]
    """Arguments of the containers."""
    engine: WatchedEngine

    def __post_init__(self) -> None:
        self.api = ApiServices(**self.parts)
        self.worker = WorkerServices(**self.parts)
        self.adapters: Adapters = self.parts["adapters"]

    async def submit(self, type_name: str, value: Any = MISSING) -> UUID:
        """A new operation, for a dispatcher to find."""
        submitted = await self.api.submit().submit(Submission(TENANT, type_name, value))
        operation: Operation = submitted.operation
        return operation.id

    async def dispatched(self, type_name: str, value: Any = MISSING) -> UUID:
        """A new operation, started by a dispatcher of the test's own."""
        operation_id = await self.submit(type_name, value)
        await run_once(self.worker.dispatcher(), 100)
        return operation_id

    async def running(self, type_name: str, value: Any = MISSING) -> UUID:
        """A new operation that has reported that it runs."""
        operation_id = await self.submit(type_name, value)
        await self.until(operation_id, lambda row: row.status is OperationStatus.RUNNING)
        return operation_id

    async def cancel(self, operation_id: UUID) -> None:
        """A client's cancellation request."""
        await self.api.cancel().cancel(TENANT, operation_id, reason="no need", force=False, actor="alice")

    def handle(self, operation_id: UUID) -> WorkflowHandle[Any, Any]:
        """The latest run of its workflow, past the ledger."""
        return self.client.get_workflow_handle(str(operation_id))

    async def closed(self, operation_id: UUID) -> None:
        """Wait until the engine says that it has closed."""

        async def is_closed() -> bool:
            return (await self.handle(operation_id).describe()).close_time is not None

        await eventually(is_closed)

    async def closed_or_running(self, *operation_ids: UUID) -> None:
        """Wait until a worker has taken each of them up."""

        async def picked_up() -> bool:
            seen = [await self.engine.observe(own_chain(operation_id)) for operation_id in operation_ids]
            return all(one.state not in (ExecutionState.PENDING, ExecutionState.NOT_FOUND) for one in seen)

        await eventually(picked_up)

    async def events(self, operation_id: UUID) -> list[HistoryEvent]:
        """Its latest run's history."""
        return [event async for event in self.handle(operation_id).fetch_history_events()]

    async def row(self, operation_id: UUID) -> Operation:
        """As it is stored."""
        [row] = await self._stored([operation_id])
        return row

    async def rows(self) -> list[Operation]:
        """All of them, newest first."""
        page = await self.api.read().page(TENANT, OperationFilter(), newest_first=True, after=None, size=10_000)
        return await self._stored([one.id for one in page.items])

    async def _stored(self, operation_ids: Sequence[UUID]) -> list[Operation]:
        async with self.adapters.units()() as unit:
            found = await unit.operations.get_all(operation_ids)
        return [found[operation_id] for operation_id in operation_ids if operation_id in found]

    async def history(self, operation_id: UUID) -> list[Transition]:
        """Its history, after a look whether that is whole (P6)."""
        lines: list[Transition] = await self.api.read().transitions(TENANT, operation_id)
        assert [line.sequence for line in lines] == list(range(1, len(lines) + 1))
        assert [line.from_status for line in lines] == [None, *(line.to_status for line in lines[:-1])]
        return lines

    async def path(self, operation_id: UUID) -> list[str]:
        """The statuses that it went through."""
        lines = await self.history(operation_id)
        return [line.to_status.value for line in lines if line.to_status is not line.from_status]

    async def until(self, operation_id: UUID, holds: Callable[[Operation], bool]) -> Operation:
        """The row once it is as wanted."""

        row = await self.row(operation_id)

        async def is_so() -> bool:
            nonlocal row
            row = await self.row(operation_id)
            return holds(row)

        assert await until(is_so), f"in vain: {row}"
        return row

    async def done(self, operation_id: UUID) -> Operation:
        """The row once it is final."""
        return await self.until(operation_id, lambda row: row.done)

    def counted(self, series: str) -> float:
        """The value of a series of the metrics, which is named as in the page; 0 if it is not there."""
        lines = self.adapters.metrics().page(None).decode().splitlines()
        return sum(float(line.removeprefix(series)) for line in lines if line.startswith(f"{series} "))

    async def whole_pass(self) -> list[ReconciledPage]:
        """Reconcile what the index says has changed. A page that Temporal does not list, because the namespace asks too
        often, is repeated, as the workflow does."""
        pages: list[ReconciledPage] = []
        while not pages or pages[-1].cursor is not None:
            page = partial(self.worker.reconciler().page, pages[-1].cursor if pages else None)
            pages.append(await eventually(page))
        return pages

    async def look(self, operation_id: UUID) -> Operation:
        """The row after the operation was looked at, whatever is due. Not for an operation that loops are working on:
        its row may be locked, and is passed over then."""
        async with self.adapters.database().begin() as connection:
            columns = "verified_at = now() - interval '1 hour', verify_due_at = now() - interval '1 hour'"
            statement = f"UPDATE opledger.operations SET {columns} WHERE id = :id AND verify_due_at IS NOT NULL"
            await connection.execute(text(statement), {"id": operation_id})
        await run_once(self.worker.verifier(), 1)
        return await self.row(operation_id)

    async def looked(self, operation_id: UUID, holds: Callable[[Operation], bool]) -> Operation:
        """The row once looks have made it as wanted: Temporal may be unavailable for a moment."""

        async def is_so() -> Operation | None:
            row = await self.look(operation_id)
            return row if holds(row) else None

        return await eventually(is_so)

    async def terminated(self, *operation_ids: UUID, reason: str = "too dear") -> None:
        """Terminate these past the ledger, and wait until the index lists them so."""
        for operation_id in operation_ids:
            await self.handle(operation_id).terminate(reason=reason)
        ids = ", ".join(f"'{operation_id}'" for operation_id in operation_ids)
        query = f"OperationUUID IN ({ids}) AND ExecutionStatus = 'Terminated'"

        async def listed() -> bool:
            return (await self.client.count_workflows(query)).count == len(operation_ids)

        await eventually(listed)

    async def reconciled(self, operation_id: UUID) -> Operation:
        """The row once passes have made it final; visibility may take a while."""

        await self.all_reconciled(operation_id)
        return await self.row(operation_id)

    async def all_reconciled(self, *operation_ids: UUID) -> None:
        """Passes until each of these is final."""

        async def are_done() -> bool:
            await self.whole_pass()
            return all(row.done for row in await self._stored(operation_ids))

        await eventually(are_done)

    @contextlib.asynccontextmanager
    async def working(
        self,
        *,
        workflows: Sequence[type] = (),
        activities: Sequence[Any] | None = None,
        loops: Collection[str] = ("dispatch", "follow-up", "start watch"),
        team: Client | None = None,
        own: Client | None = None,
    ) -> AsyncIterator[None]:
        """Runs both workers and the loops. `team` and `own`: the clients of the team's and of the ledger's worker,
        if they are not the ledger's."""
        of_loop = {
            "dispatch": lambda: claim("dispatch", self.worker.dispatcher().claim_loop(), FAST),
            "follow-up": lambda: claim("follow-up", self.worker.follow_ups().claim_loop(), FAST),
            "children": lambda: claim("children", self.worker.cancel_children().claim_loop(), FAST),
            "start watch": lambda: poll("start watch", self.worker.start_watch().step, FAST),
            "close poll": lambda: poll("close poll", self.worker.close_poll().step, FAST),
            "watch rules": lambda: poll("watch rules", self.worker.watch_rules().step, FAST),
            "verify": lambda: claim("verify", self.worker.verifier().claim_loop(), FAST),
        }
        ledgers = self.worker.activities().all() if activities is None else activities
        every = [*WORKFLOWS, *workflows]
        tasks = [asyncio.create_task(of_loop[name]()) for name in loops]
        try:
            async with (
                worker(own or self.client, LEDGER_QUEUE, [*every, ReconcileOperations], [*ACTIVITIES, *ledgers]),
                worker(team or self.client, TEAM_QUEUE, every, ACTIVITIES),
            ):
                yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


@activity.defn(name=UPDATE_ACTIVITY)
async def lose_report(update: StatusUpdate) -> UpdateOutcome:
    """Stands in for the ledger's activity: every report gets lost."""
    return UpdateOutcome.IGNORED


def worker(client: Client, queue: str, workflows: Sequence[type], activities: Sequence[Any]) -> Worker:
    """A worker as the service's own is made. Its workflows do not import the modules of tests again, in each run."""
    restrictions = SandboxRestrictions.default.with_passthrough_modules("opledger", "tests")
    return Worker(
        client,
        task_queue=queue,
        workflows=workflows,
        activities=activities,
        workflow_runner=SandboxedWorkflowRunner(restrictions=restrictions),
        sticky_queue_schedule_to_start_timeout=timedelta(seconds=1),
        max_heartbeat_throttle_interval=timedelta(milliseconds=200),
    )


@contextlib.asynccontextmanager
async def real_ledger(
    client: Client,
    database_url: str,
    *,
    engine_client: Client | None = None,
    index_page: int = 1_000,
    engine_clock: Clock | None = None,
    catalogue: OperationCatalogue = CATALOGUE,
    **settings: Any,
) -> AsyncIterator[RealLedger]:
    """A ledger on that database; nothing runs by itself yet. The services may have a client of their own, whose
    connection the test can cut without cutting the workers', and the engine a clock of its own."""
    given = Settings(database_url=database_url, **settings)
    adapters = Adapters(settings=providers.Object(given))
    clock = engine_clock or adapters.clock()
    temporal = TemporalAdapters(client=providers.Object(engine_client or client), clock=providers.Object(clock))
    engine = WatchedEngine(TemporalWorkflowEngine(engine_client or client, clock, index_page=index_page))
    temporal.engine.override(providers.Object(engine))
    try:
        yield RealLedger(client, joined(given, catalogue, adapters, temporal), engine)
    finally:
        await adapters.database().dispose()


@contextlib.asynccontextmanager
async def database_away(database_url: str) -> AsyncIterator[None]:
    """Refuses connections to the database meanwhile, and closes the open ones."""
    server, _, name = database_url.partition("?")[0].rpartition("/")
    query = database_url.partition("?")[2]
    admin = create_engine(f"{server}/postgres" + (f"?{query}" if query else ""))
    automatic = admin.execution_options(isolation_level="AUTOCOMMIT")
    try:
        async with automatic.connect() as connection:
            await connection.execute(text(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false'))
            await connection.execute(
                text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name"), {"name": name}
            )
            try:
                yield
            finally:
                await connection.execute(text(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true'))
    finally:
        await admin.dispose()


FILL = """
INSERT INTO opledger.operations (id, tenant, type, status, input, labels, accepted_at, started_at, updated_at,
    dispatch_attempts, dispatched_at, follow_up_attempts, version, history_length, verified_at, verify_due_at)
SELECT lpad(to_hex(n), 32, '0')::uuid, :tenant, 'nobody', 'RUNNING', '1', '{}', long_ago, long_ago, long_ago,
    1, long_ago, 0, 3, 2, long_ago, long_ago
FROM (SELECT n, now() - interval '2 hours' AS long_ago FROM generate_series(1, :rows) AS n) AS made
"""
FILL_HISTORY = """
INSERT INTO opledger.transitions
SELECT id, sequence, CASE WHEN sequence > 1 THEN 'ACCEPTED' END,
    CASE sequence WHEN 1 THEN 'ACCEPTED' ELSE 'RUNNING' END, 'CLIENT', 'filled', accepted_at, NULL, '{}'
FROM opledger.operations, generate_series(1, 2) AS sequence
WHERE verify_due_at = dispatched_at
"""


async def fill_running(ledger: RealLedger, rows: int) -> list[UUID]:
    """Make so many rows RUNNING since two hours ago, of which the engine knows nothing."""
    async with ledger.adapters.database().begin() as connection:
        await connection.execute(text(FILL), {"rows": rows, "tenant": TENANT})
        await connection.execute(text(FILL_HISTORY))
    return [UUID(int=number) for number in range(1, rows + 1)]
