"""Sends signals or updates to a workflow until it is closed."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from typing import Any

from temporalio.client import WorkflowHandle, WorkflowUpdateFailedError
from temporalio.service import RPCError, RPCStatusCode

SENDERS = 3
Send = Callable[[WorkflowHandle[Any, Any], int], Awaitable[Any]]


async def signal(handle: WorkflowHandle[Any, Any], item: int) -> None:
    await handle.signal("add", item)


async def update(handle: WorkflowHandle[Any, Any], item: int) -> None:
    await handle.execute_update("put", item)


async def send_until_closed(handle: WorkflowHandle[Any, Any], send: Send) -> list[int]:
    """Sends items from several clients until the server refuses them, and returns the accepted items.

    Each client waits longer before each item, because the server refuses every close while signals arrive during every
    workflow task.
    """
    numbers = itertools.count()
    accepted = []

    async def one_client() -> None:
        pause = 0.02
        while True:
            item = next(numbers)
            try:
                await send(handle, item)
            except WorkflowUpdateFailedError:
                return  # the workflow closed before it took the update
            except RPCError as error:
                if error.status is not RPCStatusCode.NOT_FOUND:
                    raise
                return  # the workflow is closed
            accepted.append(item)
            await asyncio.sleep(pause)
            pause *= 1.2

    await asyncio.gather(*(one_client() for _ in range(SENDERS)))
    return accepted
