"""The callback check on servers that answer differently from Temporal 1.32."""

from uuid import uuid4

import pytest
from temporalio.api.workflowservice.v1 import StartWorkflowExecutionRequest
from temporalio.client import Client

from adapters.temporal import completion_callback
from application.ports.engine.workflow_engine import CompletionCallback, EngineUnavailable
from tests.contract.engine.temporal import TemporalWorld
from tests.support.eventually import eventually
from tests.support.tcp_proxy import Proxy


@pytest.fixture(scope="module")
async def world(temporal_address: str, temporal_client: Client) -> TemporalWorld:
    return TemporalWorld(temporal_client, temporal_client, Proxy(temporal_address))


async def test_callback_check_on_a_server_that_starts_it(world: TemporalWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that ignores links starts the workflow: the check terminates it at once."""
    monkeypatch.setattr(completion_callback, "PROBE", probe := f"probe-{uuid4()}")
    original = StartWorkflowExecutionRequest
    monkeypatch.setattr(
        completion_callback, "StartWorkflowExecutionRequest", lambda links, **fields: original(**fields)
    )
    await world.engine.check_callback(CompletionCallback("http://127.0.0.1:1/", {}))

    async def terminated() -> bool:
        query = f"WorkflowType = '{probe}' AND ExecutionStatus = 'Terminated'"
        return (await world.client.count_workflows(query)).count == 1

    await eventually(terminated)


async def test_callback_check_without_an_answer_is_unavailable(
    world: TemporalWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Any other refusal says nothing about the callback."""
    monkeypatch.setattr(completion_callback, "PROBE", "")
    with pytest.raises(EngineUnavailable, match="did not say whether it accepts the callback: WorkflowType is not set"):
        await world.engine.check_callback(CompletionCallback("http://127.0.0.1:1/", {}))
