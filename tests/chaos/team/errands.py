"""Workflows without the decorator: tracked by a plugin, by a watch rule, on request, or not at all.

All do what their order says, so that each way into the ledger meets every course of a workflow.
"""

import asyncio
from typing import Any

from temporalio import workflow
from temporalio.exceptions import ApplicationError

from opledger import report_progress

ATTEMPTS = 3
PARTS = 3
CHILDREN = 2


async def do_errand(order: dict[str, Any]) -> dict[str, Any]:
    """Do what is ordered, and report progress where something takes it."""
    number = order["number"]
    await report_progress(0.3, "begun")
    await workflow.sleep(order["seconds"])
    await report_progress(0.6, "half way")
    match order.get("does"):
        case "onwards" if (part := order.get("part", 1)) < PARTS:
            workflow.continue_as_new({**order, "part": part + 1})
        case "retry" if workflow.info().attempt < ATTEMPTS:
            raise ApplicationError(f"attempt {workflow.info().attempt} of errand {number}")
        case "fail":
            raise ApplicationError(f"errand {number} cannot be done")
        case "children":
            orders = [{"number": number, "seconds": 0.5 * child, "child": child} for child in range(1, CHILDREN + 1)]
            await asyncio.gather(
                *(
                    workflow.execute_child_workflow(
                        workflow.info().workflow_type, one, id=f"{workflow.info().workflow_id}-child-{one['child']}"
                    )
                    for one in orders
                )
            )
    return {"errand": number}


@workflow.defn
class Watched:
    """Its type has a watch rule."""

    @workflow.run
    async def run(self, order: dict[str, Any]) -> dict[str, Any]:
        return await do_errand(order)


@workflow.defn
class Chosen:
    """Its type has a watch rule that selects some executions by their workflow id."""

    @workflow.run
    async def run(self, order: dict[str, Any]) -> dict[str, Any]:
        return await do_errand(order)


@workflow.defn
class Called:
    """Adopted on request."""

    @workflow.run
    async def run(self, order: dict[str, Any]) -> dict[str, Any]:
        return await do_errand(order)


@workflow.defn
class Recorded:
    """Started by clients with the plugin."""

    @workflow.run
    async def run(self, order: dict[str, Any]) -> dict[str, Any]:
        return await do_errand(order)


@workflow.defn
class Named:
    """Operations of several types under workflow ids from templates, and executions of others under the same ones."""

    @workflow.run
    async def run(self, order: dict[str, Any]) -> dict[str, Any]:
        return await do_errand(order)


@workflow.defn
class Stranger:
    """Has nothing to do with the ledger, but may have a workflow id that a template gives."""

    @workflow.run
    async def run(self, order: dict[str, Any]) -> dict[str, Any]:
        return await do_errand(order)


@workflow.defn
class Basket:
    """Takes items by signal and by update, and knows nothing of a ledger."""

    def __init__(self) -> None:
        self._items: list[str] = []

    @workflow.run
    async def run(self, order: dict[str, Any]) -> dict[str, Any]:
        await workflow.sleep(order["seconds"])
        return {"items": sorted(self._items)}

    @workflow.signal
    def put(self, item: str) -> None:
        """One more."""
        self._items.append(item)

    @workflow.update
    def add(self, item: str) -> int:
        """One more. Returns how many there are."""
        self._items.append(item)
        return len(self._items)


@workflow.defn
class Plugged:
    """Runs in a worker with the plugin, which reports over HTTP."""

    @workflow.run
    async def run(self, order: dict[str, Any]) -> dict[str, Any]:
        return await do_errand(order)


@workflow.defn
class Queued:
    """Runs in a worker with the plugin, which reports through the ledger's task queue."""

    @workflow.run
    async def run(self, order: dict[str, Any]) -> dict[str, Any]:
        return await do_errand(order)


ERRANDS = [Watched, Chosen, Called, Recorded, Named, Stranger, Basket]
