"""Contract of executions that another client started: their description, their input, and callbacks for them."""

import asyncio
from dataclasses import replace
from uuid import UUID, uuid4

import pytest

from application.ports.engine.executions import UNPOLLED_QUEUE, Attached, AttachOutcome, Execution
from application.ports.engine.index import Watch
from application.ports.engine.workflow_engine import CompletionCallback, EngineUnavailable
from domain.evidence.observation import CLOSED, ExecutionState
from domain.json_value import JsonValue
from domain.operation.chain import Chain
from domain.operation.operation import MISSING, Input
from domain.operation.start.arguments import Arguments
from tests.contract.engine.memory import MemoryWorld
from tests.contract.engine.temporal import TemporalWorld
from tests.contract.engine.world import EngineWorld
from tests.support.eventually import eventually
from tests.support.temporal.server import MAX_CALLBACKS

SINGLE, SPREAD = Arguments.SINGLE, Arguments.SPREAD
STATE = "nexus-operation-state"


def name() -> str:
    return f"order it's/{uuid4()}"


async def described(world: EngineWorld, workflow_id: str, run_id: str | None = None) -> Execution:
    found = await world.engine.describe(workflow_id, run_id)
    assert found is not None
    return found


async def attach(world: EngineWorld, execution: Execution) -> tuple[UUID, Attached]:
    """Attaches a callback of a new operation."""
    operation_id = uuid4()
    return operation_id, await world.engine.attach_callback(execution, world.callback(operation_id))


async def states(world: EngineWorld, operation_id: UUID, count: int) -> list[str]:
    await asyncio.sleep(world.quiet)
    return [message.headers[STATE] for message in await world.delivered(operation_id, count)]


class DescriptionContract:
    """Descriptions by every workflow engine."""

    async def test_description_of_a_foreign_execution(self, world: EngineWorld) -> None:
        """The description has every value that an adoption needs."""
        before = world.now()
        run = await world.start_from_outside(workflow_id := name(), workflow_type="Order")
        found = await described(world, workflow_id)
        assert found.started_at is not None
        assert before <= found.started_at <= world.now()
        assert found == Execution(
            workflow_id,
            run.run_id,
            run.run_id,
            "Order",
            f"queue-{workflow_id}",
            found.started_at,
            ExecutionState.PENDING,
            operation_id=None,
            parent=None,
            root=run,
        )
        await world.pick_up(workflow_id)
        assert await described(world, workflow_id) == replace(found, state=ExecutionState.RUNNING)

    async def test_every_run_names_its_chain(self, world: EngineWorld) -> None:
        """The description is that of the latest run, with the start of the first one, whichever run is asked about."""
        first = await world.start_from_outside(workflow_id := name())
        await world.pick_up(workflow_id)
        started_at = (await described(world, workflow_id)).started_at
        runs = [first]
        for go_on in (world.reset, world.continue_as_new):
            await go_on(workflow_id)
            runs.append(await world.latest_run(workflow_id))
        for run_id in (None, *(run.run_id for run in runs)):
            found = await described(world, workflow_id, run_id)
            assert (found.run_id, found.first_run_id) == (runs[-1].run_id, first.run_id)
            assert (found.started_at, found.state) == (started_at, ExecutionState.RUNNING)

    async def test_run_of_a_superseded_chain_is_described(self, world: EngineWorld) -> None:
        """The description is that of its own latest run. Without a run, the other chain is described."""
        first = await world.start_from_outside(workflow_id := name())
        await world.continue_as_new(workflow_id)
        last = await world.latest_run(workflow_id)
        await world.complete(workflow_id, 1)
        other = await world.start_from_outside(workflow_id)
        found = await described(world, workflow_id, first.run_id)
        assert (found.run_id, found.first_run_id) == (last.run_id, first.run_id)
        assert found.state is ExecutionState.COMPLETED
        assert (await described(world, workflow_id)).first_run_id == other.run_id

    async def test_unknown_execution_has_no_description(self, world: EngineWorld) -> None:
        """Neither an unknown workflow id, nor an unknown run, nor a run with another workflow id."""
        run = await world.start_from_outside(workflow_id := name())
        assert await world.engine.describe(name()) is None
        assert await world.engine.describe(workflow_id, str(uuid4())) is None
        assert await world.engine.describe(name(), run.run_id) is None

    async def test_operation_is_named(self, world: EngineWorld) -> None:
        """Also after a run that continued as new without the search attribute."""
        operation_id = await world.started()
        for _ in range(2):
            assert (await described(world, str(operation_id))).operation_id == operation_id
            await world.continue_as_new(operation_id)

    async def test_observation_needs_no_search_attribute(self, world: EngineWorld) -> None:
        """The workflow id and the first run identify the chain, also after another one has the workflow id."""
        run = await world.start_from_outside(workflow_id := name())
        adopted = Chain(uuid4(), workflow_id, run.run_id)
        assert (await world.observe(adopted)).state is ExecutionState.PENDING
        await world.continue_as_new(workflow_id)
        assert (await world.observe(adopted)).state is ExecutionState.RUNNING
        await world.complete(workflow_id, "ours")
        await world.start_from_outside(workflow_id)
        for likely_closed in (False, True):
            seen = await world.observe(adopted, likely_closed=likely_closed)
            assert (seen.state, seen.result) == (ExecutionState.COMPLETED, "ours")
        await world.engine.terminate(adopted, "late")
        assert (await described(world, workflow_id)).state is ExecutionState.PENDING


