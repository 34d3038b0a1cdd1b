"""Executions of other clients on the real server: children, schedules, long chains, races, codecs."""

import asyncio
import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from temporalio.api.command.v1 import (
    Command,
    CompleteWorkflowExecutionCommandAttributes,
    StartChildWorkflowExecutionCommandAttributes,
)
from temporalio.api.common.v1 import Payload, WorkflowExecution, WorkflowType
from temporalio.api.enums.v1 import CommandType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DeleteWorkflowExecutionRequest, TerminateWorkflowExecutionRequest
from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionExecutionStartWorkflow,
    ScheduleActionStartWorkflow,
    ScheduleSpec,
    WorkflowExecutionStatus,
)
from temporalio.converter import (
    DataConverter,
    PayloadCodec,
    SerializationContext,
    WithSerializationContext,
    WorkflowSerializationContext,
)

from adapters.temporal import attach_callback as attaching
from adapters.temporal.callback_reader import TemporalCallbackReader
from adapters.temporal.connection import rpc
from adapters.temporal.executions import chains
from adapters.temporal.payloads import payloads
from adapters.temporal.workflow_engine import TemporalWorkflowEngine
from application.ports.engine.executions import Attached, AttachOutcome, Execution
from application.ports.engine.workflow_engine import EngineUnavailable, PayloadsUnavailable
from domain.evidence.observation import CLOSED, ExecutionState
from domain.operation.chain import Chain, Run
from domain.operation.start.arguments import Arguments
from tests.contract.engine.callback_receiver import CallbackReceiver
from tests.contract.engine.temporal import SystemClock, TemporalWorld
from tests.integration.temporal.test_payloads import Away, Broken, Hanging, Masking, world_of
from tests.support.eventually import eventually
from tests.support.tcp_proxy import Proxy

STATE = "nexus-operation-state"
RACES = 12


@pytest.fixture(scope="module")
async def receiver() -> Any:
    receiver = CallbackReceiver()
    await receiver.up()
    yield receiver
    await receiver.down()


@pytest.fixture(scope="module")
async def world(temporal_address: str, temporal_client: Client, receiver: CallbackReceiver) -> TemporalWorld:
    return TemporalWorld(temporal_client, temporal_client, Proxy(temporal_address), receiver)


async def described(world: TemporalWorld, workflow_id: str) -> Execution:
    found = await world.engine.describe(workflow_id)
    assert found is not None
    return found


async def attached(world: TemporalWorld, execution: Execution) -> UUID:
    operation_id = uuid4()
    answer = await world.engine.attach_callback(execution, world.callback(operation_id))
    assert answer.outcome is AttachOutcome.ATTACHED
    return operation_id


async def states(world: TemporalWorld, operation_id: UUID) -> list[str]:
    return [message.headers[STATE] for message in await world.delivered(operation_id, 1)]


async def start_child(world: TemporalWorld, parent: str) -> str:
    """The workflow starts a child in its next task. The child has its own task queue."""
    child = f"child {uuid4()}"
    attributes = StartChildWorkflowExecutionCommandAttributes(
        workflow_id=child, workflow_type=WorkflowType(name="Child"), task_queue=TaskQueue(name=f"queue-{child}")
    )
    command = Command(
        command_type=CommandType.COMMAND_TYPE_START_CHILD_WORKFLOW_EXECUTION,
        start_child_workflow_execution_command_attributes=attributes,
    )
    await world.respond(await world.poll(parent), command)

    async def started() -> bool:
        return await world.engine.describe(child) is not None

    await eventually(started)
    return child


async def test_child_is_adopted(world: TemporalWorld) -> None:
    """Its description names parent and root, and its callback tells of its end."""
    top = await world.start_from_outside(f"order {uuid4()}")
    child = await start_child(world, top.workflow_id)
    grandchild = await start_child(world, child)
    found, below = await described(world, child), await described(world, grandchild)
    assert (found.parent, found.root) == (top, top)
    assert (below.parent, below.root) == (Run(child, found.run_id), top)
    operation_id = await attached(world, found)
    await world.terminate_from_outside(child, "x", "ops")
    assert await states(world, operation_id) == ["failed"]


