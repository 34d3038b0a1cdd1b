"""Contract of starts under any workflow id: reuse, chains of several operations, arguments."""

from dataclasses import replace
from uuid import uuid4

import pytest

from application.ports.engine.workflow_engine import ExecutionExists, StartRejected
from domain.evidence.observation import ExecutionState
from domain.json_value import JsonValue
from domain.operation.chain import Chain
from domain.operation.operation import MISSING
from domain.operation.start.arguments import Arguments
from domain.operation.start.workflow_id_policy import OnClosed
from tests.contract.engine.memory import MemoryWorld
from tests.contract.engine.temporal import TemporalWorld
from tests.contract.engine.world import EngineWorld
from tests.support.eventually import eventually

NAMES = ["deploy m/1", "it's é☃", "x" * 950, "50%_"]


def workflow_id(name: str = "deploy") -> str:
    return f"{name} {uuid4()}"


class WorkflowIdsContract:
    """Workflow ids in every workflow engine."""

    @pytest.mark.parametrize("name", NAMES, ids=lambda name: name[:12])
    async def test_operation_has_the_workflow_id_of_its_start(self, world: EngineWorld, name: str) -> None:
        """Its id is in the search attribute. Every call reaches the execution."""
        since = world.now()
        request = world.named_request(workflow_id(name))
        first = await world.engine.start(request)
        known = Chain(request.operation_id, request.workflow_id, first)
        for chain in (known, replace(known, first_run_id=None)):
            seen = await world.observe(chain)
            assert (seen.state, seen.first_run_id) == (ExecutionState.PENDING, first)
        await world.engine.cancel(known, "first")
        await world.engine.terminate(replace(known, first_run_id=None), "no need")
        seen = await world.observe(known, likely_closed=True)
        assert seen.state is ExecutionState.TERMINATED

        async def listed() -> bool:
            entries = (await world.engine.changed_since(since, closed_only=True)).entries
            found = {entry.operation_id: (entry.workflow_id, entry.run_id) for entry in entries}
            return found.get(request.operation_id) == (request.workflow_id, first)

        await eventually(listed)

    @pytest.mark.parametrize("on_closed", OnClosed)
    async def test_open_workflow_id_is_never_free(self, world: EngineWorld, on_closed: OnClosed) -> None:
        """Whatever may happen after the close."""
        name = workflow_id()
        await world.engine.start(world.named_request(name))
        with pytest.raises(ExecutionExists, match="already running"):
            await world.engine.start(replace(world.named_request(name), on_closed=on_closed))

    @pytest.mark.parametrize("completes", [True, False], ids=["completed", "terminated"])
    @pytest.mark.parametrize("on_closed", OnClosed)
    async def test_policy_decides_on_a_closed_workflow_id(
        self, world: EngineWorld, on_closed: OnClosed, completes: bool
    ) -> None:
        """REJECT refuses it, ALLOW_FAILED after a completion."""
        name = workflow_id()
        await world.engine.start(world.named_request(name))
        if completes:
            await world.complete(name, None)
        else:
            await world.terminate_from_outside(name, "x", "ops")
        request = replace(world.named_request(name), on_closed=on_closed)
        if on_closed is OnClosed.REJECT or (on_closed is OnClosed.ALLOW_FAILED and completes):
            with pytest.raises(ExecutionExists, match="already finished"):
                await world.engine.start(request)
        else:
            first = await world.engine.start(request)
            assert (await world.latest_run(name)).run_id == first

    @pytest.mark.parametrize("on_closed", OnClosed)
    async def test_repeated_start_after_the_close_starts_nothing(self, world: EngineWorld, on_closed: OnClosed) -> None:
        """The engine knows the request, until another execution has the workflow id."""
        name = workflow_id()
        request = replace(world.named_request(name), on_closed=on_closed)
        first = await world.engine.start(request)
        await world.complete(name, 1)
        assert await world.engine.start(request) == first
        assert (await world.latest_run(name)).run_id == first

    async def test_operations_with_one_workflow_id_stay_apart(self, world: EngineWorld) -> None:
        """The second one starts after the close of the first. Neither's chain is taken for the other's."""
        name = workflow_id()
        one, two = world.named_request(name), replace(world.named_request(name), on_closed=OnClosed.ALLOW)
        first = Chain(one.operation_id, name, await world.engine.start(one))
        await world.complete(name, "the first one's")
        second = Chain(two.operation_id, name, await world.engine.start(two))
        await world.engine.cancel(first, "late")
        await world.engine.terminate(first, "late")
        await world.engine.terminate(replace(first, first_run_id=None), "late")
        assert (await world.observe(second)).state is ExecutionState.PENDING
        await world.complete(name, "the second one's")
        for chain, result in ((first, "the first one's"), (second, "the second one's")):
            for likely_closed in (False, True):
                seen = await world.observe(chain, likely_closed=likely_closed)
                assert (seen.result, seen.first_run_id) == (result, chain.first_run_id)

        async def found_by_its_attribute() -> bool:
            return (await world.observe(replace(first, first_run_id=None))).result == "the first one's"

        await eventually(found_by_its_attribute)

    @pytest.mark.parametrize("name", ["", "x" * 1_001, "é" * 501], ids=["empty", "long", "long in UTF-8"])
    async def test_invalid_workflow_id_is_rejected(self, world: EngineWorld, name: str) -> None:
        """The limit is 1,000 bytes of UTF-8."""
        with pytest.raises(StartRejected, match="WorkflowId"):
            await world.engine.start(world.named_request(name))

    @pytest.mark.parametrize("value", [[], [1], [1, None, {"a": [2]}], [[]]], ids=repr)
    async def test_list_is_spread_into_arguments(self, world: EngineWorld, value: list[JsonValue]) -> None:
        """Each element is one argument."""
        assert await world.input_of(await world.started(value, arguments=Arguments.SPREAD)) == value

    async def test_missing_input_spreads_to_no_argument(self, world: EngineWorld) -> None:
        """Like an empty list."""
        assert await world.input_of(await world.started(MISSING, arguments=Arguments.SPREAD)) == []

    async def test_only_a_list_can_be_spread(self, world: EngineWorld) -> None:
        """Anything else is rejected, and nothing starts."""
        request = world.request({"n": 1}, arguments=Arguments.SPREAD)
        with pytest.raises(StartRejected, match="needs a list of arguments as input, not an object"):
            await world.engine.start(request)
        assert await world.engine.describe(request.workflow_id) is None

    async def test_arguments_are_too_large_together(self, world: EngineWorld) -> None:
        """The limit is that of all arguments."""
        with pytest.raises(StartRejected, match="exceeds limit"):
            await world.started(["x" * 1_100_000, "x" * 1_100_000], arguments=Arguments.SPREAD)


class TestMemoryWorkflowIds(WorkflowIdsContract):
    """The in-memory engine fulfils the contract."""

    @pytest.fixture
    def world(self, memory_world: MemoryWorld) -> MemoryWorld:
        return memory_world


class TestTemporalWorkflowIds(WorkflowIdsContract):
    """The real server fulfils the contract."""

    @pytest.fixture
    def world(self, temporal_world: TemporalWorld) -> TemporalWorld:
        return temporal_world