class AttachContract:
    """Callbacks that are attached to executions of every workflow engine."""

    async def test_attached_callback_is_sent_at_the_close(self, world: EngineWorld) -> None:
        """The callback has its headers. Several ledgers attach their own."""
        await world.start_from_outside(workflow_id := name())
        execution = await described(world, workflow_id)
        one, attached = await attach(world, execution)
        assert attached == Attached(AttachOutcome.ATTACHED)
        two, _ = await attach(world, execution)
        assert await states(world, one, 0) == []
        await world.complete(workflow_id, {"n": 1})
        for operation_id in (one, two):
            assert await states(world, operation_id, 1) == ["succeeded"]
            [message] = await world.delivered(operation_id, 1)
            assert message.headers["x-token"] == f"token of {operation_id}"

    async def test_operation_keeps_the_callback_of_its_start(self, world: EngineWorld) -> None:
        """Beside one of another ledger."""
        operation_id = await world.with_callback()
        other, _ = await attach(world, await described(world, str(operation_id)))
        await world.complete(operation_id, 1)
        for ours in (operation_id, other):
            assert await states(world, ours, 1) == ["succeeded"]

    async def test_repeat_attaches_nothing(self, world: EngineWorld) -> None:
        """The caller may crash and repeat."""
        await world.start_from_outside(workflow_id := name())
        execution, callback = await described(world, workflow_id), world.callback(operation_id := uuid4())
        for _ in range(3):
            attached = await world.engine.attach_callback(execution, callback)
            assert attached.outcome is AttachOutcome.ATTACHED
        await world.terminate_from_outside(workflow_id, "x", "ops")
        assert await states(world, operation_id, 1) == ["failed"]
        again = await world.engine.attach_callback(execution, callback)
        assert again == Attached(AttachOutcome.CLOSED)

    async def test_attached_callback_waits_for_the_end_of_the_chain(self, world: EngineWorld) -> None:
        """Continue-as-new and a reset are no closes. The description may be older than the latest run."""
        await world.start_from_outside(workflow_id := name())
        await world.pick_up(workflow_id)
        execution = await described(world, workflow_id)
        await world.continue_as_new(workflow_id)
        operation_id, attached = await attach(world, execution)
        assert attached.outcome is AttachOutcome.ATTACHED
        await world.pick_up(workflow_id)
        await world.reset(workflow_id)
        await world.continue_as_new(workflow_id)
        assert await states(world, operation_id, 0) == []
        await world.fail(workflow_id, "for good")
        assert await states(world, operation_id, 1) == ["failed"]

    async def test_close_before_the_request_is_noticed(self, world: EngineWorld) -> None:
        """The answer says so. Nothing is sent, and nothing starts."""
        await world.start_from_outside(workflow_id := name())
        execution = await described(world, workflow_id)
        await world.complete(workflow_id, 1)
        operation_id, attached = await attach(world, execution)
        assert attached == Attached(AttachOutcome.CLOSED)
        assert await states(world, operation_id, 0) == []
        assert (await described(world, workflow_id)).run_id == execution.run_id

    async def test_deletion_before_the_request_leaves_nothing_running(self, world: EngineWorld) -> None:
        """The request starts a stray execution, which is terminated at once. No description and no index shows it, and
        a repeat finds it again."""
        since = world.now()
        await world.start_from_outside(workflow_id := name(), workflow_type=(kind := f"Order {uuid4()}"))
        execution = await described(world, workflow_id)
        await world.delete(workflow_id)
        callback = world.callback(uuid4())
        for _ in range(2):
            attached = await world.engine.attach_callback(execution, callback)
            assert attached == Attached(AttachOutcome.CLOSED, stray=True)
        assert await world.engine.describe(workflow_id) is None
        stray = await world.latest_run(workflow_id)
        assert stray.run_id != execution.run_id
        assert await world.engine.describe(workflow_id, stray.run_id) is None
        seen = await world.observe(Chain(uuid4(), workflow_id, stray.run_id))
        assert seen.state is ExecutionState.TERMINATED
        assert seen.error is not None
        assert seen.error.message.startswith("started by accident")
        await world.start_from_outside(marker := name(), workflow_type=kind)

        async def marker_is_listed() -> bool:
            changed = (await world.engine.changed_since(since, watched=[kind])).entries
            started = (await world.engine.started_since(since, [Watch(kind)])).runs
            assert stray.run_id not in {entry.run_id for entry in changed} | {run.run_id for run in started}
            return marker in {run.workflow_id for run in started}

        await eventually(marker_is_listed)

    async def test_callback_of_a_chain_that_lost_its_workflow_id(self, world: EngineWorld) -> None:
        """Another chain has it now: the answer is that ours has closed."""
        await world.start_from_outside(workflow_id := name())
        execution = await described(world, workflow_id)
        await world.terminate_from_outside(workflow_id, "x", "ops")
        await world.start_from_outside(workflow_id)
        _, attached = await attach(world, execution)
        assert attached == Attached(AttachOutcome.CLOSED)

    async def test_refused_callback_is_not_attached(self, world: EngineWorld) -> None:
        """The answer has the engine's reason, and the execution goes on."""
        await world.start_from_outside(workflow_id := name())
        execution = await described(world, workflow_id)
        attached = await world.engine.attach_callback(execution, world.refused_callback(uuid4()))
        assert attached.outcome is AttachOutcome.REFUSED
        assert "does not match any configured callback address" in attached.reason
        long = CompletionCallback("http://127.0.0.1:1/" + "x" * 1_000, {})
        assert (await world.engine.attach_callback(execution, long)).outcome is AttachOutcome.REFUSED
        await world.complete(workflow_id, 1)
        assert (await described(world, workflow_id)).state in CLOSED

    async def test_full_execution_takes_no_further_callback(self, world: EngineWorld) -> None:
        """The limit is that of one execution. A callback that it has may be attached again."""
        await world.start_from_outside(workflow_id := name())
        await world.start_from_outside(other := name())
        execution = await described(world, workflow_id)
        callbacks = [world.callback(uuid4()) for _ in range(MAX_CALLBACKS + 1)]
        attached = [await world.engine.attach_callback(execution, callback) for callback in callbacks]
        assert {answer.outcome for answer in attached[:-1]} == {AttachOutcome.ATTACHED}
        assert attached[-1].outcome is AttachOutcome.FULL
        assert f"cannot attach more than {MAX_CALLBACKS} callbacks" in attached[-1].reason
        assert await world.engine.attach_callback(execution, callbacks[0]) == Attached(AttachOutcome.ATTACHED)
        _, answer = await attach(world, await described(world, other))
        assert answer == Attached(AttachOutcome.ATTACHED)

    async def test_calls_raise_during_an_outage(self, world: EngineWorld) -> None:
        """EngineUnavailable: the caller repeats them."""
        run = await world.start_from_outside(workflow_id := name())
        execution = await described(world, workflow_id)
        await world.go_down()
        try:
            for call in (
                lambda: world.engine.describe(workflow_id),
                lambda: world.engine.input_of(Chain(uuid4(), workflow_id, run.run_id), SINGLE, 100),
                lambda: world.engine.attach_callback(execution, world.callback(uuid4())),
            ):
                with pytest.raises(EngineUnavailable):
                    await call()
        finally:
            await world.come_back()
        await world.answering()


