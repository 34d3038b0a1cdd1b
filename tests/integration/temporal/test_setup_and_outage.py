"""Set-up of a new Temporal server (search attribute, namespace), pause, and a client's behaviour in an outage."""

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import uuid4

import pytest
from temporalio.api.enums.v1 import IndexedValueType, WorkflowExecutionStatus
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest, ListSearchAttributesRequest
from temporalio.api.workflowservice.v1 import DescribeWorkflowExecutionRequest, PauseWorkflowExecutionRequest
from temporalio.client import Client

from adapters.temporal.connection.connection import connect
from adapters.temporal.connection.probe import TemporalProbe
from adapters.temporal.connection.raw_client import RawClient
from adapters.temporal.connection.schedule import ReconciliationSchedule, ensure_schedule
from adapters.temporal.connection.search_attribute import NAME, ensure_search_attribute
from adapters.temporal.workflow_engine import TemporalWorkflowEngine
from application.ports.engine.workflow_engine import (
    CallbackRefused,
    CompletionCallback,
    EngineUnavailable,
    StartFailed,
    StartRequest,
)
from domain.errors import StartupError
from domain.evidence.observation import ExecutionState
from domain.operation.operation_type import OperationType
from tests.contract.engine.temporal import SystemClock, TemporalWorld
from tests.support.chains import own_chain
from tests.support.eventually import eventually
from tests.support.tcp_proxy import Proxy
from tests.support.temporal.own_server import OwnServer

BOUND = 40.0
"""Seconds. Far above the longest timeout, also on a busy machine, so that only a call without a timeout fails."""

CALLBACK = CompletionCallback("http://127.0.0.1:8080/", {})


