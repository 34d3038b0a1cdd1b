"""Starts executions without a worker, which the alternatives read."""

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Final

from temporalio.client import Client
from temporalio.common import SearchAttributePair, TypedSearchAttributes

from benchmarks.harness.load import awaited
from domain.json_value import JsonValue
from opledger.search_attribute import OPERATION_UUID

AT_ONCE: Final = 32
QUEUE: Final = "nobody"
INPUT: Final[JsonValue] = {"machine": "machine-1", "seconds": 3}
_LIMITS: Final = (
    "frontend.rps",
    "frontend.namespaceRPS",
    "frontend.namespaceRPS.visibility",
    "frontend.persistenceMaxQPS",
    "history.rps",
    "history.persistenceMaxQPS",
    "matching.rps",
    "matching.persistenceMaxQPS",
    "system.visibilityPersistenceMaxReadQPS",
    "system.visibilityPersistenceMaxWriteQPS",
)
_GROUP: Final = 500
UNLIMITED: Final = tuple(f"{key}=1000000" for key in _LIMITS)
"""Dynamic configuration without rate limits."""


async def start(client: Client, workflow: str, workflow_id: str, keyword: str | None = None) -> None:
    """Starts one execution, with one small argument and at most one search attribute."""
    pairs = [] if keyword is None else [SearchAttributePair(OPERATION_UUID, keyword)]
    await client.start_workflow(
        workflow, INPUT, id=workflow_id, task_queue=QUEUE, search_attributes=TypedSearchAttributes(pairs)
    )


async def start_all(client: Client, workflow: str, ids: Sequence[str], keyword: str | None = None) -> None:
    """Starts many executions in groups, so that a slow machine does not exceed the timeout."""
    for place in range(0, len(ids), _GROUP):
        group = ids[place : place + _GROUP]
        await awaited(AT_ONCE, [partial(start, client, workflow, one, keyword) for one in group])


async def indexed(client: Client, query: str, many: int) -> None:
    """Waits until `many` executions in the index match. Raises TimeoutError."""
    async with asyncio.timeout(60):
        while (await client.count_workflows(query)).count < many:  # noqa: ASYNC110
            await asyncio.sleep(0.2)
