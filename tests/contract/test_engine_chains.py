"""The contract of chain identity: what another execution under an operation's workflow id means for the operation."""

from uuid import uuid4

import pytest

from domain.evidence.observation import ExecutionState
from domain.operation.chain import Chain, Run
from domain.operation.operation_error import ErrorCode
from tests.contract.engine_memory import MemoryWorld
from tests.contract.engine_temporal import TemporalWorld
from tests.contract.engine_world import RETRYING, EngineWorld, eventually

TAGGED = pytest.mark.parametrize("tagged", [False, True], ids=["untagged", "tagged"])
EXPECTING = pytest.mark.parametrize("likely_closed", [False, True], ids=["plain", "likely closed"])


class ChainsContract:
    """What every workflow engine says of chains."""

    async def test_start_returns_the_first_run(self, world: EngineWorld) -> None:
        """Which all runs of the chain share: after a reset, a retry and continue-as-new."""
        operation_id = await world.started(retry_policy=RETRYING)
        first = world.first_runs[operation_id]
        assert (await world.latest_run(operation_id)).run_id == first
        await world.pick_up(operation_id)
        for go_on in (world.reset, world.retry_attempt, world.continue_as_new):
            await go_on(operation_id)
            run = await world.latest_run(operation_id)
            assert run.run_id != first
            origin = await world.engine.origin(run)
            assert origin is not None
            assert origin.first_run_id == first
            assert origin.operation_id == operation_id
            assert (await world.observe(operation_id)).first_run_id == first

    async def test_unknown_run_has_no_origin(self, world: EngineWorld) -> None:
        """Neither a run that never was, nor a known one under another workflow id."""
        operation_id = await world.started()
        run = await world.latest_run(operation_id)
        assert await world.engine.origin(Run(str(operation_id), str(uuid4()))) is None
        assert await world.engine.origin(Run(str(uuid4()), run.run_id)) is None

    @TAGGED
    @EXPECTING
    async def test_terminate_existing_ends_the_chain(
        self, world: EngineWorld, tagged: bool, likely_closed: bool
    ) -> None:
        """Another start that terminates ours: ours is TERMINATED, superseded, whatever becomes of the other one."""
        operation_id = await world.started()
        await world.pick_up(operation_id)
        await world.supersede(operation_id, tagged=tagged)
        other = (await world.latest_run(operation_id)).run_id
        for close in (False, True):
            if close:
                await world.complete(operation_id, {"another": "result"})
            seen = await world.engine.observe(world.chain(operation_id), likely_closed=likely_closed)
            assert (seen.state, seen.first_run_id) == (ExecutionState.TERMINATED, world.first_runs[operation_id])
            assert seen.error is not None
            assert seen.error.code is ErrorCode.TERMINATED
            assert seen.error.details["superseded_by"] == other

    @TAGGED
    @EXPECTING
    async def test_reuse_after_the_close_changes_nothing(
        self, world: EngineWorld, tagged: bool, likely_closed: bool
    ) -> None:
        """The result of ours stays the answer; no word of the other chain is in it."""
        operation_id = await world.started()
        await world.complete(operation_id, "ours")
        before = await world.observe(operation_id)
        await world.supersede(operation_id, tagged=tagged)
        for close in (False, True):
            if close:
                await world.fail(operation_id, "another's")
            seen = await world.engine.observe(world.chain(operation_id), likely_closed=likely_closed)
            assert (seen.state, seen.result) == (ExecutionState.COMPLETED, "ours")
            assert (seen.closed_at, seen.first_run_id) == (before.closed_at, before.first_run_id)

    async def test_superseded_chain_of_several_runs(self, world: EngineWorld) -> None:
        """Its last run counts, behind a reset, a retry and a continue-as-new."""
        operation_id = await world.started(retry_policy=RETRYING)
        await world.pick_up(operation_id)
        for go_on in (world.reset, world.retry_attempt, world.continue_as_new):
            await go_on(operation_id)
        await world.complete(operation_id, "the last one's")
        await world.supersede(operation_id, tagged=False)
        seen = await world.observe(operation_id)
        assert (seen.state, seen.result) == (ExecutionState.COMPLETED, "the last one's")

    async def test_chain_of_an_unknown_first_run(self, world: EngineWorld) -> None:
        """The search attribute identifies it; an execution without that is another one's."""
        operation_id = await world.started()
        seen = await world.engine.observe(Chain(operation_id))
        assert seen.first_run_id == world.first_runs[operation_id]
        stranger = uuid4()
        await world.start_from_outside(stranger)
        seen = await world.engine.observe(Chain(stranger))
        other = (await world.latest_run(stranger)).run_id
        assert (seen.state, seen.superseded_by, seen.first_run_id) == (ExecutionState.NOT_FOUND, other, None)

    async def test_nothing_is_left_of_the_chain(self, world: EngineWorld) -> None:
        """Deleted, and its workflow id used again: not found, with a word of the other one."""
        operation_id = await world.started()
        await world.delete(operation_id)
        await world.start_from_outside(operation_id)
        other = (await world.latest_run(operation_id)).run_id
        seen = await world.observe(operation_id)
        assert (seen.state, seen.superseded_by) == (ExecutionState.NOT_FOUND, other)

    @pytest.mark.parametrize("known", [True, False])
    async def test_requests_reach_the_own_chain_alone(self, world: EngineWorld, known: bool) -> None:
        """Neither a request to cancel nor a termination touches another chain under the workflow id."""
        operation_id = await world.started()
        await world.supersede(operation_id, tagged=False)
        chain = world.chain(operation_id) if known else Chain(operation_id)
        await world.engine.cancel(chain, "ours")
        await world.engine.terminate(chain, "ours")
        other = Chain(operation_id, (await world.latest_run(operation_id)).run_id)
        assert (await world.engine.observe(other)).state is ExecutionState.PENDING
        await world.engine.terminate(other, "by its own chain")
        assert (await world.engine.observe(other)).state is ExecutionState.TERMINATED

    @TAGGED
    async def test_index_lists_what_closed_beside_another_chain(self, world: EngineWorld, tagged: bool) -> None:
        """The close of ours is listed, whether or not the other chain is: the pass asks about it."""
        operation_id, since = await world.started(), world.now()
        await world.supersede(operation_id, tagged=tagged)
        states = {ExecutionState.TERMINATED, ExecutionState.RUNNING} if tagged else {ExecutionState.TERMINATED}

        async def listed() -> bool:
            page = await world.engine.changed_since(since)
            return {entry.state for entry in page.entries if entry.operation_id == operation_id} == states

        await eventually(listed)


class TestMemoryChains(ChainsContract):
    """The engine in memory keeps the contract."""

    @pytest.fixture
    def world(self, memory_world: MemoryWorld) -> MemoryWorld:
        return memory_world


class TestTemporalChains(ChainsContract):
    """The real server keeps the contract."""

    @pytest.fixture
    def world(self, temporal_world: TemporalWorld) -> TemporalWorld:
        return temporal_world
