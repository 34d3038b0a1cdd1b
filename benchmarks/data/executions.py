"""Starts executions without the ledger."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any
from uuid import UUID

from temporalio.client import Client, WorkflowHandle
from temporalio.common import SearchAttributePair, TypedSearchAttributes

from adapters.system.operation_ids import RandomOperationIds
from opledger.search_attribute import OPERATION_UUID
from opledger.wire import MEMO, OutcomeReports

AT_ONCE = 16
"""Concurrent requests, as in the dispatcher."""


def new_ids(many: int) -> list[UUID]:
    """Returns `many` operation ids."""
    source = RandomOperationIds()
    return [source.new() for _ in range(many)]


async def start(
    client: Client, workflow: str, queue: str, operation_id: UUID, *, marked: bool
) -> WorkflowHandle[Any, Any]:
    """Starts one execution. `marked`: with search attribute and memo as the ledger starts an operation without
    callbacks."""
    marks = TypedSearchAttributes([SearchAttributePair(OPERATION_UUID, str(operation_id))]) if marked else None
    memo = {MEMO: {"report_outcome": OutcomeReports.WHEN_SAFE.value}} if marked else None
    return await client.start_workflow(
        workflow, 1, id=str(operation_id), task_queue=queue, search_attributes=marks, memo=memo
    )


async def run(
    client: Client,
    workflow: str,
    queue: str,
    ids: Sequence[UUID],
    *,
    marked: bool,
    started: Callable[[UUID, str], Awaitable[None]] | None = None,
) -> float:
    """Starts all executions, AT_ONCE at a time, and waits for every result. Returns the seconds. The number of
    concurrent waits is not limited: they cost little. `started`: called with each operation's id and its
    run id, before the next start."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(operation_id: UUID) -> None:
        async with gate:
            handle = await start(client, workflow, queue, operation_id, marked=marked)
            if started is not None:
                await started(operation_id, handle.first_execution_run_id or "")
        await handle.result()

    begin = time.perf_counter()
    await asyncio.gather(*map(one, ids))
    return time.perf_counter() - begin


async def in_parallel(calls: Iterable[Callable[[], Awaitable[Any]]], at_once: int = AT_ONCE) -> list[Any]:
    """Returns the results, in order. Runs at most `at_once` at a time."""
    gate = asyncio.Semaphore(at_once)

    async def one(call: Callable[[], Awaitable[Any]]) -> Any:
        async with gate:
            return await call()

    return await asyncio.gather(*map(one, calls))
