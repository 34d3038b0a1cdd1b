"""The contract of stored bulk actions: targets of one moment, one confirmation, outcomes that stay."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest

from application.ports.storage.operation_queries import OperationFilter
from domain.bulk.bulk_action import BulkAction, BulkTerms, BulkVerb
from domain.bulk.target import Target, TargetCode, TargetOutcome
from domain.errors import OperationNotFound
from domain.operation.attention import Attention, AttentionKind
from domain.operation.lifecycle import note, request_cancel
from domain.operation.operation_error import ErrorCode
from domain.operation.status import OperationStatus
from domain.retention import Cutoffs
from tests.contract.storage.operations.test_operation_repository import accepted_change
from tests.contract.storage.stores import OnMemory, OnPostgres, Store, add, save, stored
from tests.support.operations import at, cause

ID = UUID(int=1000)
EVERYTHING = OperationFilter()
TERMS = BulkTerms("no need", True, "alice")


def action(number: int = 1000, **fields: object) -> BulkAction:
    """A new bulk action of the default tenant."""
    return replace(BulkAction(UUID(int=number), "default", BulkVerb.CANCEL, at(60)), **fields)  # type: ignore[arg-type]


async def dry_run(
    store: Store, criteria: OperationFilter | None = EVERYTHING, *, limit: int = 100, new: BulkAction | None = None
) -> int | None:
    """Stores a bulk action and commits."""
    async with store.units() as unit:
        matching = await unit.bulk_actions.add(new or action(), criteria, limit)
        await unit.commit()
    return matching


async def confirmed(store: Store) -> None:
    """Stores the operation that performs the bulk action, and confirms it."""
    async with store.units() as unit:
        await unit.operations.add(accepted_change(1000, seconds=70))
        await unit.bulk_actions.confirm(ID, TERMS)
        await unit.commit()


async def targets(store: Store, after: int = 0, limit: int = 100) -> list[Target]:
    """Its targets."""
    async with store.units() as unit:
        return await unit.bulk_actions.targets(ID, after=after, limit=limit)


async def got(store: Store, action_id: UUID = ID) -> BulkAction | None:
    """The bulk action."""
    async with store.units() as unit:
        return await unit.bulk_actions.get(action_id)


async def record(store: Store, *handled: Target) -> None:
    """Records and commits."""
    async with store.units() as unit:
        await unit.bulk_actions.record(ID, handled)
        await unit.commit()


class BulkActionsContract:
    """The contract. Subclasses provide the store."""

    @pytest.fixture
    def store(self) -> Store:
        raise NotImplementedError

    async def test_targets_are_those_of_the_moment(self, store: Store) -> None:
        """Oldest first. Later operations, and later changes, do not matter."""
        for number, seconds in ((3, 1), (1, 2), (2, 2)):
            await add(store, accepted_change(number, seconds=seconds))
        assert await dry_run(store) == 3
        await add(store, accepted_change(4, seconds=0))
        row = await stored(store, UUID(int=1))
        await save(store, request_cancel(row, reason=None, force=False, cause=cause(9)))
        assert await targets(store) == [Target(place, UUID(int=n)) for place, n in enumerate((3, 1, 2), 1)]
        assert await got(store) == action(matching=3)

    async def test_acknowledgement_stores_the_problem_of_each_target(self, store: Store) -> None:
        """The problem is that at the moment of the dry run. Other verbs store none."""
        problems = [
            Attention(AttentionKind.STALLED, at(3.000001), "it fails"),
            Attention(AttentionKind.DIVERGED, at(4), "its execution is running: \u00e4 again"),
            None,
        ]
        for number, problem in enumerate(problems, 1):
            await add(store, accepted_change(number, seconds=number))
            await save(store, note(replace(await stored(store, UUID(int=number)), attention=problem), cause(9)))
        identities = [problem and problem.identity for problem in problems]
        assert await dry_run(store, new=action(verb=BulkVerb.ACKNOWLEDGE)) == 3
        assert await dry_run(store, new=action(1001)) == 3
        first = await stored(store, UUID(int=1))
        await save(store, note(replace(first, attention=Attention(AttentionKind.NO_WORKER, at(10), "no")), cause(10)))
        assert [target.problem for target in await targets(store)] == identities
        assert [target.problem for target in await targets(store, 1, 1)] == identities[1:2]
        async with store.units() as unit:
            pending = frozenset({TargetOutcome.PENDING})
            found = await unit.bulk_actions.targets(ID, after=1, limit=9, outcomes=pending)
            others = await unit.bulk_actions.targets(UUID(int=1001), after=0, limit=9)
        assert [target.problem for target in found] == identities[1:]
        assert [target.problem for target in others] == [None] * 3

    async def test_targets_are_read_in_pieces(self, store: Store) -> None:
        """Behind a place."""
        await add(store, *(accepted_change(number, seconds=number) for number in range(1, 6)))
        await dry_run(store)
        assert [target.place for target in await targets(store, 0, 2)] == [1, 2]
        assert [(target.place, target.operation_id.int) for target in await targets(store, 2, 2)] == [(3, 3), (4, 4)]
        assert [target.place for target in await targets(store, 4, 2)] == [5]
        assert await targets(store, 5, 2) == []

    @pytest.mark.parametrize(
        ("criteria", "expected"),
        [
            (OperationFilter(type="deploy"), [1, 2, 3]),
            (OperationFilter(type="other"), []),
            (OperationFilter(id_prefix=f"{2:032x}"), [2]),
            (None, []),
            (OperationFilter(type="\x00"), []),
            (OperationFilter(labels={"team": "b"}), [2]),
            (OperationFilter(statuses=frozenset({OperationStatus.ACCEPTED})), [1, 2]),
            (OperationFilter(statuses=frozenset({OperationStatus.ACCEPTED, OperationStatus.FAILED})), [1, 2, 3]),
            (OperationFilter(error_codes=frozenset({ErrorCode.CANCELED, ErrorCode.TIMED_OUT})), [3]),
            (OperationFilter(workflow_ids=frozenset({str(UUID(int=2)), str(UUID(int=3)), "order"})), [2, 3]),
            (OperationFilter(accepted_after=at(1), accepted_before=at(3)), [2]),
            (OperationFilter(finished_after=at(1)), [3]),
            (OperationFilter(statuses=frozenset({OperationStatus.RUNNING}), finished_after=at(1)), []),
        ],
    )
    async def test_filter_is_that_of_the_list(
        self, store: Store, criteria: OperationFilter | None, expected: list[int]
    ) -> None:
        """Of the tenant alone (P8)."""
        await add(store, accepted_change(1, seconds=1), accepted_change(2, seconds=2, labels={"team": "b"}))
        await add(store, accepted_change(3, seconds=3), accepted_change(4, seconds=2, tenant="other"))
        row = await stored(store, UUID(int=3))
        await save(store, request_cancel(row, reason=None, force=False, cause=cause(9)))
        assert await dry_run(store, criteria) == len(expected)
        assert [target.operation_id.int for target in await targets(store)] == expected
        other = action(1001, tenant="other")
        assert await dry_run(store, new=other) == 1

    async def test_more_than_the_limit_stores_nothing(self, store: Store) -> None:
        """The limit itself is allowed."""
        await add(store, *(accepted_change(number) for number in range(1, 4)))
        assert await dry_run(store, limit=2) is None
        assert await got(store) is None
        assert await dry_run(store, limit=3) == 3

    async def test_confirmation_is_stored_with_its_operation(self, store: Store) -> None:
        """It is not stored without the operation."""
        await dry_run(store)

        async def confirm_alone() -> None:
            async with store.units() as unit:
                await unit.bulk_actions.confirm(ID, TERMS)
                await unit.commit()

        with pytest.raises(OperationNotFound):
            await confirm_alone()
        assert await got(store) == action(matching=0)
        await confirmed(store)
        assert await got(store) == action(matching=0, terms=TERMS)

    async def test_one_of_many_units_confirms(self, store: Store) -> None:
        """The others wait, and see that it is confirmed."""
        await dry_run(store)

        async def attempt() -> bool:
            async with store.units() as unit:
                found = await unit.bulk_actions.lock(ID)
                assert found is not None
                if found.terms is None:
                    await unit.operations.add(accepted_change(1000))
                    await unit.bulk_actions.confirm(ID, TERMS)
                await unit.commit()
                return found.terms is None

        assert sorted(await asyncio.gather(*(attempt() for _ in range(5)))) == [False] * 4 + [True]

    async def test_the_first_outcome_stays(self, store: Store) -> None:
        """A piece that is handled twice changes nothing."""
        await add(store, *(accepted_change(number, seconds=number) for number in range(1, 4)))
        await dry_run(store)
        await confirmed(store)
        done = Target(1, UUID(int=1), TargetOutcome.DONE, new_operation_id=UUID(int=77))
        skipped = Target(2, UUID(int=2), TargetOutcome.SKIPPED, TargetCode.NOT_FOUND, "there is no operation\x00")
        await record(store, done, skipped)
        again = Target(1, UUID(int=1), TargetOutcome.SKIPPED, TargetCode.ALREADY_DONE, "done")
        failed = Target(3, UUID(int=3), TargetOutcome.FAILED, TargetCode.REFUSED, "no")
        await record(store, again, failed)
        await record(store)
        read = await targets(store)
        assert read[0] == done
        assert read[1] == replace(skipped, message=read[1].message)
        assert "\x00" not in str(read[1].message)
        assert read[2] == failed

    async def test_targets_are_filtered_by_outcome(self, store: Store) -> None:
        """The pages keep the order of the targets."""
        await add(store, *(accepted_change(number, seconds=number) for number in range(1, 7)))
        await dry_run(store)
        await confirmed(store)
        done = [Target(place, UUID(int=place), TargetOutcome.DONE) for place in (1, 3)]
        failed = Target(4, UUID(int=4), TargetOutcome.FAILED, TargetCode.REFUSED, "no")
        await record(store, *done, failed)

        async def places(*outcomes: TargetOutcome, after: int = 0, limit: int = 100) -> list[int]:
            async with store.units() as unit:
                found = await unit.bulk_actions.targets(ID, after=after, limit=limit, outcomes=outcomes)
            return [target.place for target in found]

        assert await places(TargetOutcome.DONE) == [1, 3]
        assert await places(TargetOutcome.DONE, TargetOutcome.FAILED) == [1, 3, 4]
        assert await places(TargetOutcome.PENDING) == [2, 5, 6]
        assert await places(TargetOutcome.PENDING, limit=2) == [2, 5]
        assert await places(TargetOutcome.PENDING, after=5, limit=2) == [6]
        assert await places(TargetOutcome.SKIPPED) == []
        assert await places(*TargetOutcome, after=2, limit=3) == [3, 4, 5]

    async def test_the_newest_unconfirmed_ones_of_a_tenant_are_kept(self, store: Store) -> None:
        """Confirmed ones, those of others, and one that is being confirmed, do not count or stay."""
        for number, seconds in ((1001, 10), (1002, 40), (1003, 20), (1004, 30)):
            await dry_run(store, new=action(number, created_at=at(seconds)))
        await dry_run(store, new=action(1005, created_at=at(1), tenant="other"))
        await dry_run(store, new=action(1000, created_at=at(50)))
        await confirmed(store)

        async def keep(number: int) -> int:
            async with store.units() as unit:
                deleted = await unit.bulk_actions.keep_newest("default", number)
                await unit.commit()
            return deleted

        assert await keep(4) == 0
        async with store.units() as confirming:
            await confirming.bulk_actions.lock(UUID(int=1001))
            assert await keep(2) == 1
        left = [number for number in range(1000, 1006) if await got(store, UUID(int=number)) is not None]
        assert left == [1000, 1001, 1002, 1004, 1005]
        assert await keep(0) == 3

    async def test_unconfirmed_ones_are_purged(self, store: Store) -> None:
        """Confirmed ones stay, however old."""
        await dry_run(store, new=action(1001, created_at=at(10)))
        await dry_run(store, new=action(1002, created_at=at(20)))
        await dry_run(store, new=action(1000, created_at=at(5)))
        await confirmed(store)

        async def purge(seconds: float, limit: int) -> int:
            async with store.units() as unit:
                purged = await unit.bulk_actions.purge(at(seconds), limit)
                await unit.commit()
            return purged

        assert await purge(10, 5) == 0
        assert await purge(30, 1) == 1
        assert await got(store, UUID(int=1001)) is None
        assert await purge(30, 5) == 1
        assert await purge(30, 5) == 0
        assert await got(store) is not None

    async def test_it_is_deleted_with_its_operation(self, store: Store) -> None:
        """By a client, and by the retention. The targets' own deletion leaves it as it is."""
        await add(store, accepted_change(1))
        await dry_run(store)
        await confirmed(store)
        await record(store, Target(1, UUID(int=1), TargetOutcome.DONE))
        for number in (1, 1000):
            row = await stored(store, UUID(int=number))
            ended = await save(store, request_cancel(row, reason=None, force=False, cause=cause(80)))
            async with store.units() as unit:
                await unit.operations.delete(ended)
                await unit.commit()
            assert len(await targets(store)) == (1 if number == 1 else 0)
        assert await got(store) is None
        await dry_run(store)
        await confirmed(store)
        row = await stored(store, ID)
        await save(store, request_cancel(row, reason=None, force=False, cause=cause(80)))
        async with store.units() as unit:
            due = await unit.operations.expired(Cutoffs(at(80) + timedelta(days=1)), 10)
            assert await unit.operations.delete_all(due) == {ID}
            await unit.commit()
        assert await got(store) is None


class TestMemory(OnMemory, BulkActionsContract):
    """The store in memory."""


class TestPostgres(OnPostgres, BulkActionsContract):
    """The store in PostgreSQL."""