class InputContract:
    """Inputs that every workflow engine reads back."""

    @pytest.mark.parametrize(
        ("arguments", "mode", "value"),
        [
            ([], SINGLE, MISSING),
            ([], SPREAD, MISSING),
            ([None], SINGLE, None),
            ([{"a": [1, "☃"]}], SINGLE, {"a": [1, "☃"]}),
            ([1], SPREAD, [1]),
            ([1, [2]], SPREAD, [1, [2]]),
        ],
        ids=repr,
    )
    async def test_input_is_read_from_the_arguments(
        self, world: EngineWorld, arguments: list[JsonValue], mode: Arguments, value: Input
    ) -> None:
        """The input is the one that a submission would have."""
        run = await world.start_from_outside(name(), arguments=arguments)
        read = await world.engine.input_of(Chain(uuid4(), run.workflow_id, run.run_id), mode, 1_000)
        assert (read.value, read.note) == (value, None)

    async def test_input_is_that_of_the_first_run(self, world: EngineWorld) -> None:
        """Also after the close, and after another chain took the workflow id."""
        run = await world.start_from_outside(workflow_id := name(), arguments=["first"])
        await world.continue_as_new(workflow_id)
        await world.complete(workflow_id, 1)
        await world.start_from_outside(workflow_id, arguments=["other"])
        read = await world.engine.input_of(Chain(uuid4(), workflow_id, run.run_id), SINGLE, 1_000)
        assert (read.value, read.note) == ("first", None)

    async def test_search_attribute_finds_the_input(self, world: EngineWorld) -> None:
        """If the first run is not known."""
        operation_id = await world.started({"n": 1})
        read = await world.engine.input_of(Chain(operation_id, str(operation_id)), SINGLE, 1_000)
        assert read.value == {"n": 1}

    async def test_note_says_that_arguments_are_missing(self, world: EngineWorld) -> None:
        """Of several, a type with a single argument shows the first."""
        run = await world.start_from_outside(name(), arguments=[1, 2])
        read = await world.engine.input_of(Chain(uuid4(), run.workflow_id, run.run_id), SINGLE, 1_000)
        assert read.value == 1
        assert read.note == 'only the first of 2 arguments is shown; arguments = "spread" shows all'

    async def test_large_input_is_left_out(self, world: EngineWorld) -> None:
        """All arguments count."""
        run = await world.start_from_outside(name(), arguments=["x" * 40, "x" * 40])
        chain = Chain(uuid4(), run.workflow_id, run.run_id)
        read = await world.engine.input_of(chain, SPREAD, 80)
        assert (read.value, read.note) == (None, "the input is larger than 80 bytes")
        assert (await world.engine.input_of(chain, SPREAD, 84)).value == ["x" * 40, "x" * 40]

    async def test_unreadable_input_is_left_out(self, world: EngineWorld) -> None:
        """The note says why."""
        run = await world.start_from_outside(name(), arguments=["secret"], readable=False)
        read = await world.engine.input_of(Chain(uuid4(), run.workflow_id, run.run_id), SINGLE, 1_000)
        assert read.value is None
        assert read.note == "the input could not be read: its encoding is binary/encrypted, not JSON"

    async def test_deleted_execution_has_no_input(self, world: EngineWorld) -> None:
        """The note says why."""
        run = await world.start_from_outside(workflow_id := name(), arguments=[1])
        await world.delete(workflow_id)
        read = await world.engine.input_of(Chain(uuid4(), workflow_id, run.run_id), SINGLE, 1_000)
        assert (read.value, read.note) == (None, "the execution's history is gone")


