"""Time from an event in Temporal to the row of the ledger."""

import asyncio
import random
import time
from collections.abc import Sequence
from functools import partial

from temporalio.client import Client

from adapters.postgres.connection.driver import Connection
from benchmarks.data.executions import in_parallel
from benchmarks.data.ledger_rows import TIMEOUT

_BETWEEN = 0.03
"""Longest pause between two terminations, in seconds."""
_OFTEN = 0.002
"""Seconds between two reads of a single row."""


async def first_seen(
    ledger: Connection,
    statement: str,
    workflow_ids: Sequence[str],
    *,
    every: float = _OFTEN,
    within: float = TIMEOUT,
) -> dict[str, float]:
    """Returns when the statement first returned each workflow id, in seconds since the epoch. Raises TimeoutError.

    Args:
        ledger: A connection that nothing else uses meanwhile.
        statement: Selects `workflow_id`, of those in the array $1.
        workflow_ids: The workflow ids.
        every: Pause between two reads, in seconds.
        within: Timeout in seconds.
    """
    seen: dict[str, float] = {}
    async with asyncio.timeout(within):
        while len(seen) < len(workflow_ids):
            rows = await ledger.fetch(statement, [one for one in workflow_ids if one not in seen])
            seen |= dict.fromkeys((row["workflow_id"] for row in rows), time.time())
            await asyncio.sleep(0 if len(seen) == len(workflow_ids) else every)
    return seen


async def terminate_each(
    temporal: Client, ledger: Connection, statement: str, workflow_ids: Sequence[str]
) -> list[float]:
    """Terminates the executions one after another, each when the ledger shows the end of the one before. Returns the
    milliseconds from Temporal's close time until the statement returned the workflow id."""
    seen: dict[str, float] = {}
    for one in workflow_ids:
        await temporal.get_workflow_handle(one).terminate()
        seen |= await first_seen(ledger, statement, [one])
        await asyncio.sleep(_BETWEEN * random.random())
    return await since_close(temporal, seen)


async def since_close(temporal: Client, seen: dict[str, float]) -> list[float]:
    """Returns the milliseconds from Temporal's close time to the first read, by workflow id."""

    async def one(workflow_id: str, at: float) -> float:
        closed = (await temporal.get_workflow_handle(workflow_id).describe()).close_time
        if closed is None:
            raise RuntimeError(f"{workflow_id} is final in the ledger, and open in Temporal")
        return (at - closed.timestamp()) * 1000

    return await in_parallel([partial(one, *each) for each in seen.items()])
