"""The work on the targets: the single verbs, once in effect, whenever the process is killed."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from dependency_injector import providers

from adapters.memory.bulk_actions import MemoryBulkActions
from application.bulk.bulk_operations import BulkOperations, Confirmation
from application.bulk.perform import CHUNK, BulkActionEnded, PerformBulkActions, PieceHandled, TargetsFailed
from application.bulk.verbs import Act
from application.ports.storage.operation_queries import OperationFilter
from application.ports.storage.unit_of_work import (
    DatabaseContended,
    DatabaseRefused,
    DatabaseTimeout,
    DatabaseUnavailable,
    UnitOfWork,
)
from application.submit.retry import Retry
from application.submit.submission import Submission
from domain.bulk.bulk_action import BulkAction, BulkTerms, BulkVerb
from domain.bulk.target import Target, TargetCode, TargetOutcome
from domain.operation.acknowledging import with_problem
from domain.operation.attention import Attention, AttentionKind
from domain.operation.follow_up import start_failed
from domain.operation.lifecycle import complete, note, start
from domain.operation.operation import Cause, Change, Operation
from domain.operation.operation_type import OperationCatalogue, OperationType
from domain.operation.transition import Source
from entrypoints.settings.settings import Settings
from entrypoints.wiring.api import ApiServices
from entrypoints.wiring.memory import in_memory
from entrypoints.wiring.worker import WorkerServices
from tests.support.ledger.faults import Crash, CrashingUnit, Faults

DONE, SKIPPED, FAILED = TargetOutcome.DONE, TargetOutcome.SKIPPED, TargetOutcome.FAILED
CATALOGUE = OperationCatalogue({name: OperationType(name, "Deploy", "queue") for name in ("deploy", "build")})
EVERYTHING = OperationFilter()
TERMS = BulkTerms("no need", False, "alice")


class Ledger:
    """The services as they are wired, in memory."""

    def __init__(self, catalogue: OperationCatalogue = CATALOGUE) -> None:
        parts = in_memory(Settings(), catalogue)
        self.api, self.worker = ApiServices(**parts), WorkerServices(**parts)
        self.units: Any = parts["adapters"].units()
        self.clock: Any = parts["adapters"].clock()
        self.ids: Any = parts["adapters"].operation_ids()
        self.bulk: BulkOperations = self.api.bulk()

    async def submit(self, *, done: bool = False, type_name: str = "deploy") -> UUID:
        """A new operation."""
        submitted = await self.api.submit().submit(Submission("default", type_name, {"n": 1}))
        operation: Operation = submitted.operation
        if done:
            await self.finish(operation.id)
        return operation.id

    async def finish(self, operation_id: UUID) -> None:
        """Lets its workflow complete."""
        for change in (start, lambda row, cause: complete(row, 1, cause)):
            await self.change(operation_id, change)

    async def change(self, operation_id: UUID, change: Callable[[Operation, Cause], Change]) -> None:
        """Changes it, and commits."""
        row = await self.row(operation_id)
        assert row is not None
        async with self.units() as unit:
            await unit.operations.save(change(row, Cause(Source.WORKFLOW, "test", self.clock.now())))
            await unit.commit()

    async def retrying(self, operation_id: UUID) -> None:
        """Lets its start fail, so that it needs attention."""
        row = await self.row(operation_id)
        assert row is not None
        now = self.clock.now()
        change = start_failed(row, "no", Cause(Source.DISPATCHER, "", now), retry_at=now + timedelta(hours=1))
        async with self.units() as unit:
            await unit.operations.save(change)
            await unit.commit()

    async def attend(
        self, operation_id: UUID, kind: AttentionKind, message: str, *, since: datetime | None = None
    ) -> None:
        """Gives it this problem."""
        problem = Attention(kind, since or self.clock.now(), message)
        await self.change(operation_id, lambda row, cause: note(with_problem(row, problem), cause))

    async def confirmed(self, verb: BulkVerb, criteria: OperationFilter = EVERYTHING) -> UUID:
        """A bulk action that is confirmed."""
        preview = await self.bulk.preview("default", verb, criteria)
        confirmation = Confirmation(preview.action.id, verb, TERMS, {})
        return (await self.bulk.confirm("default", confirmation, trace={})).operation.id

    async def handle(self, action_id: UUID, after: int = 0) -> PieceHandled:
        """One piece."""
        performer: PerformBulkActions = self.worker.bulk()
        return await performer.handle(action_id, after)

    async def row(self, operation_id: UUID) -> Operation | None:
        """The stored operation."""
        async with self.units() as unit:
            found: Operation | None = await unit.operations.get(operation_id)
        return found

    async def outcomes(self, action_id: UUID) -> list[tuple[TargetOutcome, TargetCode | None]]:
        """What became of the targets."""
        return [(target.outcome, target.code) for target in await self.targets(action_id)]

    async def targets(self, action_id: UUID) -> Sequence[Target]:
        """The targets, with what became of them."""
        found: Sequence[Target] = await self.bulk.targets("default", action_id, after=0, limit=1000)
        return found


async def test_cancel_is_that_of_a_single_request() -> None:
    """It has reason and actor. A target that is done or gone meanwhile is skipped."""
    ledger = Ledger()
    first, done, gone = [await ledger.submit() for _ in range(3)]
    action = await ledger.confirmed(BulkVerb.CANCEL)
    late = await ledger.submit()
    await ledger.finish(done)
    await ledger.finish(gone)
    await ledger.api.delete().delete("default", gone)
    handled = await ledger.handle(action)
    assert handled == PieceHandled(3, 3, {DONE: 1, SKIPPED: 2})
    codes = [(DONE, None), (SKIPPED, TargetCode.ALREADY_DONE), (SKIPPED, TargetCode.NOT_FOUND)]
    assert await ledger.outcomes(action) == codes
    row, untouched = await ledger.row(first), await ledger.row(late)
    assert row is not None
    assert row.cancel_request is not None
    assert (row.cancel_request.by, row.cancel_request.reason) == ("alice", "no need")
    assert untouched is not None
    assert untouched.cancel_request is None


async def test_retry_makes_one_operation_for_each_target() -> None:
    """Its id is kept with the target. A type that is not declared any more is refused."""
    ledger = Ledger()
    first, second = await ledger.submit(done=True), await ledger.submit(done=True)
    own = await ledger.confirmed(BulkVerb.CANCEL)  # a bulk action cannot be retried
    await ledger.finish(own)
    action = await ledger.confirmed(BulkVerb.RETRY)
    assert (await ledger.handle(action)).outcomes == {DONE: 2, FAILED: 1}
    targets = await ledger.bulk.targets("default", action, after=0, limit=10)
    for target in targets[:2]:
        assert target.new_operation_id is not None
        new = await ledger.row(target.new_operation_id)
        assert new is not None
        assert new.retry_of == target.operation_id
    assert {target.operation_id for target in targets[:2]} == {first, second}
    assert (targets[2].operation_id, targets[2].code) == (own, TargetCode.REFUSED)
    assert "reserved" in str(targets[2].message)


async def test_a_retry_of_a_retry_of_a_deleted_one_is_made() -> None:
    """Once. A target that was retried by hand meanwhile, with other labels, is skipped."""
    ledger = Ledger()
    first, other = await ledger.submit(done=True), await ledger.submit(done=True)
    retries = ledger.api.retry()
    second = (await retries.retry("default", first, Retry(), actor=None, trace={})).operation.id
    await ledger.finish(second)
    await ledger.api.delete().delete("default", first)
    action = await ledger.confirmed(BulkVerb.RETRY)
    await retries.retry("default", other, Retry(labels={"by": "hand"}), actor=None, trace={})
    assert (await ledger.handle(action)).outcomes == {DONE: 1, SKIPPED: 1}
    assert await ledger.outcomes(action) == [(SKIPPED, TargetCode.ALREADY_RETRIED), (DONE, None)]
    row = await ledger.row(second)
    assert row is not None
    assert row.retried_by is not None


async def test_a_filter_that_matches_nothing_is_done_at_once() -> None:
    """One piece of no targets."""
    ledger = Ledger()
    await ledger.submit()
    action = await ledger.confirmed(BulkVerb.CANCEL, OperationFilter(type="nobody's"))
    assert await ledger.handle(action) == PieceHandled(0, 0, {})


async def test_delete_removes_the_targets() -> None:
    """The list of what it did stays."""
    ledger = Ledger()
    first = await ledger.submit(done=True)
    action = await ledger.confirmed(BulkVerb.DELETE)
    assert (await ledger.handle(action)).outcomes == {DONE: 1}
    assert await ledger.row(first) is None
    assert await ledger.outcomes(action) == [(DONE, None)]


async def test_acknowledge_takes_the_attention_away() -> None:
    """Of those that need attention. One whose problem has ended meanwhile is skipped."""
    ledger = Ledger()
    first, second, calm = [await ledger.submit() for _ in range(3)]
    for operation_id in (first, second):
        await ledger.retrying(operation_id)
    action = await ledger.confirmed(BulkVerb.ACKNOWLEDGE)
    await ledger.finish(second)
    assert (await ledger.handle(action)).outcomes == {DONE: 1, SKIPPED: 1}
    assert await ledger.outcomes(action) == [(DONE, None), (SKIPPED, TargetCode.NO_ATTENTION)]
    row, untouched = await ledger.row(first), await ledger.row(calm)
    assert row is not None
    assert untouched is not None
    assert (row.attention, untouched.history_length) == (None, 1)


async def test_acknowledge_leaves_problems_that_are_newer_than_the_dry_run() -> None:
    """Of the same kind or of another. The one that the dry run counted may have got new words."""
    ledger = Ledger()
    kinds = (AttentionKind.STALLED, AttentionKind.STALLED, AttentionKind.NO_WORKER)
    lasting, again, other = made = [await ledger.submit() for _ in kinds]
    for operation_id in made:
        await ledger.attend(operation_id, AttentionKind.STALLED, "it fails")
    action = await ledger.confirmed(BulkVerb.ACKNOWLEDGE)
    begin = ledger.clock.now()
    await ledger.attend(lasting, AttentionKind.STALLED, "it fails again", since=begin)
    ledger.clock.advance(timedelta(seconds=1))
    await ledger.attend(again, AttentionKind.STALLED, "it fails")
    await ledger.attend(other, AttentionKind.NO_WORKER, "nobody is there", since=begin)
    assert (await ledger.handle(action)).outcomes == {DONE: 1, SKIPPED: 2}
    assert await ledger.outcomes(action) == [(DONE, None)] + [(SKIPPED, TargetCode.NO_ATTENTION)] * 2
    assert [target.message for target in (await ledger.targets(action))[1:]] == [
        "its problem is newer than the dry run"
    ] * 2
    rows = [await ledger.row(operation_id) for operation_id in made]
    assert [row and row.attention and row.attention.kind for row in rows] == [None, *kinds[1:]]


async def test_pieces_follow_one_another() -> None:
    """A repeat of a piece has the same numbers, and changes nothing."""
    ledger = Ledger()
    for _ in range(5):
        await ledger.submit()
    action = await ledger.confirmed(BulkVerb.CANCEL)
    performer = PerformBulkActions(ledger.units, ledger.worker.verbs().acts, piece=2)
    upto, seen = 0, []
    while upto < 5:
        piece = await performer.handle(action, upto)
        assert await performer.handle(action, upto) == piece
        upto = piece.upto
        seen.append(piece)
    assert seen == [PieceHandled(upto, 5, {DONE: number}) for upto, number in ((2, 2), (4, 2), (5, 1))]


async def test_an_action_whose_operation_is_done_handles_nothing() -> None:
    """Terminated, deleted, or never confirmed."""
    ledger = Ledger()
    first = await ledger.submit()
    action = await ledger.confirmed(BulkVerb.CANCEL)
    await ledger.finish(action)
    unconfirmed = (await ledger.bulk.preview("default", BulkVerb.CANCEL, EVERYTHING)).action.id
    for action_id in (action, unconfirmed, first):
        with pytest.raises(BulkActionEnded):
            await ledger.handle(action_id)
    row = await ledger.row(first)
    assert row is not None
    assert row.cancel_request is None


@pytest.mark.parametrize("verb", BulkVerb)
async def test_each_target_is_handled_once_in_effect_whenever_the_process_is_killed(verb: BulkVerb) -> None:
    """Every step of a piece is a point where the process ends; the repeat completes it, and all targets are DONE."""
    step, made = 0, {BulkVerb.RETRY: 2, BulkVerb.DELETE: -2}.get(verb, 0)
    while True:
        ledger = Ledger()
        for _ in range(2):
            made_id = await ledger.submit(done=verb in (BulkVerb.RETRY, BulkVerb.DELETE))
            if verb is BulkVerb.ACKNOWLEDGE:
                await ledger.retrying(made_id)
        action = await ledger.confirmed(verb)
        before = len(await _rows(ledger))
        if not await _killed_at(step, ledger, action):
            break
        piece = await ledger.handle(action)
        assert piece.outcomes == {DONE: 2}, step
        assert len(await _rows(ledger)) - before == made
        step += 1
    assert step > 10


async def _killed_at(step: int, ledger: Ledger, action: UUID) -> bool:
    """Handles a piece in a process that ends at this step. Returns False: it has fewer steps."""
    faults = Faults()
    faults.arm(step)
    try:
        await _with_faults(ledger, faults).handle(action, 0)
    except Crash:
        return True
    return False


def _with_faults(ledger: Ledger, faults: Faults) -> PerformBulkActions:
    """A process on the same ledger."""
    parts = in_memory(Settings(), CATALOGUE)
    parts["adapters"].units.override(providers.Object(lambda: CrashingUnit(ledger.units(), faults)))
    parts["adapters"].clock.override(providers.Object(ledger.clock))
    parts["adapters"].operation_ids.override(providers.Object(ledger.ids))
    performer: PerformBulkActions = WorkerServices(**parts).bulk()
    return performer


async def _rows(ledger: Ledger) -> list[Any]:
    page = await ledger.api.read().page("default", EVERYTHING, newest_first=True, after=None, size=1000)
    return list(page.items)


@pytest.mark.parametrize("verb", BulkVerb)
async def test_many_targets_need_as_many_statements_as_one(verb: BulkVerb) -> None:
    """Statements, not rows, are what a bulk action costs the database."""
    used = []
    for number in (2, CHUNK):
        ledger, faults = Ledger(), Counted()
        for _ in range(number):
            made_id = await ledger.submit(done=verb in (BulkVerb.RETRY, BulkVerb.DELETE))
            if verb is BulkVerb.ACKNOWLEDGE:
                await ledger.retrying(made_id)
        action = await ledger.confirmed(verb)
        assert (await _with_faults(ledger, faults).handle(action, 0)).outcomes == {DONE: number}
        used.append(faults.calls)
    assert used[0] == used[1] <= 11


class Counted(Faults):
    """Counts the calls of a process, which is not killed."""

    calls = 0

    async def around(self, call: Callable[[], Awaitable[Any]]) -> Any:
        self.calls += 1
        return await call()


def cancelling(ledger: Ledger, action_id: UUID, *, force: bool = False) -> Act:
    """A verb during which a client cancels the bulk action itself."""

    async def act(unit: UnitOfWork, action: BulkAction, terms: BulkTerms, targets: Sequence[Target]) -> list[Target]:
        if force:
            await ledger.finish(action_id)
        else:
            await ledger.change(action_id, start)
            await ledger.api.cancel().cancel("default", action_id, reason=None, force=False)
        return [replace(target, outcome=DONE) for target in targets]

    return act


async def many(ledger: Ledger) -> UUID:
    """A bulk action with more targets than a chunk has."""
    for _ in range(CHUNK + 30):
        await ledger.submit()
    return await ledger.confirmed(BulkVerb.CANCEL)


async def test_a_cancellation_request_stops_it_behind_a_chunk() -> None:
    """It stops when the request is stored, before the workflow gets it."""
    ledger = Ledger()
    action = await many(ledger)
    performer = PerformBulkActions(ledger.units, {BulkVerb.CANCEL: cancelling(ledger, action)})
    assert await performer.handle(action, 0) == PieceHandled(CHUNK, CHUNK + 30, {DONE: CHUNK}, stopped=True)
    assert await performer.handle(action, CHUNK) == PieceHandled(CHUNK, CHUNK + 30, {}, stopped=True)


async def test_the_end_of_its_operation_stops_it_behind_a_chunk() -> None:
    """A termination, as soon as its row says so."""
    ledger = Ledger()
    action = await many(ledger)
    performer = PerformBulkActions(ledger.units, {BulkVerb.CANCEL: cancelling(ledger, action, force=True)})
    with pytest.raises(BulkActionEnded):
        await performer.handle(action, 0)
    assert (await ledger.outcomes(action)).count((DONE, None)) == CHUNK


async def test_the_end_of_its_activity_stops_it_behind_a_chunk() -> None:
    """It says what it has done, so that another worker goes on there."""
    ledger = Ledger()
    action = await many(ledger)
    stop = asyncio.Event()
    stop.set()
    performer: PerformBulkActions = ledger.worker.bulk()
    assert await performer.handle(action, 0, stop) == PieceHandled(CHUNK, CHUNK + 30, {DONE: CHUNK})
    assert await performer.handle(action, CHUNK) == PieceHandled(CHUNK + 30, CHUNK + 30, {DONE: 30})


@pytest.mark.parametrize("verb", BulkVerb)
async def test_a_locked_target_is_handled_alone(verb: BulkVerb) -> None:
    """The others do not wait for it; it is handled after its change by another process."""
    ledger = Ledger()
    made = [await ledger.submit(done=verb in (BulkVerb.DELETE, BulkVerb.RETRY)) for _ in range(3)]
    if verb is BulkVerb.ACKNOWLEDGE:
        for operation_id in made:
            await ledger.retrying(operation_id)
    action = await ledger.confirmed(verb)
    row = await ledger.row(made[1])
    assert row is not None
    async with ledger.units() as other:
        await other.operations.save(note(row, Cause(Source.CLIENT, "test", ledger.clock.now())))
        handling = asyncio.create_task(ledger.handle(action))
        while [outcome for outcome, _ in await ledger.outcomes(action)] != [DONE, TargetOutcome.PENDING, DONE]:
            assert not handling.done()
            await asyncio.sleep(0)
        await other.commit()
    assert (await handling).outcomes == {DONE: 3}


async def test_a_target_that_takes_too_long_stops_no_other() -> None:
    """After a timeout the targets are handled in halves, down to the one that takes too long."""
    ledger = Ledger()
    action = await many(ledger)
    slow = (await ledger.targets(action))[3].operation_id
    cancel = ledger.worker.bulk()._acts[BulkVerb.CANCEL]
    sizes = []

    async def act(unit: UnitOfWork, action: BulkAction, terms: BulkTerms, targets: Sequence[Target]) -> list[Target]:
        sizes.append(len(targets))
        if slow in {target.operation_id for target in targets}:
            raise DatabaseTimeout("canceling statement due to statement timeout")
        handled: list[Target] = await cancel(unit, action, terms, targets)
        return handled

    performer = PerformBulkActions(ledger.units, {BulkVerb.CANCEL: act})
    with pytest.raises(TargetsFailed, match="statement timeout"):
        await performer.handle(action, 0)
    assert [outcome for outcome, _ in await ledger.outcomes(action)].count(DONE) == CHUNK - 1
    assert sizes == [50, 25, 25, 12, 13, 6, 6, 3, 3, 1, 2]
    handled = await performer.handle(action, 0, give_up=True)
    assert handled == PieceHandled(CHUNK, CHUNK + 30, {DONE: CHUNK - 1, FAILED: 1})


async def test_an_error_of_one_target_stops_no_other() -> None:
    """The database may refuse one target; the others are handled, and are not handled again."""
    ledger = Ledger()
    made = [await ledger.submit() for _ in range(3)]
    action = await ledger.confirmed(BulkVerb.CANCEL)
    handled: list[UUID] = []

    async def act(unit: UnitOfWork, action: BulkAction, terms: BulkTerms, targets: Sequence[Target]) -> list[Target]:
        if made[1] in {target.operation_id for target in targets}:
            raise DatabaseRefused
        handled.extend(target.operation_id for target in targets)
        return [replace(target, outcome=DONE) for target in targets]

    performer = PerformBulkActions(ledger.units, {BulkVerb.CANCEL: act})
    for _ in range(2):
        with pytest.raises(TargetsFailed):
            await performer.handle(action, 0)
        assert await ledger.outcomes(action) == [(DONE, None), (TargetOutcome.PENDING, None), (DONE, None)]
    assert handled == [made[0], made[2]]


async def test_a_target_that_cannot_be_handled_fails_at_last() -> None:
    """The bulk action comes to its end, and the operation is not changed."""
    ledger = Ledger()
    action = await many(ledger)
    broken = (await ledger.targets(action))[3].operation_id
    cancel = ledger.worker.bulk()._acts[BulkVerb.CANCEL]

    async def act(unit: UnitOfWork, action: BulkAction, terms: BulkTerms, targets: Sequence[Target]) -> list[Target]:
        if broken in {target.operation_id for target in targets}:
            raise ValueError("this row cannot be read")
        handled: list[Target] = await cancel(unit, action, terms, targets)
        return handled

    performer = PerformBulkActions(ledger.units, {BulkVerb.CANCEL: act})
    with pytest.raises(TargetsFailed, match="cannot be read"):
        await performer.handle(action, 0)
    handled = await performer.handle(action, 0, give_up=True)
    assert handled == PieceHandled(CHUNK, CHUNK + 30, {DONE: CHUNK - 1, FAILED: 1})
    [failed] = [target for target in await ledger.targets(action) if target.outcome is TargetOutcome.FAILED]
    assert (failed.operation_id, failed.code) == (broken, TargetCode.REFUSED)
    row = await ledger.row(broken)
    assert row is not None
    assert row.cancel_request is None


async def test_a_lock_that_is_held_for_long_stops_no_other() -> None:
    """The database gives up the wait for one target: the others are handled."""
    ledger = Ledger()
    action = await many(ledger)
    locked = (await ledger.targets(action))[3].operation_id
    cancel = ledger.worker.bulk()._acts[BulkVerb.CANCEL]

    async def act(unit: UnitOfWork, action: BulkAction, terms: BulkTerms, targets: Sequence[Target]) -> list[Target]:
        if [target.operation_id for target in targets] == [locked]:
            raise DatabaseContended("canceling statement due to lock timeout")
        free = [target for target in targets if target.operation_id != locked]
        handled: list[Target] = await cancel(unit, action, terms, free)
        return handled

    performer = PerformBulkActions(ledger.units, {BulkVerb.CANCEL: act})
    with pytest.raises(TargetsFailed, match="lock timeout"):
        await performer.handle(action, 0)
    outcomes = [target.outcome for target in (await ledger.targets(action))[:CHUNK]]
    assert outcomes.count(DONE) == CHUNK - 1


def failing(ledger: Ledger, *operation_ids: UUID) -> PerformBulkActions:
    """Cancels targets, but these fail with everything that is handled with them."""
    cancel = ledger.worker.bulk()._acts[BulkVerb.CANCEL]

    async def act(unit: UnitOfWork, action: BulkAction, terms: BulkTerms, targets: Sequence[Target]) -> list[Target]:
        if {target.operation_id for target in targets} & {*operation_ids}:
            raise DatabaseContended("canceling statement due to lock timeout")
        handled: list[Target] = await cancel(unit, action, terms, targets)
        return handled

    return PerformBulkActions(ledger.units, {BulkVerb.CANCEL: act})


async def test_a_piece_ends_before_a_chunk_that_fails() -> None:
    """The next piece begins with it, so that the attempts at a piece are those at its first chunk."""
    ledger = Ledger()
    action = await many(ledger)
    targets = await ledger.targets(action)
    performer = failing(ledger, targets[CHUNK].operation_id)
    assert await performer.handle(action, 0) == PieceHandled(CHUNK, CHUNK + 30, {DONE: CHUNK})
    with pytest.raises(TargetsFailed):
        await performer.handle(action, CHUNK)


async def test_only_targets_that_were_tried_before_are_given_up() -> None:
    """The attempt that gives up ends behind the chunk that was tried."""
    ledger = Ledger()
    action = await many(ledger)
    targets = await ledger.targets(action)
    performer = failing(ledger, targets[3].operation_id, targets[CHUNK].operation_id)
    handled = await performer.handle(action, 0, give_up=True)
    assert handled == PieceHandled(CHUNK, CHUNK + 30, {DONE: CHUNK - 1, FAILED: 1})
    assert [target.outcome for target in (await ledger.targets(action))[CHUNK:]] == [TargetOutcome.PENDING] * 30


async def test_the_lock_of_the_bulk_action_concerns_all_targets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process holds it: no target is given up."""
    ledger = Ledger()
    await ledger.submit()
    action = await ledger.confirmed(BulkVerb.CANCEL)

    errors = [DatabaseContended("canceling statement due to lock timeout") for _ in range(2)]
    take = MemoryBulkActions.lock

    async def lock(bulk_actions: MemoryBulkActions, action_id: UUID) -> BulkAction | None:
        if errors:
            raise errors.pop()
        return await take(bulk_actions, action_id)

    monkeypatch.setattr(MemoryBulkActions, "lock", lock)
    with pytest.raises(DatabaseUnavailable, match="lock timeout"):
        await ledger.worker.bulk().handle(action, 0, give_up=True)
    assert await ledger.outcomes(action) == [(TargetOutcome.PENDING, None)]


async def test_the_end_of_its_activity_stops_it_between_targets() -> None:
    """Each may wait for a lock. It returns those before the first that is not handled; the next piece, the others."""
    ledger = Ledger()
    for _ in range(4):
        await ledger.submit()
    action = await ledger.confirmed(BulkVerb.CANCEL)
    stop, alone = asyncio.Event(), []

    async def act(unit: UnitOfWork, action: BulkAction, terms: BulkTerms, targets: Sequence[Target]) -> list[Target]:
        if len(targets) > 1 and not stop.is_set():
            return [replace(targets[place], outcome=DONE) for place in (0, 3)]
        alone.append([target.place for target in targets])
        stop.set()
        raise DatabaseContended("canceling statement due to lock timeout")

    performer = PerformBulkActions(ledger.units, {BulkVerb.CANCEL: act})
    assert await performer.handle(action, 0, stop) == PieceHandled(1, 4, {DONE: 1})
    assert alone == [[2]]
    assert await ledger.handle(action, 1) == PieceHandled(4, 4, {DONE: 3})
