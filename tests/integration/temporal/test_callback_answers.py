"""Temporal's reaction to the ledger's responses to callbacks: 404 is final, 503 is retried."""

import asyncio
from uuid import uuid4

import pytest
from temporalio.api.enums.v1 import CallbackState
from temporalio.client import Client

from adapters.system.clock import SystemClock
from adapters.temporal.workflow_engine import TemporalWorkflowEngine
from application.ports.engine.workflow_engine import CompletionCallback, StartRequest
from domain.operation.operation import MISSING
from domain.operation.operation_type import OperationType
from tests.support.eventually import eventually


async def closed(client: Client, url: str) -> str:
    """Starts an execution with a callback to the URL, closes it, and returns its workflow id."""
    engine = TemporalWorkflowEngine(client, SystemClock())
    operation_id = uuid4()
    nobodys = OperationType("work", workflow="Work", task_queue=f"nobody-polls-{operation_id}")
    await engine.start(StartRequest(operation_id, str(operation_id), nobodys, MISSING, CompletionCallback(url, {})))
    await client.get_workflow_handle(str(operation_id)).terminate()
    return str(operation_id)


@pytest.mark.parametrize(
    ("answer", "state"),
    [(404, CallbackState.CALLBACK_STATE_FAILED), (503, CallbackState.CALLBACK_STATE_BACKING_OFF)],
)
async def test_404_ends_a_callback_and_503_is_retried(
    temporal_client: Client, answer: int, state: CallbackState.ValueType
) -> None:
    """So a deleted operation costs one call. After a 503 Temporal would retry as long as it retains the execution."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 %d Answer\r\ncontent-length: 0\r\nconnection: close\r\n\r\n" % answer)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(connected, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        handle = temporal_client.get_workflow_handle(await closed(temporal_client, f"http://127.0.0.1:{port}/"))

        async def settled() -> bool:
            [callback] = (await handle.describe()).raw_description.callbacks
            return callback.state == state and callback.attempt >= 1

        await eventually(settled)
