"""The contract of operation repositories for verification."""

from dataclasses import replace
from uuid import UUID

import pytest

from domain.errors import InvalidTransition
from domain.evidence.summary import OperationSummary
from domain.operation.attention import Attention, AttentionKind
from domain.operation.follow_up import start_again
from domain.operation.lifecycle import complete, fail, start
from domain.operation.operation import Change, Operation
from domain.operation.operation_error import ErrorCode, OperationError
from domain.operation.report import Progress
from domain.operation.status import OperationStatus
from domain.scheduling.schedule import FIRST_VERIFICATION, Verification
from tests.contract.storage.operations.test_operation_repository import (
    ID_1,
    LEASE,
    accepted_change,
    add_running,
    claim_dispatches,
    dispatched_change,
    ids,
)
from tests.contract.storage.stores import OnMemory, OnPostgres, Store, add, save, stored
from tests.support.operations import at, cause

FIRST = 1 + FIRST_VERIFICATION.total_seconds()
"""Seconds until an operation that was dispatched a second after T0 is due."""


async def claim(store: Store, seconds: float, limit: int = 10) -> list[Operation]:
    """Claims and commits."""
    async with store.units() as unit:
        claimed = await unit.operations.claim_due_verifications(at(seconds), LEASE, limit)
        await unit.commit()
    return claimed


async def set_verified(store: Store, operation_id: UUID, verification: Verification) -> None:
    """Stores the verification and commits."""
    async with store.units() as unit:
        await unit.operations.set_verified(operation_id, verification)
        await unit.commit()


async def summaries(store: Store, *operation_ids: UUID) -> set[OperationSummary]:
    """Returns each summary once."""
    async with store.units() as unit:
        found = await unit.operations.summaries(operation_ids)
    assert len(set(found)) == len(found)
    return set(found)


async def attend(store: Store, number: int, kind: AttentionKind, seconds: float) -> None:
    """Raises an attention of a running operation."""
    attention = Attention(kind, at(seconds), "why")
    await save(store, Change(replace(await add_running(store, number), attention=attention)))