class AdoptionContract(DescriptionContract, AttachContract, InputContract):
    """All of them."""


class TestMemoryAdoption(AdoptionContract):
    """The in-memory engine fulfils the contract."""

    @pytest.fixture
    def world(self, memory_world: MemoryWorld) -> MemoryWorld:
        return memory_world

    async def test_child_names_parent_and_root(self, world: MemoryWorld) -> None:
        """The root is the first ancestor."""
        top = await world.start_from_outside(name())
        parent, child = name(), name()
        world.memory.start_child(parent, top)
        world.memory.start_child(child, world.memory.latest_run(parent))
        found = await described(world, child)
        assert (found.parent, found.root) == (world.memory.latest_run(parent), top)

    async def test_stray_execution_sends_the_callback(self, world: MemoryWorld) -> None:
        """The fake does as the real server: the callback names the stray run."""
        run = await world.start_from_outside(workflow_id := name())
        execution = await described(world, workflow_id)
        world.memory.delete(workflow_id)
        operation_id, _ = await attach(world, execution)
        [message] = await world.delivered(operation_id, 1)
        assert run.run_id not in message.headers["nexus-link"]
        assert world.memory._executions[workflow_id].fields.task_queue == UNPOLLED_QUEUE

    async def test_unknown_state_is_described(self, world: MemoryWorld) -> None:
        """The description has the same state as an observation."""
        await world.start_from_outside(workflow_id := name())
        world.memory.report_unknown_state(workflow_id)
        assert (await described(world, workflow_id)).state is ExecutionState.UNKNOWN


class TestTemporalAdoption(AdoptionContract):
    """The real server fulfils the contract."""

    @pytest.fixture
    def world(self, temporal_world: TemporalWorld) -> TemporalWorld:
        return temporal_world
