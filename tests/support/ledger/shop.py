"""A team's own workflows, which it starts without the ledger, and ledgers that adopt them: on the real servers."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Sequence
from typing import Any
from uuid import uuid4

from litestar.types import Receive, Scope, Send
from temporalio import workflow
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import DeleteWorkflowExecutionRequest
from temporalio.client import Client
from temporalio.common import RawValue
from temporalio.service import RPCError, RPCStatusCode
from temporalio.worker import Worker

from application.adopt.adopt import Adopted
from domain.operation.operation import Operation
from domain.operation.operation_type import OperationCatalogue, OperationType
from entrypoints.http.app import create_app
from entrypoints.http.server.slow_readers import HttpServerProtocol
from entrypoints.poller import poll
from entrypoints.run_worker import claim
from tests.support.eventually import eventually
from tests.support.http.served import served
from tests.support.ledger.real import FAST, RealLedger, real_ledger

KEYS = "first:" + "s" * 32


@workflow.defn(sandboxed=False, dynamic=True)
class Waits:
    """Waits for its end, after it has started the child that its argument names. Any workflow type."""

    def __init__(self) -> None:
        self._end = False

    @workflow.run
    async def run(self, args: Sequence[RawValue]) -> str:
        given = [workflow.payload_converter().from_payload(arg.payload, str) for arg in args]
        if given and given[0].startswith("child:"):
            await workflow.start_child_workflow(
                workflow.info().workflow_type,
                "no child",
                id=given[0].removeprefix("child:"),
                parent_close_policy=workflow.ParentClosePolicy.ABANDON,
            )
        await workflow.wait_condition(lambda: self._end)
        return "done"

    @workflow.signal
    def end(self) -> None:
        self._end = True


class Holder:
    """An application that is built after the port is known on which it is served."""

    app: Any = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self.app is not None:
            await self.app(scope, receive, send)


class Shop:
    """A workflow type of the test's own, what starts its executions, and ledgers that adopt them."""

    def __init__(self, client: Client, workflow_type: str | None = None) -> None:
        """`workflow_type`: that of another shop."""
        self.client = client
        self.workflow = workflow_type or f"Order{uuid4().hex}"
        self.queue = f"shop-{uuid4().hex}"
        order = OperationType("order", self.workflow, self.queue, adopt=True, labels={"team": "shop"})
        self.catalogue = OperationCatalogue({"order": order, "other": OperationType("other", "Other", self.queue)})

    async def start(self, value: str = "cart", *, queue: str | None = None) -> str:
        """Another client starts an execution. Returns its workflow id."""
        name = f"order-{uuid4()}"
        await self.client.start_workflow(self.workflow, value, id=name, task_queue=queue or self.queue)
        return name

    async def delete(self, workflow_id: str) -> None:
        """An operator deletes the execution, and waits until it is gone."""
        execution = WorkflowExecution(workflow_id=workflow_id)
        request = DeleteWorkflowExecutionRequest(namespace=self.client.namespace, workflow_execution=execution)
        await self.client.workflow_service.delete_workflow_execution(request)
        await self.gone(workflow_id)

    async def runs(self, workflow_id: str) -> None:
        """Waits until Temporal knows the execution."""
        await eventually(lambda: self._exists(workflow_id))

    async def gone(self, workflow_id: str, run_id: str | None = None) -> None:
        """Waits until Temporal has removed the execution, or that run of it."""

        async def is_gone() -> bool:
            return not await self._exists(workflow_id, run_id)

        await eventually(is_gone)

    async def _exists(self, workflow_id: str, run_id: str | None = None) -> bool:
        try:
            await self.client.get_workflow_handle(workflow_id, run_id=run_id).describe()
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
            return False
        return True

    def worker(self) -> Worker:
        """A worker of the shop's own, which knows nothing of any ledger."""
        return Worker(self.client, task_queue=self.queue, workflows=[Waits])

    @contextlib.asynccontextmanager
    async def ledger(self, database_url: str, *, callbacks: bool = True, **more: Any) -> AsyncIterator[RealLedger]:
        """A ledger that adopts orders, and its API where Temporal reaches it. Nothing runs by itself."""
        holder = Holder()
        async with served(holder, HttpServerProtocol) as port:
            settings: dict[str, Any] = (
                {"callback_url": f"http://127.0.0.1:{port}", "callback_keys": KEYS} if callbacks else {}
            )
            async with real_ledger(self.client, database_url, catalogue=self.catalogue, **settings, **more) as ledger:
                parts = ledger.api
                holder.app = create_app(parts.http_services(), page_token_key=b"k" * 32, access=parts.access())
                yield ledger


@contextlib.asynccontextmanager
async def looping(ledger: RealLedger, *names: str) -> AsyncIterator[None]:
    """Runs the watch rules, the follow-up and the loops of these names."""
    worker = ledger.worker
    every = {
        "watch rules": lambda: poll("watch rules", worker.watch_rules().step, FAST),
        "follow-up": lambda: claim("follow-up", worker.follow_ups().claim_loop(), FAST),
        "start watch": lambda: poll("start watch", worker.start_watch().step, FAST),
        "close poll": lambda: poll("close poll", worker.close_poll().step, FAST),
    }
    tasks = [asyncio.create_task(every[name]()) for name in names]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def strays(ledger: RealLedger) -> int:
    """The number of executions that were started by accident."""
    page = ledger.adapters.metrics().page(None).decode()
    found = re.search(r"^opledger_stray_starts_total (\S+)$", page, re.M)
    assert found
    return int(float(found[1]))


async def begun(ledger: RealLedger) -> None:
    """The watch has begun: what starts from now on is adopted."""
    await ledger.worker.watch_rules().step(1)


async def by_workflow_id(ledger: RealLedger) -> dict[str, Operation]:
    return {row.workflow_id: row for row in await ledger.rows()}


async def adopted(ledger: RealLedger, *workflow_ids: str) -> list[Operation]:
    """The operations of the executions, as soon as all have one."""

    async def all_there() -> bool:
        return (await by_workflow_id(ledger)).keys() >= {*workflow_ids}

    await eventually(all_there)
    rows = await by_workflow_id(ledger)
    return [rows[workflow_id] for workflow_id in workflow_ids]


async def adopt(ledger: RealLedger, workflow_id: str, type_name: str = "order") -> Adopted:
    """A client asks for the adoption."""
    return await ledger.api.adopter().adopt("default", type_name, workflow_id)