class VerificationContract:
    """The contract. Subclasses provide the store."""

    @pytest.fixture
    def store(self) -> Store:
        raise NotImplementedError

    # Claims

    async def test_a_claim_changes_only_the_due_time(self, store: Store) -> None:
        """Neither version nor revision."""
        await add(store, accepted_change())
        before = await save(store, dispatched_change(await stored(store, ID_1)))
        assert await claim(store, FIRST - 1) == []
        [claimed] = await claim(store, FIRST)
        assert claimed == replace(before, verification=Verification(at(1), at(FIRST) + LEASE))
        assert claimed == await stored(store, ID_1)
        assert [len(await claim(store, FIRST + later)) for later in (29, 30, 31)] == [0, 1, 0]
        await save(store, start(claimed, cause(62)))

    async def test_claims_take_the_longest_due_operations(self, store: Store) -> None:
        """They skip what another claimant holds (hazard 26)."""
        for number in (2, 5, 1, 4, 3):
            await add(store, accepted_change(number))
            await save(store, dispatched_change(await stored(store, UUID(int=number)), seconds=-number))
        async with store.units() as one, store.units() as other:
            taken = await one.operations.claim_due_verifications(at(60), LEASE, 2)
            rest = await other.operations.claim_due_verifications(at(60), LEASE, 2)
            assert [ids(taken), ids(rest)] == [[5, 4], [3, 2]]

    async def test_only_dispatched_unfinished_operations_are_verified(self, store: Store) -> None:
        """Neither undispatched nor finished ones."""
        await add(store, accepted_change(1))
        await add_running(store, 2)
        await save(store, complete(await add_running(store, 3), 1, cause(3)))
        error = OperationError(ErrorCode.TERMINATED, "no")
        await save(store, fail(await add_running(store, 4), error, cause(3)))
        await add(store, accepted_change(5))
        lost = await save(store, dispatched_change(await stored(store, UUID(int=5))))
        await save(store, start_again(lost, cause(3)))
        assert ids(await claim(store, 1000)) == [2]

    async def test_an_uncommitted_verification_claim_claims_nothing(self, store: Store) -> None:
        """The claimant may die before its commit."""
        await add_running(store)
        async with store.units() as unit:
            assert len(await unit.operations.claim_due_verifications(at(99), LEASE, 1)) == 1
        assert len(await claim(store, 99)) == 1

    async def test_dispatch_follow_up_and_verification_have_separate_due_times(self, store: Store) -> None:
        """A claim of one does not claim the others."""
        await add(store, accepted_change(1))
        await add_running(store, 2)
        assert ids(await claim(store, 1000)) == [2]
        assert ids(await claim_dispatches(store, 1000)) == [1]

    # Results

    async def test_a_verification_keeps_the_version(self, store: Store) -> None:
        """So no concurrent save becomes stale."""
        running = await add_running(store)
        asked = Verification(at(70), at(190))
        await set_verified(store, running.id, asked)
        assert await stored(store, running.id) == replace(running, verification=asked)
        assert await claim(store, 189) == []
        await save(store, Change(replace(running, progress=Progress(0.5))))

    async def test_a_verification_of_a_changed_operation_is_stored(self, store: Store) -> None:
        """The engine was asked, whatever else has changed."""
        running = await add_running(store)
        changed = await save(store, Change(replace(running, progress=Progress(0.5))))
        asked = Verification(at(70), at(190))
        await set_verified(store, running.id, asked)
        assert await stored(store, running.id) == replace(changed, verification=asked)

    async def test_a_verification_of_an_operation_that_is_not_open_is_ignored(self, store: Store) -> None:
        """It is done, to be started again, or missing."""
        done = await save(store, complete(await add_running(store), 1, cause(3)))
        await add(store, accepted_change(2))
        lost = await save(store, dispatched_change(await stored(store, UUID(int=2))))
        again = await save(store, start_again(lost, cause(3)))
        for operation_id in (done.id, again.id, UUID(int=3)):
            await set_verified(store, operation_id, Verification(at(70), at(190)))
        assert [await stored(store, row.id) for row in (done, again)] == [done, again]

    async def test_an_open_operation_needs_a_next_verification(self, store: Store) -> None:
        """A verification without a next time is refused."""
        running = await add_running(store)
        with pytest.raises(InvalidTransition):
            await set_verified(store, running.id, Verification(at(70), None))
        assert await stored(store, running.id) == running

    # Summaries

    async def test_summaries_have_status_error_code_attention_and_version(self, store: Store) -> None:
        """Of existing operations of every tenant, each once."""
        await add(store, accepted_change(1), accepted_change(2, tenant="other"), accepted_change(9))
        await attend(store, 3, AttentionKind.STALLED, 5)
        error = OperationError(ErrorCode.TIMED_OUT, "late")
        failed = fail(await add_running(store, 4), error, cause(3))
        await save(store, failed)
        await save(store, complete(await add_running(store, 5), None, cause(3)))
        found = await summaries(store, *(UUID(int=number) for number in (5, 4, 3, 2, 1, 1, 77)))
        rows = {number: await stored(store, UUID(int=number)) for number in (3, 4, 5)}
        versions = {number: row.version for number, row in rows.items()}
        assert min(versions.values()) > 1
        assert found == {
            OperationSummary(UUID(int=1), OperationStatus.ACCEPTED, None, None, str(UUID(int=1))),
            OperationSummary(UUID(int=2), OperationStatus.ACCEPTED, None, None, str(UUID(int=2))),
            OperationSummary(
                UUID(int=3), OperationStatus.RUNNING, None, AttentionKind.STALLED, str(UUID(int=3)), version=versions[3]
            ),
            OperationSummary(
                UUID(int=4), OperationStatus.FAILED, ErrorCode.TIMED_OUT, None, str(UUID(int=4)), version=versions[4]
            ),
            OperationSummary(UUID(int=5), OperationStatus.COMPLETED, None, None, str(UUID(int=5)), version=versions[5]),
        }
        assert {type(summary.id) for summary in found} == {UUID}

    async def test_summaries_of_no_ids_and_of_more_ids_than_parameters(self, store: Store) -> None:
        """No ids give none; any number of ids is one statement."""
        await add(store, accepted_change())
        assert await summaries(store) == set()
        assert len(await summaries(store, *(UUID(int=number) for number in range(1, 40_001)))) == 1

    async def test_stalled_operations_come_longest_stalled_first(self, store: Store) -> None:
        """Up to the limit, without other kinds of attention."""
        for number, seconds in ((1, 30), (2, 10), (3, 20), (4, 10)):
            await attend(store, number, AttentionKind.STALLED, seconds)
        await attend(store, 5, AttentionKind.DISPATCH_RETRYING, 1)
        await add_running(store, 6)
        async with store.units() as unit:
            for limit, numbers in ((10, [2, 4, 3, 1]), (3, [2, 4, 3]), (1, [2])):
                found = await unit.operations.stalled(limit)
                assert found == [UUID(int=number) for number in numbers]
                assert {type(operation_id) for operation_id in found} == {UUID}


class TestMemory(OnMemory, VerificationContract):
    pass


class TestPostgres(OnPostgres, VerificationContract):
    pass
