"""Contract of chain identity: another execution with the operation's workflow id does not decide the operation."""

from uuid import uuid4

import pytest

from domain.evidence.observation import ExecutionState
from domain.operation.chain import Run
from domain.operation.operation_error import ErrorCode
from tests.contract.engine.memory import MemoryWorld
from tests.contract.engine.temporal import TemporalWorld
from tests.contract.engine.world import RETRYING, EngineWorld
from tests.support.chains import own_chain
from tests.support.eventually import eventually

TAGGED = pytest.mark.parametrize("tagged", [False, True], ids=["untagged", "tagged"])
EXPECTING = pytest.mark.parametrize("likely_closed", [False, True], ids=["plain", "likely closed"])


class ChainsContract:
    """Answers of every workflow engine about chains."""

    async def test_start_returns_the_first_run(self, world: EngineWorld) -> None:
        """All runs of the chain have the same one: after a reset, a retry and continue-as-new."""
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
        """Neither a run that never existed, nor a known run id with another workflow id."""
        operation_id = await world.started()
        run = await world.latest_run(operation_id)
        assert await world.engine.origin(Run(str(operation_id), str(uuid4()))) is None
        assert await world.engine.origin(Run(str(uuid4()), run.run_id)) is None

    @TAGGED
    @EXPECTING
    async def test_terminate_existing_ends_the_chain(
        self, world: EngineWorld, tagged: bool, likely_closed: bool
    ) -> None:
        """Another start terminates the operation's chain: it is TERMINATED and superseded, whatever happens to the
        other chain."""
        operation_id = await world.started()
        await world.pick_up(operation_id)
        await world.supersede(operation_id, tagged=tagged)
        other = (await world.latest_run(operation_id)).run_id
        for close in (False, True):
            if close:
                await world.complete(operation_id, {"another": "result"})
            seen = await world.observe(operation_id, likely_closed=likely_closed)
            assert (seen.state, seen.first_run_id) == (ExecutionState.TERMINATED, world.first_runs[operation_id])
            assert seen.error is not None
            assert seen.error.code is ErrorCode.TERMINATED
            assert seen.error.details["superseded_by"] == other

    @TAGGED
    @EXPECTING
    async def test_reuse_after_the_close_changes_nothing(
        self, world: EngineWorld, tagged: bool, likely_closed: bool
    ) -> None:
        """The answer stays the result of the operation's chain, without anything of the other chain."""
        operation_id = await world.started()
        await world.complete(operation_id, "ours")
        before = await world.observe(operation_id)
        await world.supersede(operation_id, tagged=tagged)
        for close in (False, True):
            if close:
                await world.fail(operation_id, "another's")
            seen = await world.observe(operation_id, likely_closed=likely_closed)
            assert (seen.state, seen.result) == (ExecutionState.COMPLETED, "ours")
            assert (seen.closed_at, seen.first_run_id) == (before.closed_at, before.first_run_id)

    async def test_last_run_of_a_superseded_chain_counts(self, world: EngineWorld) -> None:
        """After a reset, a retry and continue-as-new."""
        operation_id = await world.started(retry_policy=RETRYING)
        await world.pick_up(operation_id)
        for go_on in (world.reset, world.retry_attempt, world.continue_as_new):
            await go_on(operation_id)
        await world.complete(operation_id, "the last one's")
        await world.supersede(operation_id, tagged=False)
        seen = await world.observe(operation_id)
        assert (seen.state, seen.result) == (ExecutionState.COMPLETED, "the last one's")

    async def test_search_attribute_identifies_a_chain_with_unknown_first_run(self, world: EngineWorld) -> None:
        """An execution without the search attribute belongs to another chain."""
        operation_id = await world.started()
        seen = await world.observe(own_chain(operation_id))
        assert seen.first_run_id == world.first_runs[operation_id]
        stranger = uuid4()
        await world.start_from_outside(stranger)
        seen = await world.observe(own_chain(stranger))
        other = (await world.latest_run(stranger)).run_id
        assert (seen.state, seen.superseded_by, seen.first_run_id) == (ExecutionState.NOT_FOUND, other, None)

    async def test_deleted_chain_is_not_found_and_names_the_superseding_chain(self, world: EngineWorld) -> None:
        """After its workflow id was used again."""
        operation_id = await world.started()
        await world.delete(operation_id)
        await world.start_from_outside(operation_id)
        other = (await world.latest_run(operation_id)).run_id
        seen = await world.observe(operation_id)
        assert (seen.state, seen.superseded_by) == (ExecutionState.NOT_FOUND, other)

    @pytest.mark.parametrize("known", [True, False])
    async def test_cancel_and_terminate_reach_only_the_own_chain(self, world: EngineWorld, known: bool) -> None:
        """Another chain with the workflow id is not affected."""
        operation_id = await world.started()
        await world.supersede(operation_id, tagged=False)
        chain = world.chain(operation_id) if known else own_chain(operation_id)
        await world.engine.cancel(chain, "ours")
        await world.engine.terminate(chain, "ours")
        other = own_chain(operation_id, (await world.latest_run(operation_id)).run_id)
        assert (await world.observe(other)).state is ExecutionState.PENDING
        await world.engine.terminate(other, "by its own chain")
        assert (await world.observe(other)).state is ExecutionState.TERMINATED

    @TAGGED
    async def test_index_lists_a_close_beside_another_chain(self, world: EngineWorld, tagged: bool) -> None:
        """The close is listed whether or not the other chain is, so the reconciliation pass asks about it."""
        operation_id, since = await world.started(), world.now()
        await world.supersede(operation_id, tagged=tagged)
        states = {ExecutionState.TERMINATED, ExecutionState.RUNNING} if tagged else {ExecutionState.TERMINATED}

        async def listed() -> bool:
            page = await world.engine.changed_since(since)
            return {entry.state for entry in page.entries if entry.operation_id == operation_id} == states

        await eventually(listed)


class TestMemoryChains(ChainsContract):
    """The in-memory engine fulfils the contract."""

    @pytest.fixture
    def world(self, memory_world: MemoryWorld) -> MemoryWorld:
        return memory_world


class TestTemporalChains(ChainsContract):
    """The real server fulfils the contract."""

    @pytest.fixture
    def world(self, temporal_world: TemporalWorld) -> TemporalWorld:
        return temporal_world