async def test_scheduled_run_is_adopted(world: TemporalWorld) -> None:
    """A schedule starts it under a workflow id of its own."""
    name = f"nightly it's {uuid4()}"
    action = ScheduleActionStartWorkflow("Nightly", {"n": 1}, id=name, task_queue=f"queue-{name}")
    schedule = await world.client.create_schedule(name, Schedule(action, ScheduleSpec()))
    await schedule.trigger()
    runs: list[str] = []

    async def triggered() -> bool:
        recent = (await schedule.describe()).info.recent_actions
        runs[:] = [
            one.action.workflow_id for one in recent if isinstance(one.action, ScheduleActionExecutionStartWorkflow)
        ]
        return bool(runs)

    await eventually(triggered)
    await schedule.delete()
    found = await described(world, runs[0])
    assert found.workflow_type == "Nightly"
    chain = Chain(uuid4(), found.workflow_id, found.first_run_id)
    assert (await world.engine.input_of(chain, Arguments.SINGLE, 1_000)).value == {"n": 1}
    operation_id = await attached(world, found)
    await world.terminate_from_outside(found.workflow_id, "x", "ops")
    assert await states(world, operation_id) == ["failed"]


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Requests to the server, by kind."""
    counted: Counter[str] = Counter()
    inner = rpc._answer

    async def count(method: Any, request: Any, limit: Any) -> Any:
        counted[type(request).__name__] += 1
        return await inner(method, request, limit)

    monkeypatch.setattr(rpc, "_answer", count)
    return counted


async def test_run_is_described_with_one_request(world: TemporalWorld, calls: Counter[str]) -> None:
    """If it is the latest with its workflow id and the first of its chain: the watch and the first report name it."""
    run = await world.start_from_outside(workflow_id := f"order {uuid4()}")
    calls.clear()
    found = await world.engine.describe(workflow_id, run.run_id)
    assert dict(calls) == {"DescribeWorkflowExecutionRequest": 1}
    assert found == await described(world, workflow_id)


async def test_long_chain_costs_as_much_as_a_short_one(world: TemporalWorld, calls: Counter[str]) -> None:
    """The latest run names the first one: no run between them is read. The server starts one run a second."""
    costs = []
    for runs in (1, 4):
        run = await world.start_from_outside(workflow_id := f"loop {uuid4()}")
        adopted = Chain(uuid4(), workflow_id, run.run_id)
        for _ in range(runs):
            await world.continue_as_new(workflow_id)
        await world.pick_up(workflow_id)
        calls.clear()
        assert (await world.observe(adopted)).state is ExecutionState.RUNNING
        assert (await described(world, workflow_id)).first_run_id == run.run_id
        assert await world.engine.describe(workflow_id, run.run_id) == await described(world, workflow_id)
        await attached(world, await described(world, workflow_id))
        await world.complete(workflow_id, 1)
        assert (await world.observe(adopted, likely_closed=True)).state is ExecutionState.COMPLETED
        costs.append(dict(calls))
    assert costs[0] == costs[1]


async def test_long_superseded_chain_without_search_attribute_is_found(
    world: TemporalWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its workflow id in the index, if it has more than MAX_RUNS runs."""
    monkeypatch.setattr(chains, "MAX_RUNS", 2)
    run = await world.start_from_outside(workflow_id := f"loop it's {uuid4()}")
    for _ in range(4):
        await world.continue_as_new(workflow_id)
    await world.complete(workflow_id, "the last run's")
    await world.start_from_outside(workflow_id)

    async def found() -> bool:
        seen = await world.observe(Chain(uuid4(), workflow_id, run.run_id))
        return (seen.state, seen.result) == (ExecutionState.COMPLETED, "the last run's")

    await eventually(found)


async def test_close_races_with_the_callback(world: TemporalWorld) -> None:
    """Either the callback is attached and sent, or the answer is that the execution has closed. Nothing else starts."""
    outcomes = Counter[AttachOutcome]()
    for number in range(RACES):
        run = await world.start_from_outside(workflow_id := f"race {uuid4()}")
        execution, callback = await described(world, workflow_id), world.callback(operation_id := uuid4())

        async def close(workflow_id: str = workflow_id, wait: float = number / 1_000) -> None:
            await asyncio.sleep(wait)
            await world.terminate_from_outside(workflow_id, "x", "ops")

        answer, _ = await asyncio.gather(world.engine.attach_callback(execution, callback), close())
        outcomes[answer.outcome] += 1
        assert not answer.stray
        if answer.outcome is AttachOutcome.ATTACHED:
            assert await states(world, operation_id) == ["failed"]
        assert (await described(world, workflow_id)).run_id == run.run_id
    assert outcomes.keys() <= {AttachOutcome.ATTACHED, AttachOutcome.CLOSED}


