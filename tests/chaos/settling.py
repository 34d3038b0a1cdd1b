"""Waits until the load is through: first Temporal with its executions, then the ledger with its rows."""

import time

import asyncpg
from temporalio.client import Client
from temporalio.service import RPCError

from tests.chaos.checker.reading.ledger import unfinished
from tests.support.eventually import until

STANDSTILL = 60.0
"""Seconds without any progress after which open executions are no longer waited for."""
OPEN = 'ExecutionStatus = "Running" AND WorkflowType != "ReconcileOperations"'


async def settle(connection: "asyncpg.Connection[asyncpg.Record]", client: Client, patience: float) -> float:
    """Returns for how many seconds the ledger was behind at the end: `patience` at most, once nothing is open."""
    await _engine_is_through(connection, client)
    began = time.monotonic()

    async def all_ended() -> bool:
        return await unfinished(connection) == 0

    await until(all_ended, patience)
    return time.monotonic() - began


async def _engine_is_through(connection: "asyncpg.Connection[asyncpg.Record]", client: Client) -> None:
    """A machine that was too slow for the load works off what has piled up: no fault of the ledger's."""
    fewest, since = float("inf"), time.monotonic()

    async def through() -> bool:
        nonlocal fewest, since
        rows = await unfinished(connection)
        try:
            still_open = (await client.count_workflows(OPEN)).count
        except RPCError:
            return False
        if rows + still_open < fewest:
            fewest, since = rows + still_open, time.monotonic()
        return rows == 0 or still_open == 0 or time.monotonic() - since > STANDSTILL

    await until(through, float("inf"), every=0.5)
