"""Executions in the embedded Temporal without a worker: what the alternatives ask about."""

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
"""Dynamic configuration: the server answers what it can, not what it is allowed to."""


async def start(client: Client, workflow: str, workflow_id: str, keyword: str | None = None) -> None:
    """Start one, as cheaply as can be: with one small argument, and at most one search attribute."""
    pairs = [] if keyword is None else [SearchAttributePair(OPERATION_UUID, keyword)]
    await client.start_workflow(
        workflow, INPUT, id=workflow_id, task_queue=QUEUE, search_attributes=TypedSearchAttributes(pairs)
    )


async def start_all(client: Client, workflow: str, ids: Sequence[str], keyword: str | None = None) -> None:
    """Start many, in groups: on a slow machine all of them at once would exceed the timeout of a measurement."""
    for place in range(0, len(ids), _GROUP):
        group = ids[place : place + _GROUP]
        await awaited(AT_ONCE, [partial(start, client, workflow, one, keyword) for one in group])


async def indexed(client: Client, query: str, many: int) -> None:
    """Until the index has so many that fit. Raises TimeoutError."""
    async with asyncio.timeout(60):
        while (await client.count_workflows(query)).count < many:  # noqa: ASYNC110
            await asyncio.sleep(0.2)
