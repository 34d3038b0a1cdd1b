"""The contract of operation repositories."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from application.ports.storage.operation_repository import StaleOperation
from application.ports.storage.operation_view import OperationView
from domain.errors import InvalidInput, InvalidTransition
from domain.json_value import JsonValue
from domain.operation.acknowledging import acknowledge
from domain.operation.attention import Attention, AttentionKind
from domain.operation.follow_up import dispatched
from domain.operation.lifecycle import complete, fail, note, start
from domain.operation.operation import MISSING, Change, Input, Operation
from domain.operation.operation_error import ErrorCode, OperationError
from domain.operation.report import Progress
from domain.operation.start.creation import accept
from domain.operation.status import OperationStatus
from domain.operation.transition import Transition
from domain.scheduling.schedule import Dispatch, FollowUp, Verification, first_verification
from tests.contract.storage.stores import OnMemory, OnPostgres, Store, Stored, add, save, stored
from tests.contract.storage.strategies import as_json, changes
from tests.support.operations import at, cause

SHARED = [HealthCheck.function_scoped_fixture, HealthCheck.differing_executors]
"""All examples use one store, and the subclasses share the test. Both are intended."""
LEASE = timedelta(seconds=30)
FALSY: list[JsonValue] = [None, False, 0, 0.0, "", [], {}]
nested: JsonValue = 1
for _ in range(150):
    nested = [nested]
TRICKY: list[JsonValue] = [
    "\x00",
    {"\x00": "\ud800"},
    10**400,
    -0.0,
    1e308,
    {"b": 1, "a": 2},
    [1, 1.0, True, "1"],
    "é\u2028😀",
    "\\u0000",
    nested,
]
TAKEN: dict[str, Any] = {"dispatch": Dispatch(None, 1, at(1)), "verification": first_verification(at(1))}
"""The engine has taken the start."""
GONE: dict[str, Any] = {"finished_at": at(2), "dispatch": Dispatch(None, 1, at(1))}
BROKEN_TEXTS = ["\x00", "\udc80", "x" * 256]


def accepted_change(number: int = 1, seconds: float = 0, **fields: Any) -> Change:
    """A new operation, due for dispatch."""
    given: dict[str, Any] = {"tenant": "default", "type_name": "deploy", "value": {"n": number}, "labels": {}, **fields}
    return accept(UUID(int=number), cause=cause(seconds), **given)


def dispatched_change(operation: Operation, *, follow_up: float = 5, seconds: float = 1) -> Change:
    """An operation whose start the engine has accepted."""
    return dispatched(operation, follow_up_at=at(follow_up), now=at(seconds))


def exactly(value: JsonValue) -> str:
    """Distinguishes 1, 1.0 and True, and the order of keys."""
    return json.dumps(value)


async def claim_dispatches(store: Store, seconds: float, limit: int = 10) -> list[Operation]:
    """Claims and commits."""
    async with store.units() as unit:
        claimed = await unit.operations.claim_due_dispatches(at(seconds), LEASE, limit)
        await unit.commit()
    return claimed


async def claim_follow_ups(store: Store, seconds: float, limit: int = 10) -> list[Operation]:
    """Claims and commits."""
    async with store.units() as unit:
        claimed = await unit.operations.claim_due_follow_ups(at(seconds), LEASE, limit)
        await unit.commit()
    return claimed


async def add_running(store: Store, number: int = 1, seconds: float = 0) -> Operation:
    """Adds a running operation and commits."""
    change = accepted_change(number, seconds)
    await add(store, change.then(start(dispatched_change(change.operation).operation, cause(2))))
    return await stored(store, UUID(int=number))


class OperationRepositoryContract:
    """The contract. Subclasses provide the store."""

    @pytest.fixture
    def store(self) -> Store:
        raise NotImplementedError

    # Round trips

    @settings(deadline=None, max_examples=60, suppress_health_check=SHARED)
    @given(changes(), st.uuids())
    async def test_every_field_of_operation_and_history_round_trips(
        self, store: Store, change: Change, other: UUID
    ) -> None:
        """When added and when saved, with any JSON."""
        whole = change.operation
        added = replace(change, operation=replace(whole, id=other, workflow_id=f"{whole.workflow_id}, again"))
        first = replace(accepted_form(whole), version=whole.version, revision=whole.revision, unchecked=True)
        async with store.units() as unit:
            if await unit.operations.get(whole.id) or await unit.operations.get(other) or whole.id == other:
                return
            await unit.operations.add(added)
            await unit.operations.add(Change(first, change.transitions[:1]))
            saved = await unit.operations.save(Change(whole, change.transitions[1:]))
            assert (saved.revision, saved.version - whole.version) in ((whole.revision + 1, 0), (whole.revision + 1, 1))
            await unit.commit()
            assert_same(await unit.operations.get(other), added.operation)
            assert_same(await unit.operations.get(whole.id), replace(whole, **_counted(saved)))
        history = await store.queries(whole.tenant).transitions(whole.id)
        accepted, *later = map(as_stored, change.transitions)
        assert history == [accepted, *(replace(line, at=max(line.at, accepted.at)) for line in later)]

    @pytest.mark.parametrize("value", [MISSING, *FALSY, *TRICKY], ids=lambda value: repr(value)[:20])
    async def test_missing_null_and_empty_inputs_are_distinct(self, store: Store, value: Input) -> None:
        """Hazard 7."""
        await add(store, accepted_change(value=value))
        found = (await stored(store, UUID(int=1))).input
        if value is MISSING or found is MISSING:
            assert found is value
        else:
            assert exactly(found) == exactly(value)

    @pytest.mark.parametrize("value", [*FALSY, *TRICKY], ids=lambda value: repr(value)[:20])
    async def test_any_json_value_is_a_result(self, store: Store, value: JsonValue) -> None:
        """Falsy values too (hazard 12)."""
        running = await add_running(store)
        await save(store, complete(running, value, cause(3)))
        found = await stored(store, running.id)
        assert found.status is OperationStatus.COMPLETED
        assert exactly(found.result) == exactly(value)

    async def test_nan_and_infinities_become_null(self, store: Store) -> None:
        """JSON does not have them."""
        value: JsonValue = {"a": [float("nan"), float("inf"), 1.5]}
        await add(store, accepted_change(value=value))
        assert (await stored(store, UUID(int=1))).input == {"a": [None, None, 1.5]}

    async def test_later_changes_of_a_callers_value_do_not_reach_the_store(self, store: Store) -> None:
        """Values are copied."""
        value: list[JsonValue] = [1]
        await add(store, accepted_change(value=value))
        value.append(2)
        assert (await stored(store, UUID(int=1))).input == [1]

    async def test_get_finds_operations_of_every_tenant(self, store: Store) -> None:
        """It returns None for a missing operation."""
        await add(store, accepted_change(1, tenant="a"), accepted_change(2, tenant="b"))
        assert (await stored(store, UUID(int=2))).tenant == "b"
        async with store.units() as unit:
            assert await unit.operations.get(UUID(int=3)) is None

    # Compare-and-set

    async def test_a_save_raises_revision_and_visible_version_and_writes_history(self, store: Store) -> None:
        """The revision by one, the version by one for a visible change."""
        await add(store, accepted_change())
        saved = await save(store, dispatched_change(await stored(store, UUID(int=1))))
        assert saved == await stored(store, UUID(int=1))
        saved = await save(store, start(saved, cause(2)))
        assert await store.peek(saved.id) == Stored("RUNNING", 2, [1, 2])
        assert (saved.version, saved.revision) == (2, 3)

    async def test_a_line_is_not_earlier_than_the_line_before(self, store: Store) -> None:
        """P6, whatever the clocks of the processes say. `updated_at` does not move with a line alone."""
        await add(store, accepted_change())
        await save(store, note(await stored(store, UUID(int=1)), cause(9)))
        behind = await stored(store, UUID(int=1))
        await save(store, note(behind, cause(3)).then(note(note(behind, cause(3)).operation, cause(10))))
        lines = await store.queries(behind.tenant).transitions(behind.id)
        assert [line.at for line in lines] == [at(0), at(9), at(9), at(10)]

    async def test_a_stale_save_changes_nothing(self, store: Store) -> None:
        """Neither row nor history (hazard 23)."""
        await add(store, accepted_change())
        old = await stored(store, UUID(int=1))
        await save(store, start(old, cause(2)))
        with pytest.raises(StaleOperation):
            await save(store, note(old, cause(3)))
        assert await store.peek(old.id) == Stored("RUNNING", 2, [1, 2])

    async def test_an_operation_that_was_never_added_is_stale(self, store: Store) -> None:
        """It cannot be saved."""
        with pytest.raises(StaleOperation):
            await save(store, start(accepted_change().operation, cause(2)))

    async def test_a_completed_operation_passes_through_running_in_one_save(self, store: Store) -> None:
        """When it is first seen as completed."""
        await add(store, accepted_change())
        began = start(await stored(store, UUID(int=1)), cause(2))
        saved = await save(store, began.then(complete(began.operation, None, cause(3))))
        assert await store.peek(saved.id) == Stored("COMPLETED", 2, [1, 2, 3])

    async def test_an_id_cannot_be_added_twice(self, store: Store) -> None:
        """It belongs to one operation forever."""
        await add(store, accepted_change())
        with pytest.raises(InvalidTransition):
            await add(store, accepted_change())

    @pytest.mark.parametrize("numbers", [(3,), (1,), (2, 4), (3, 2)])
    async def test_a_change_that_does_not_continue_the_history_is_refused(
        self, store: Store, numbers: tuple[int, ...]
    ) -> None:
        """No part of it is stored (P6)."""
        await add(store, accepted_change())
        change = note(await stored(store, UUID(int=1)), cause(2))
        lines = tuple(replace(change.transitions[0], sequence=number) for number in numbers)
        broken = Change(replace(change.operation, history_length=max(numbers)), lines)
        with pytest.raises(InvalidTransition):
            await save(store, broken)
        assert await store.peek(ID_1) == Stored("ACCEPTED", 1, [1])

    # Batches

    async def test_save_all_saves_each_change_as_save_does(self, store: Store) -> None:
        """With and without history lines. It returns the new counters."""
        await add(store, *(accepted_change(number) for number in range(1, 5)))
        async with store.units() as unit:
            found = await unit.operations.get_all([UUID(int=number) for number in range(1, 5)])
            one, two, three, four = (found[UUID(int=number)] for number in range(1, 5))
            began = start(two, cause(2))
            both = began.then(complete(began.operation, {"a": None}, cause(3)))
            changes = [dispatched_change(four), both, note(one, cause(4)), start(three, cause(2))]
            saved = await unit.operations.save_all(changes)
            await unit.commit()
        assert {operation.revision for operation in saved.values()} == {2}
        assert saved == {
            change.operation.id: replace(change.operation, **_counted(saved[change.operation.id])) for change in changes
        }
        for operation in saved.values():
            assert await stored(store, operation.id) == operation
        peeked = [await store.peek(UUID(int=number)) for number in range(1, 5)]
        assert peeked == [
            Stored("ACCEPTED", 1, [1, 2]),
            Stored("COMPLETED", 2, [1, 2, 3]),
            Stored("RUNNING", 2, [1, 2]),
            Stored("ACCEPTED", 1, [1]),
        ]
        assert await store.queries("default").transitions(two.id) == [accepted_line(), *both.transitions]

    async def test_save_all_leaves_out_stale_and_missing_operations(self, store: Store) -> None:
        """The others are saved (hazard 23)."""
        await add(store, accepted_change(1), accepted_change(2))
        old, other = [await stored(store, UUID(int=number)) for number in (1, 2)]
        await save(store, start(old, cause(2)))
        missing = start(accepted_change(3).operation, cause(2))
        async with store.units() as unit:
            saved = await unit.operations.save_all([note(old, cause(3)), note(other, cause(3)), missing])
            await unit.commit()
        assert ids(list(saved.values())) == [2]
        peeked = [await store.peek(UUID(int=number)) for number in (1, 2, 3)]
        assert peeked == [Stored("RUNNING", 2, [1, 2]), Stored("ACCEPTED", 1, [1, 2]), None]

    async def test_save_all_skips_locked_rows(self, store: Store) -> None:
        """One row does not delay the others, and two calls on the same rows do not deadlock."""
        await add(store, accepted_change(1), accepted_change(2))
        one, two = [await stored(store, UUID(int=number)) for number in (1, 2)]
        async with store.units() as unit, store.units() as other:
            assert ids(list((await unit.operations.save_all([note(one, cause(2))])).values())) == [1]
            saved = await other.operations.save_all([note(two, cause(3)), note(one, cause(3))])
            assert ids(list(saved.values())) == [2]
            await unit.commit()
            await other.commit()
        assert [await store.peek(UUID(int=number)) for number in (1, 2)] == [Stored("ACCEPTED", 1, [1, 2])] * 2

    async def test_save_all_may_wait_for_locked_rows(self, store: Store) -> None:
        """It locks in the order of the ids, so that two calls on the same rows do not deadlock."""
        await add(store, *(accepted_change(number) for number in range(1, 4)))
        one, two, three = [await stored(store, UUID(int=number)) for number in (1, 2, 3)]
        async with store.units() as unit, store.units() as other:
            assert len(await unit.operations.save_all([note(one, cause(2))])) == 1
            changes = [note(three, cause(3)), note(two, cause(3)), note(one, cause(3))]
            waiting = asyncio.create_task(other.operations.save_all(changes, wait=True))
            assert len(await unit.operations.save_all([note(two, cause(2))], wait=True)) == 1
            assert not waiting.done()
            await unit.commit()
            assert ids(list((await waiting).values())) == [3]
            await other.commit()
        assert [await store.peek(UUID(int=number)) for number in (1, 2, 3)] == [Stored("ACCEPTED", 1, [1, 2])] * 3

    async def test_lock_all_leaves_out_locked_and_missing_operations(self, store: Store) -> None:
        """It does not wait. Its unit alone changes the others."""
        await add(store, *(accepted_change(number) for number in range(1, 4)))
        one, two, three = [await stored(store, UUID(int=number)) for number in (1, 2, 3)]
        async with store.units() as unit, store.units() as other:
            await other.operations.save(note(two, cause(2)))
            found = await unit.operations.lock_all([UUID(int=number) for number in (3, 2, 1, 9)])
            assert found == {one.id: one, three.id: three}
            assert await other.operations.save_all([note(three, cause(2))]) == {}
            assert len(await unit.operations.save_all([note(one, cause(2)), note(three, cause(2))])) == 2
            await other.commit()
            await unit.commit()
        assert [await store.peek(UUID(int=number)) for number in (1, 2, 3)] == [Stored("ACCEPTED", 1, [1, 2])] * 3

    async def test_save_all_of_no_changes_saves_nothing(self, store: Store) -> None:
        """It returns no operations."""
        async with store.units() as unit:
            assert await unit.operations.save_all([]) == {}

    async def test_save_all_refuses_two_changes_of_one_operation(self, store: Store) -> None:
        """It raises ValueError."""
        await add(store, accepted_change())
        operation = await stored(store, ID_1)
        with pytest.raises(ValueError, match="two changes of one operation"):
            async with store.units() as unit:
                await unit.operations.save_all([note(operation, cause(2)), note(operation, cause(3))])
        assert await store.peek(ID_1) == Stored("ACCEPTED", 1, [1])

    @pytest.mark.parametrize("number", [1, 3])
    async def test_save_all_with_a_gap_in_one_history_saves_nothing(self, store: Store, number: int) -> None:
        """P6."""
        await add(store, accepted_change(1), accepted_change(2))
        one, two = [await stored(store, UUID(int=number)) for number in (1, 2)]
        change = note(two, cause(2))
        lines = (replace(change.transitions[0], sequence=number),)
        broken = Change(replace(change.operation, history_length=number), lines)
        with pytest.raises(InvalidTransition):
            async with store.units() as unit:
                await unit.operations.save_all([note(one, cause(2)), broken])
        assert [await store.peek(UUID(int=number)) for number in (1, 2)] == [Stored("ACCEPTED", 1, [1])] * 2

    async def test_save_all_with_one_violated_rule_saves_nothing(self, store: Store) -> None:
        """P2."""
        running = await add_running(store, 1)
        done = await save(store, complete(running, 1, cause(3)))
        await add(store, accepted_change(2))
        other = await stored(store, UUID(int=2))
        back = Change(replace(done, status=OperationStatus.RUNNING, result=None, finished_at=None))
        with pytest.raises(InvalidTransition):
            async with store.units() as unit:
                await unit.operations.save_all([note(other, cause(2)), back])
        assert await stored(store, other.id) == other

    # Constraints

    async def test_a_final_status_is_never_taken_back(self, store: Store) -> None:
        """Not by a save of the current revision either (P2)."""
        running = await add_running(store)
        done = await save(store, complete(running, 1, cause(3)))
        error = OperationError(ErrorCode.TERMINATED, "no")
        for wrong in (
            replace(done, status=OperationStatus.RUNNING, result=None, finished_at=None),
            replace(done, status=OperationStatus.FAILED, result=None, error=error),
        ):
            with pytest.raises(InvalidTransition):
                await save(store, Change(wrong))
        assert await stored(store, done.id) == done

    @pytest.mark.parametrize(
        "changes",
        [
            {"started_at": at(1)},
            {"finished_at": at(1)},
            {"updated_at": at(-1)},
            {"error": OperationError(ErrorCode.CANCELED, "")},
            {"dispatch": Dispatch(due_at=None)},
            {"dispatch": Dispatch(due_at=at(1), done_at=at(1))},
            {"dispatch": Dispatch(due_at=at(1), attempts=-1)},
            {"version": 0},
            {"revision": 0},
            {"status": OperationStatus.RUNNING, **TAKEN},
            {"status": OperationStatus.RUNNING, "started_at": at(-1), **TAKEN},
            {"status": OperationStatus.RUNNING, "started_at": at(1)},
            {"status": OperationStatus.COMPLETED, **GONE},
            {"status": OperationStatus.FAILED, **GONE},
            {"status": OperationStatus.FAILED, "error": OperationError(ErrorCode.WORKFLOW_FAILED, ""), **GONE},
            {"verification": Verification(at(1), at(1))},
            {"dispatch": Dispatch(None, 1, at(1))},
            {"status": OperationStatus.RUNNING, "started_at": at(1), **TAKEN, "verification": Verification(at(1))},
            {"status": OperationStatus.COMPLETED, "started_at": at(1), **TAKEN, **GONE},
        ],
        ids=repr,
    )
    async def test_a_row_that_violates_a_rule_is_refused(self, store: Store, changes: dict[str, Any]) -> None:
        """The origin does not matter."""
        change = accepted_change()
        with pytest.raises(InvalidTransition):
            await add(store, replace(change, operation=replace(change.operation, **changes)))
        assert await store.peek(ID_1) is None

    @pytest.mark.parametrize("text", [*BROKEN_TEXTS, ""], ids=repr)
    @pytest.mark.parametrize("field", ["tenant", "type_name"])
    async def test_invalid_tenant_or_type_raises_invalid_input(self, store: Store, field: str, text: str) -> None:
        """It is a client's error, never an internal one."""
        given: dict[str, Any] = {field: text}
        with pytest.raises(InvalidInput):
            await add(store, accepted_change(**given))

    @pytest.mark.parametrize("labels", [{"\x00": ""}, {"a": "\ud800"}], ids=repr)
    async def test_invalid_labels_raise_invalid_input(self, store: Store, labels: dict[str, str]) -> None:
        """They are a client's error, too."""
        with pytest.raises(InvalidInput):
            await add(store, accepted_change(labels=labels))

    @pytest.mark.parametrize("fraction", [-0.1, 1.1])
    async def test_progress_outside_0_to_1_raises_invalid_input(self, store: Store, fraction: float) -> None:
        """It is a client's error, too."""
        running = await add_running(store)
        with pytest.raises(InvalidInput):
            await save(store, Change(replace(running, progress=Progress(fraction))))

    async def test_a_message_with_a_nul_is_stored_without_it(self, store: Store) -> None:
        """Better than no message."""
        running = await add_running(store)
        await save(store, Change(replace(running, progress=Progress(0.5, "half\x00way"))))
        assert (await stored(store, running.id)).progress == Progress(0.5, "half�way")

    # Dispatches

    async def test_a_dispatch_claim_counts_an_attempt_and_leases_the_operation(self, store: Store) -> None:
        """It also raises the revision by one."""
        await add(store, accepted_change())
        before = await stored(store, ID_1)
        [claimed] = await claim_dispatches(store, 1)
        assert claimed == replace(before, revision=2, dispatch=Dispatch(due_at=at(31), attempts=1))
        assert claimed == await stored(store, ID_1)
        with pytest.raises(StaleOperation):
            await save(store, note(before, cause(2)))
        await save(store, dispatched_change(claimed))

    async def test_a_leased_operation_is_claimed_again_only_after_its_lease(self, store: Store) -> None:
        """The claimant may have died."""
        await add(store, accepted_change())
        assert [len(await claim_dispatches(store, seconds)) for seconds in (-1, 0, 29.9, 30, 31)] == [0, 1, 0, 1, 0]
        assert (await stored(store, ID_1)).dispatch.attempts == 2

    async def test_dispatch_claims_take_the_longest_due_operations(self, store: Store) -> None:
        """Up to the limit."""
        await add(store, *(accepted_change(number, seconds=-number) for number in (2, 5, 1, 4, 3)))
        assert [ids(await claim_dispatches(store, 0, limit=2)) for _ in range(3)] == [[5, 4], [3, 2], [1]]

    async def test_dispatched_running_and_finished_operations_are_not_claimed(self, store: Store) -> None:
        """They are not started again."""
        await add(store, accepted_change(1), accepted_change(2))
        await save(store, dispatched_change(await stored(store, UUID(int=1))))
        error = OperationError(ErrorCode.START_REJECTED, "no")
        await save(store, fail(await stored(store, UUID(int=2)), error, cause(2)))
        await add_running(store, 3)
        assert await claim_dispatches(store, 1000) == []

    async def test_concurrent_claims_are_disjoint_and_do_not_wait(self, store: Store) -> None:
        """Hazard 26."""
        await add(store, *(accepted_change(number) for number in range(1, 6)))
        async with store.units() as one, store.units() as other:
            taken = await one.operations.claim_due_dispatches(at(1), LEASE, 3)
            rest = await other.operations.claim_due_dispatches(at(1), LEASE, 3)
            assert [ids(taken), ids(rest)] == [[1, 2, 3], [4, 5]]

    async def test_an_uncommitted_claim_claims_nothing(self, store: Store) -> None:
        """The claimant may die before its commit."""
        await add(store, accepted_change())
        async with store.units() as unit:
            assert len(await unit.operations.claim_due_dispatches(at(1), LEASE, 1)) == 1
        assert (await stored(store, ID_1)).version == 1
        assert len(await claim_dispatches(store, 1)) == 1

    # Follow-ups

    async def test_a_follow_up_claim_changes_only_the_due_time(self, store: Store) -> None:
        """Neither version nor revision."""
        await add(store, accepted_change())
        before = await save(store, dispatched_change(await stored(store, ID_1), follow_up=5))
        assert await claim_follow_ups(store, 4) == []
        [claimed] = await claim_follow_ups(store, 5)
        assert claimed == replace(before, follow_up=FollowUp(at(35)))
        assert claimed == await stored(store, ID_1)
        assert await claim_follow_ups(store, 34) == []
        assert len(await claim_follow_ups(store, 35)) == 1
        await save(store, start(claimed, cause(6)))

    async def test_follow_up_claims_take_the_longest_due_operations(self, store: Store) -> None:
        """They skip what another claimant holds."""
        for number in (2, 5, 1, 4, 3):
            await add(store, accepted_change(number))
            await save(store, dispatched_change(await stored(store, UUID(int=number)), follow_up=-number))
        async with store.units() as one, store.units() as other:
            taken = await one.operations.claim_due_follow_ups(at(0), LEASE, 2)
            rest = await other.operations.claim_due_follow_ups(at(0), LEASE, 2)
            assert [ids(taken), ids(rest)] == [[5, 4], [3, 2]]

    async def test_planning_a_follow_up_keeps_the_version(self, store: Store) -> None:
        """Clients see no difference."""
        running = await add_running(store)
        async with store.units() as unit:
            await unit.operations.set_follow_up(running, FollowUp(at(9), 4))
            await unit.commit()
        assert await stored(store, running.id) == replace(running, follow_up=FollowUp(at(9), 4))

    async def test_a_follow_up_plan_survives_a_change_that_plans_nothing(self, store: Store) -> None:
        """Such as progress, or the chain's first run."""
        await add(store, accepted_change())
        await save(store, dispatched_change(await stored(store, ID_1), follow_up=1))
        async with store.units() as unit:
            [claimed] = await unit.operations.claim_due_follow_ups(at(2), LEASE, 1)
            await unit.commit()
        changed = await save(store, Change(replace(claimed, first_run_id="run")))
        async with store.units() as unit:
            await unit.operations.set_follow_up(claimed, FollowUp(at(9), 4))
            await unit.commit()
        assert await stored(store, ID_1) == replace(changed, follow_up=FollowUp(at(9), 4))

    async def test_a_follow_up_plan_for_an_older_revision_is_dropped(self, store: Store) -> None:
        """The change has made its own plan."""
        running = await add_running(store)
        changed = await save(store, Change(replace(running, progress=Progress(0.5))))
        done = await save(store, complete(changed, 1, cause(9)))
        async with store.units() as unit:
            await unit.operations.set_follow_up(running, FollowUp(at(9), 4))
            await unit.operations.set_follow_up(done, FollowUp(at(9), 4))
            await unit.commit()
        assert await stored(store, running.id) == done

    async def test_attention_is_stored_until_it_is_cleared(self, store: Store) -> None:
        """It has kind, time and message."""
        await add(store, accepted_change())
        attention = Attention(AttentionKind.DISPATCH_RETRYING, at(1), "attempt 1")
        asked = await save(store, Change(replace(await stored(store, ID_1), attention=attention)))
        assert (await stored(store, ID_1)).attention == attention
        await save(store, dispatched_change(asked))
        assert (await stored(store, ID_1)).attention is None

    async def test_the_attention_of_a_final_operation_is_acknowledged(self, store: Store) -> None:
        """What was acknowledged is kept, and clients see the difference once."""
        running = await add_running(store)
        done = await save(store, complete(running, 1, cause(9)))
        attention = Attention(AttentionKind.DIVERGED, at(10), "running again")
        diverged = await save(store, Change(replace(done, attention=attention)))
        saved = await save(store, acknowledge(diverged, "reset", cause(11)))
        assert (saved.attention, saved.acknowledged) == (None, attention)
        assert saved == await stored(store, done.id)
        assert saved.version == diverged.version + 1
        forgotten = await save(store, Change(replace(saved, acknowledged=None)))
        assert forgotten.version == saved.version


