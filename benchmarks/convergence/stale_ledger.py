"""A ledger with many RUNNING operations, some of which have closed in Temporal. It can be reset."""

import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from dependency_injector import providers
from temporalio.client import Client

from adapters.postgres.connection.driver import Connection
from adapters.postgres.schema.migrations import migrate
from application.converge.reconcile import ReconcileOperations
from application.ports.engine.workflow_engine import WorkflowEngine
from benchmarks.data.executions import new_ids
from benchmarks.data.ledger_rows import connection, insert
from domain.operation.operation_type import OperationCatalogue
from domain.operation.status import OperationStatus
from entrypoints.local.embedded.postgres import EmbeddedPostgres
from entrypoints.settings.settings import Settings
from entrypoints.wiring import adapters
from entrypoints.wiring.services import Services
from entrypoints.wiring.temporal import TemporalAdapters
from entrypoints.wiring.worker import WorkerServices

_LONG_AGO = timedelta(hours=2)


@dataclass(frozen=True)
class Closes:
    """The closed executions, and a time before their closes."""

    ids: Sequence[UUID]
    since: datetime


@dataclass(frozen=True)
class StaleLedger:
    """A ledger in its own database."""

    rows: Connection
    reconciler: ReconcileOperations
    engine: WorkflowEngine
    closes: Closes
    running: Sequence[UUID]
    """The operations that are RUNNING in the ledger alone."""

    async def make_stale(self) -> None:
        """Resets the rows of the closed executions, and the watermark."""
        await self.rows.execute("DELETE FROM opledger.operations WHERE id = ANY($1)", self.closes.ids)
        await insert(self.rows, self.closes.ids, OperationStatus.RUNNING, ago=_LONG_AGO)
        await self.rows.execute("DELETE FROM opledger.watermarks")
        watermark = "INSERT INTO opledger.watermarks (name, at) VALUES ('executions', $1)"
        await self.rows.execute(watermark, self.closes.since)

    async def reconcile(self) -> None:
        """Runs one pass. Raises RuntimeError unless it records every close and asks about nothing else."""
        cursor, asked, corrected = None, 0, 0
        while True:
            page = await self.reconciler.page(cursor)
            asked, corrected = asked + page.asked, corrected + page.corrected
            if (cursor := page.cursor) is None:
                break
        if not asked == corrected == len(self.closes.ids):
            raise RuntimeError(f"asked about {asked} and corrected {corrected} of {len(self.closes.ids)} closes")


@contextlib.asynccontextmanager
async def stale_ledger(
    postgres: EmbeddedPostgres, client: Client, name: str, running: int, closes: Closes
) -> AsyncIterator[StaleLedger]:
    """Yields a ledger with `many` operations, the closed ones included, in a database of that name."""
    await postgres.create_database(name)
    url = postgres.url_for(name)
    await migrate(url)
    settings = Settings(database_url=url)
    given = providers.Object(settings)
    async with adapters.opened(settings) as opened, connection(url) as rows:
        temporal = TemporalAdapters(client=providers.Object(client), clock=opened.clock)
        worker = WorkerServices(
            settings=given,
            catalogue=providers.Object(OperationCatalogue()),
            adapters=opened,
            temporal=temporal,
            services=Services(settings=given, adapters=opened),
        )
        others = new_ids(running - len(closes.ids))
        await insert(rows, others, OperationStatus.RUNNING, ago=_LONG_AGO)
        await rows.execute("VACUUM ANALYZE opledger.operations")
        yield StaleLedger(rows, worker.reconciler(), temporal.engine(), closes, others)
