"""Workflows that Nexus operations start: one operation in the ledger, however often Temporal retries the start."""

from collections.abc import AsyncIterator
from uuid import uuid4

import nexusrpc
import pytest
from nexusrpc.handler import service_handler
from temporalio import nexus, workflow
from temporalio.api.nexus.v1 import EndpointSpec, EndpointTarget
from temporalio.api.operatorservice.v1 import CreateNexusEndpointRequest
from temporalio.client import Client
from temporalio.worker import Worker

from opledger import OpledgerPlugin
from tests.support.eventually import eventually
from tests.workflow.plugin import plain
from tests.workflow.plugin.ledger_api import KEY, LedgerApi, ledger_api


@pytest.fixture
async def api() -> AsyncIterator[LedgerApi]:
    """The ledger's API."""
    async with ledger_api() as serving:
        yield serving


@nexusrpc.service
class Shop:
    """A service that other teams call."""

    work: nexusrpc.Operation[str, int]


@service_handler(service=Shop)
class ShopHandler:
    """Fails after each first start, so that Temporal retries the operation."""

    def __init__(self) -> None:
        self.tried: set[str] = set()

    @nexus.workflow_run_operation
    async def work(self, ctx: nexus.WorkflowRunOperationContext, name: str) -> nexus.WorkflowHandle[int]:
        """Starts a workflow that runs until it gets a signal."""
        handle = await ctx.start_workflow(plain.ContinuesOnSignal.run, 0, id=f"works-{name}")
        if name not in self.tried:
            self.tried.add(name)
            raise nexusrpc.HandlerError("the answer is lost", type=nexusrpc.HandlerErrorType.UNAVAILABLE)
        return handle


@workflow.defn(sandboxed=False)  # the module imports what the sandbox refuses
class CallsShop:
    """Calls the service."""

    @workflow.run
    async def run(self, endpoint: str, name: str) -> int:
        """Calls it once."""
        client = workflow.create_nexus_client(service=Shop, endpoint=endpoint)
        return await client.execute_operation(Shop.work, name)


async def test_retried_nexus_operation_is_recorded_once(temporal_client: Client, api: LedgerApi) -> None:
    """The retry has the same idempotency key; another operation has another."""
    config = temporal_client.config()
    config["plugins"] = [OpledgerPlugin(url=api.url, api_key=KEY, exclude=["CallsShop"])]
    client = Client(**config)
    name, queue = f"shop-{uuid4()}", f"team-{uuid4()}"
    target = EndpointTarget(worker=EndpointTarget.Worker(namespace=client.namespace, task_queue=queue))
    await client.operator_service.create_nexus_endpoint(
        CreateNexusEndpointRequest(spec=EndpointSpec(name=name, target=target))
    )
    people = [str(uuid4()) for _ in range(2)]
    async with Worker(
        client,
        task_queue=queue,
        workflows=[plain.ContinuesOnSignal, CallsShop],
        nexus_service_handlers=[ShopHandler()],
    ):
        calls = [
            await client.start_workflow(CallsShop.run, args=[name, who], id=f"calls-{who}", task_queue=queue)
            for who in people
        ]
        await eventually(lambda: len(api.recorded()) == 4)
        for who in people:
            await client.get_workflow_handle(f"works-{who}").signal(plain.ContinuesOnSignal.go_on)
        assert [await call.result() for call in calls] == [0, 0]
    keys = [
        {one.headers["idempotency-key"] for one in api.recorded() if one.body["workflow_id"] == f"works-{who}"}
        for who in people
    ]
    assert [len(one) for one in keys] == [1, 1]
    assert keys[0] != keys[1]
