"""Inserts rows of operations by SQL, as submissions would, and reads the rows that exist."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from uuid import UUID

from adapters.postgres.connection.driver import Connection, connector
from domain.operation.status import OperationStatus

_INSERT = """
INSERT INTO opledger.operations (id, tenant, type, status, input, labels, accepted_at, started_at, updated_at,
    dispatch_attempts, dispatched_at, follow_up_attempts, version, history_length, verified_at, verify_due_at)
SELECT id, 'default', $2::text, $3::text, '1', '{}', began, CASE $3::text WHEN 'RUNNING' THEN began END, began,
    1, began, 0, 3, CASE $3::text WHEN 'RUNNING' THEN 2 ELSE 1 END, now(), now() + interval '1 hour'
FROM unnest($1::uuid[]) AS id, (SELECT now() - $4::interval AS began) AS moment
"""
_NOTE_RUN = "UPDATE opledger.operations SET first_run_id = $2, revision = revision + 1 WHERE id = $1"
TIMEOUT = 120.0
"""Timeout in seconds of steps that usually take a few."""


@contextlib.asynccontextmanager
async def connection(database_url: str) -> AsyncIterator[Connection]:
    """Yields a database connection."""
    connected = await connector(database_url)()
    try:
        yield connected
    finally:
        await connected.close()


async def insert(
    ledger: Connection,
    ids: Sequence[UUID],
    status: OperationStatus,
    *,
    type_name: str = "tracked",
    ago: timedelta = timedelta(seconds=1),
) -> None:
    """Dispatched operations, ACCEPTED or RUNNING, that are neither followed up nor verified within the next hour.
    Without the lines of their history, which nothing here reads."""
    await ledger.execute(_INSERT, ids, type_name, status.value, ago)


class RunNotes:
    """Notes the run ids of started executions, as the dispatcher does."""

    def __init__(self, ledger: Connection) -> None:
        self._ledger = ledger
        self._one_at_a_time = asyncio.Lock()

    async def note(self, operation_id: UUID, run_id: str) -> None:
        """Stores the run id. A report that is recorded at the same time is decided again, as in production."""
        async with self._one_at_a_time:
            await self._ledger.execute(_NOTE_RUN, operation_id, run_id)


async def until(ledger: Connection, many: int, condition: str, *arguments: object, every: float = 0.02) -> None:
    """Waits until `many` rows match the SQL condition. Raises TimeoutError with the number of rows that do."""
    found = 0
    try:
        async with asyncio.timeout(TIMEOUT):
            while (found := await count(ledger, condition, *arguments)) < many:  # noqa: ASYNC110
                await asyncio.sleep(every)
    except TimeoutError:
        raise TimeoutError(f"{found} of {many} operations where {condition} after {TIMEOUT:g} s") from None


async def count(ledger: Connection, condition: str, *arguments: object) -> int:
    """Returns the number of rows that match."""
    return int(await ledger.fetchval(f"SELECT count(*) FROM opledger.operations WHERE {condition}", *arguments))