@pytest.fixture(scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[OwnServer]:
    own = OwnServer(tmp_path_factory.mktemp("temporal"))
    await own.start()
    yield own
    await own.kill()


@pytest.fixture(scope="module")
async def client(server: OwnServer) -> RawClient:
    return await connect(environ={"TEMPORAL_ADDRESS": server.address})


def engine_of(client: RawClient) -> TemporalWorkflowEngine:
    return TemporalWorkflowEngine(client, SystemClock())


def request() -> StartRequest:
    operation_id = uuid4()
    return StartRequest(
        operation_id, str(operation_id), OperationType(name="work", workflow="Work", task_queue="queue"), {"n": 1}
    )


async def in_namespace(server: OwnServer, namespace: str) -> RawClient:
    return await connect(environ={"TEMPORAL_ADDRESS": server.address, "TEMPORAL_NAMESPACE": namespace})


async def registered(client: RawClient) -> int | None:
    response = await client.operator_service.list_search_attributes(
        ListSearchAttributesRequest(namespace=client.namespace)
    )
    return response.custom_attributes.get(NAME)


async def test_missing_search_attribute_fails_no_operation(client: RawClient) -> None:
    """The server refuses the start. The operator can repair that, so the error is temporary."""
    with pytest.raises(StartFailed, match="search attribute"):
        await engine_of(client).start(request())


async def test_listing_without_the_search_attribute_is_unavailable(client: RawClient) -> None:
    """An impossible request to the index is an error, not an empty list."""
    with pytest.raises(EngineUnavailable, match="search attribute"):
        await engine_of(client).changed_since(SystemClock().now())
    with pytest.raises(EngineUnavailable, match="search attribute"):
        await engine_of(client).with_problems()


async def test_callbacks_are_off_by_default(client: RawClient) -> None:
    """A server without allowed addresses refuses every callback."""
    with pytest.raises(CallbackRefused, match="does not match any configured callback address"):
        await engine_of(client).check_callback(CALLBACK)


async def test_search_attribute_is_registered_once(client: RawClient) -> None:
    """Concurrent processes all succeed; the attribute is a Keyword, and starts succeed."""
    await asyncio.gather(*(ensure_search_attribute(client) for _ in range(4)))
    await ensure_search_attribute(client)
    assert await registered(client) == IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD
    async with asyncio.timeout(60):
        while True:
            try:
                await engine_of(client).start(request())
            except StartFailed:
                await asyncio.sleep(0.2)
            else:
                break


async def test_search_attribute_of_another_type_is_an_error(server: OwnServer) -> None:
    """The server accepts a second registration with another type and keeps the first, so the start-up check must
    fail."""
    client = await in_namespace(server, "second")
    for kind in (IndexedValueType.INDEXED_VALUE_TYPE_INT, IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD):
        await client.operator_service.add_search_attributes(
            AddSearchAttributesRequest(namespace="second", search_attributes={NAME: kind})
        )
    assert await registered(client) == IndexedValueType.INDEXED_VALUE_TYPE_INT
    with pytest.raises(StartupError, match="OperationUUID of namespace second has type Int; it must be Keyword"):
        await ensure_search_attribute(client)


async def test_missing_namespace_fails_no_operation(server: OwnServer) -> None:
    """The errors are temporary, nothing is NOT_FOUND, and the health probe fails."""
    client = await in_namespace(server, "nowhere")
    engine = engine_of(client)
    with pytest.raises(StartFailed, match="nowhere"):
        await engine.start(request())
    for call in (
        engine.observe(own_chain(uuid4())),
        engine.observe(own_chain(uuid4()), likely_closed=True),
        engine.changed_since(SystemClock().now()),
        engine.with_problems(),
        engine.check_callback(CALLBACK),
        engine.cancel(own_chain(uuid4()), "x"),
        engine.terminate(own_chain(uuid4()), "x"),
        TemporalProbe(engine).check(),
        ensure_search_attribute(client),
        ensure_schedule(client, ReconciliationSchedule("W", "q", timedelta(minutes=1))),
    ):
        with pytest.raises(EngineUnavailable, match="nowhere"):
            await call


async def test_paused_execution_is_open(server: OwnServer) -> None:
    """PENDING before a worker picked it up, RUNNING afterwards."""
    client = await Client.connect(server.address)
    world = TemporalWorld(client, client, Proxy(server.address))
    for picked_up, state in ((True, ExecutionState.RUNNING), (False, ExecutionState.PENDING)):
        operation_id = await world.started()
        if picked_up:
            await world.pick_up(operation_id)
        await client.workflow_service.pause_workflow_execution(
            PauseWorkflowExecutionRequest(
                namespace="default", workflow_id=str(operation_id), identity="ops", reason="x", request_id="pause"
            )
        )
        description = await client.workflow_service.describe_workflow_execution(
            DescribeWorkflowExecutionRequest(namespace="default", execution=world.execution(operation_id))
        )
        status = description.workflow_execution_info.status
        assert status == WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_PAUSED
        assert (await world.observe(operation_id)).state is state


async def test_client_works_again_after_an_outage(server: OwnServer, client: RawClient) -> None:
    """During the outage every call fails soon with EngineUnavailable. After the restart the same client works, and the
    server still knows its executions."""
    engine, start = engine_of(client), request()
    await engine.start(start)
    await server.kill()
    begun = time.monotonic()
    for call in (engine.start(request()), engine.observe(own_chain(start.operation_id)), TemporalProbe(engine).check()):
        with pytest.raises(EngineUnavailable):
            await call
    assert time.monotonic() - begun < BOUND
    await server.start()

    async def is_found() -> bool:  # the server may answer before it has its shards
        with contextlib.suppress(EngineUnavailable, StartFailed):
            await engine.start(start)
            return (await engine.observe(own_chain(start.operation_id))).state is ExecutionState.PENDING
        return False

    await eventually(is_found)


async def test_lazy_client_can_be_created_while_the_server_is_down(server: OwnServer) -> None:
    """So the API starts without Temporal: calls raise EngineUnavailable, and succeed later."""
    await server.kill()
    client = await connect(environ={"TEMPORAL_ADDRESS": server.address})
    engine = engine_of(client)
    with pytest.raises(EngineUnavailable, match="cannot be reached"):
        await engine.ping()
    with pytest.raises(EngineUnavailable):
        await ensure_search_attribute(client)
    await server.start()
    await engine.ping()


async def test_call_to_a_hanging_server_ends_with_its_timeout(server: OwnServer, client: RawClient) -> None:
    """For concurrent calls too."""
    engine = engine_of(client)
    await engine.ping()
    server.hang()
    try:
        begun = time.monotonic()
        calls = (engine.observe(own_chain(uuid4())), engine.ping(), engine.with_problems())
        answers = await asyncio.gather(*calls, return_exceptions=True)
        assert [type(answer) for answer in answers] == [EngineUnavailable] * 3
        assert time.monotonic() - begun < 2 * BOUND
    finally:
        server.hang(False)
    await engine.ping()


async def test_first_call_to_a_silent_port_ends_with_its_timeout() -> None:
    """A port that accepts and never answers. The SDK's own timeout does not cover the connect of a lazy client."""
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        client = await connect(environ={"TEMPORAL_ADDRESS": f"127.0.0.1:{mute.getsockname()[1]}"})
        begun = time.monotonic()
        with pytest.raises(EngineUnavailable, match="did not answer within 5 s"):
            await engine_of(client).ping()
        assert time.monotonic() - begun < BOUND