ID_1 = UUID(int=1)


def accepted_line() -> Transition:
    """The first line of every history."""
    return accepted_change().transitions[0]


def ids(operations: Sequence[OperationView]) -> list[int]:
    """Returns the numbers of operations."""
    return [operation.id.int for operation in operations]


def _counted(operation: Operation) -> dict[str, Any]:
    """The counters of the store. test_visible_version.py tests them."""
    return {name: getattr(operation, name) for name in ("revision", "version", "updated_at")}


def accepted_form(operation: Operation) -> Operation:
    """The operation at its acceptance, with its immutable fields."""
    return Operation(
        id=operation.id,
        tenant=operation.tenant,
        type=operation.type,
        input=operation.input,
        labels=operation.labels,
        trace=operation.trace,
        workflow_id=operation.workflow_id,
        origin=operation.origin,
        parent_id=operation.parent_id,
        start_at=operation.start_at,
        retry_of=operation.retry_of,
        accepted_at=operation.accepted_at,
        updated_at=operation.accepted_at,
        dispatch=Dispatch(due_at=operation.accepted_at),
        history_length=1,
    )


def assert_same(found: Operation | None, given: Operation) -> None:
    """Asserts that all fields are equal, with values as JSON."""
    assert found is not None
    reported = given.reported
    if reported is not None:
        reported = replace(reported, result=as_json(reported.result), error=error_as_json(reported.error))
    expected = replace(
        given,
        input=given.input if given.input is MISSING else as_json(given.input),
        result=as_json(given.result),
        error=error_as_json(given.error),
        reported=reported,
    )
    assert found == expected
    if given.input is not MISSING and found.input is not MISSING:
        assert exactly(found.input) == exactly(as_json(given.input))
    assert exactly(found.result) == exactly(as_json(given.result))


def error_as_json(error: OperationError | None) -> OperationError | None:
    """The error with its details as JSON."""
    if error is None:
        return None
    details: Any = as_json(dict(error.details))
    return replace(error, details=details)


def as_stored(line: Transition) -> Transition:
    """The history line with its details as JSON."""
    details: Any = as_json(dict(line.details))
    return replace(line, details=details)


class TestMemory(OnMemory, OperationRepositoryContract):
    pass


class TestPostgres(OnPostgres, OperationRepositoryContract):
    pass