async def test_deletion_races_with_the_callback(world: TemporalWorld) -> None:
    """Whatever the order, nothing runs under the workflow id afterwards."""
    for number in range(RACES):
        run = await world.start_from_outside(workflow_id := f"race {uuid4()}")
        execution = await described(world, workflow_id)
        deletion = DeleteWorkflowExecutionRequest(
            namespace="default", workflow_execution=WorkflowExecution(workflow_id=workflow_id, run_id=run.run_id)
        )

        async def delete(request: DeleteWorkflowExecutionRequest = deletion, wait: float = number / 200) -> None:
            await asyncio.sleep(wait)
            await world.service.delete_workflow_execution(request, retry=True)

        await asyncio.gather(world.engine.attach_callback(execution, world.callback(uuid4())), delete())

        async def nothing_runs(workflow_id: str = workflow_id) -> bool:
            found = await world.engine.describe(workflow_id)
            return found is None or found.state in CLOSED

        await eventually(nothing_runs)
        stray = [one async for one in world.client.list_workflows(f"WorkflowId = '{workflow_id}'")]
        assert WorkflowExecutionStatus.RUNNING not in {one.status for one in stray if one.run_id != run.run_id}


async def test_stray_execution_ends_without_the_ledger(world: TemporalWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process that started it may be killed before it terminates it: the execution timeout ends it."""

    async def killed(*_: object) -> None:
        raise asyncio.CancelledError

    monkeypatch.setattr(attaching, "_terminate", killed)
    await world.start_from_outside(workflow_id := f"order {uuid4()}")
    execution = await described(world, workflow_id)
    await world.delete(workflow_id)
    with pytest.raises(asyncio.CancelledError):
        await world.engine.attach_callback(execution, world.callback(operation_id := uuid4()))
    stray = await world.client.get_workflow_handle(workflow_id).describe()
    assert stray.status is WorkflowExecutionStatus.RUNNING
    limit = stray.raw_description.execution_config.workflow_execution_timeout.ToTimedelta()
    assert limit == attaching.STRAY_TIMEOUT
    assert await world.engine.describe(workflow_id) is None
    monkeypatch.undo()
    answer = await world.engine.attach_callback(execution, world.callback(operation_id))
    assert answer.stray
    ended = await world.client.get_workflow_handle(workflow_id).describe()
    assert ended.status is WorkflowExecutionStatus.TERMINATED


async def strayed(world: TemporalWorld, monkeypatch: pytest.MonkeyPatch, failures: int) -> tuple[str, int]:
    """Attaches a callback to an execution that is gone, while so many terminations have no answer. Returns the workflow
    id and the number of terminations."""
    attempts = 0

    async def failing(method: Any, request: Any, *more: Any) -> Any:
        nonlocal attempts
        if isinstance(request, TerminateWorkflowExecutionRequest):
            attempts += 1
            if attempts <= failures:
                raise EngineUnavailable("away")
        return await rpc.call(method, request, *more)

    monkeypatch.setattr(attaching, "call", failing)
    monkeypatch.setattr(attaching, "TERMINATION_PAUSE", timedelta(milliseconds=1))
    await world.start_from_outside(workflow_id := f"order {uuid4()}")
    execution = await described(world, workflow_id)
    await world.delete(workflow_id)
    answer = await world.engine.attach_callback(execution, world.callback(uuid4()))
    assert answer == Attached(AttachOutcome.CLOSED, stray=True)
    return workflow_id, attempts


async def test_termination_of_a_stray_execution_is_repeated(
    world: TemporalWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server does not answer the first requests."""
    workflow_id, attempts = await strayed(world, monkeypatch, attaching.TERMINATIONS - 1)
    assert attempts == attaching.TERMINATIONS
    ended = await world.client.get_workflow_handle(workflow_id).describe()
    assert ended.status is WorkflowExecutionStatus.TERMINATED


async def test_stray_execution_that_is_not_terminated_is_counted(
    world: TemporalWorld, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The attempts are limited: its execution timeout ends it."""
    workflow_id, attempts = await strayed(world, monkeypatch, 100)
    assert attempts == attaching.TERMINATIONS
    assert f"workflow id {workflow_id!r}, which was started by accident, is not terminated" in caplog.text
    stray = await world.client.get_workflow_handle(workflow_id).describe()
    assert stray.status is WorkflowExecutionStatus.RUNNING
    await world.client.get_workflow_handle(workflow_id).terminate()


class Compressing(PayloadCodec):
    """Compresses payloads."""

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return [Payload(data=zlib.compress(payload.SerializeToString())) for payload in payloads]

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return [Payload.FromString(zlib.decompress(payload.data)) for payload in payloads]


async def adoptable(client: Client, *arguments: Any) -> Chain:
    """An execution that a team's client started."""
    workflow_id = f"order {uuid4()}"
    handle = await client.start_workflow("Order", args=arguments, id=workflow_id, task_queue="nobody")
    return Chain(uuid4(), workflow_id, handle.first_execution_run_id)


async def test_input_is_decoded(temporal_client: Client, temporal_address: str) -> None:
    """All arguments, with the namespace's codec."""
    masked = world_of(temporal_client, temporal_address, DataConverter(payload_codec=Masking()))
    chain = await adoptable(masked.client, {"secret": 1}, None)
    read = await masked.engine.input_of(chain, Arguments.SPREAD, 1_000)
    assert (read.value, read.note) == ([{"secret": 1}, None], None)


async def test_decoded_input_is_bounded(temporal_client: Client, temporal_address: str) -> None:
    """A codec may compress."""
    compressed = world_of(temporal_client, temporal_address, DataConverter(payload_codec=Compressing()))
    chain = await adoptable(compressed.client, "x" * 10_000)
    read = await compressed.engine.input_of(chain, Arguments.SINGLE, 1_000)
    assert (read.value, read.note) == (None, "the input is larger than 1000 bytes")
    assert (await compressed.engine.input_of(chain, Arguments.SINGLE, 20_000)).value == "x" * 10_000


class KeyPerWorkflow(Masking, WithSerializationContext):
    """Derives its key from the workflow id."""

    def with_context(self, context: SerializationContext) -> "KeyPerWorkflow":
        assert isinstance(context, WorkflowSerializationContext)
        return KeyPerWorkflow(zlib.crc32(context.workflow_id.encode()) % 255 + 1)


async def test_codec_gets_the_workflow_id(
    temporal_client: Client, temporal_address: str, receiver: CallbackReceiver
) -> None:
    """For the input of a start, for the result of an observation and for that of a callback."""
    converter = DataConverter(payload_codec=KeyPerWorkflow())
    world = world_of(temporal_client, temporal_address, converter)
    world.receiver = receiver
    request = world.named_request(f"deploy it's/{uuid4()}", {"n": 1})
    first = await world.engine.start(replace(request, callback=world.callback(request.operation_id)))
    chain = Chain(request.operation_id, request.workflow_id, first)
    assert (await world.engine.input_of(chain, Arguments.SINGLE, 1_000)).value == {"n": 1}
    own = converter.with_context(WorkflowSerializationContext("default", request.workflow_id))
    attributes = CompleteWorkflowExecutionCommandAttributes()
    attributes.result.payloads.extend(await own.encode([{"n": 2}]))
    await world.close(request.workflow_id, complete_workflow_execution_command_attributes=attributes)
    assert (await world.observe(chain)).result == {"n": 2}
    [message] = await world.delivered(request.operation_id, 1)
    event = await TemporalCallbackReader(converter, "default").read(request.operation_id, message, world.now())
    assert (event.observation.result, event.run_id) == ({"n": 2}, first)


@pytest.mark.parametrize("codec", [Away(), Hanging()])
async def test_unavailable_codec_delays_the_input(
    world: TemporalWorld, monkeypatch: pytest.MonkeyPatch, codec: PayloadCodec
) -> None:
    """An input that was read as missing would stay so."""
    monkeypatch.setattr(payloads, "DECODE_TIMEOUT", 0.1)
    chain = await adoptable(world.client, 1)
    with pytest.raises(PayloadsUnavailable, match="the payload codec is unavailable"):
        await engine_with(world, codec).input_of(chain, Arguments.SINGLE, 1_000)


async def test_input_that_the_codec_refuses_is_left_out(world: TemporalWorld) -> None:
    """The note says why."""
    chain = await adoptable(world.client, 1)
    read = await engine_with(world, Broken()).input_of(chain, Arguments.SINGLE, 1_000)
    assert read.value is None
    assert read.note is not None
    assert "no key" in read.note


def engine_with(world: TemporalWorld, codec: PayloadCodec) -> TemporalWorkflowEngine:
    config = world.client.config()
    config["data_converter"] = DataConverter(payload_codec=codec)
    return TemporalWorkflowEngine(Client(**config), SystemClock())


async def test_nan_in_an_input_is_null(world: TemporalWorld) -> None:
    """JSON has no NaN. The note says where it was."""
    chain = await adoptable(world.client, {"ratio": float("nan")})
    read = await world.engine.input_of(chain, Arguments.SINGLE, 1_000)
    assert read.value == {"ratio": None}
    assert read.note == "JSON has no NaN and no infinity; shown as null: /ratio"
