"""Reconciling: bounded pages, few questions, one bad row stops no other, and every end of an execution is found."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from temporalio.service import RPCError, RPCStatusCode

from adapters.temporal.errors import engine_error
from application.ports.workflow_engine import EngineUnavailable
from application.services.reconcile import ReconciledPage
from domain.evidence import ReportKind
from domain.operation_error import ErrorCode
from domain.status import OperationStatus
from domain.transition import Source
from tests.support.ledger import DOWN, FakeLedger

ACCEPTED, RUNNING = OperationStatus.ACCEPTED, OperationStatus.RUNNING
COMPLETED, FAILED = OperationStatus.COMPLETED, OperationStatus.FAILED


async def test_pages_cover_everything_once() -> None:
    """Hazard 22: bounded pages behind a cursor; each unfinished operation is on one of them, nothing else is."""
    ledger = FakeLedger()
    done = await ledger.running()
    ledger.world.complete(done)
    await ledger.whole_pass()
    ids = [await ledger.dispatched() for _ in range(7)]
    await ledger.submit()  # not dispatched: the dispatcher's, not ours
    ledger.engine.calls.clear()
    pages = await ledger.whole_pass(3)
    assert [page.scanned for page in pages] == [3, 3, 1]
    assert [page.next_after for page in pages] == [ids[2], ids[5], None]
    assert ledger.engine.calls["observe"] == ids


async def test_full_last_page_is_followed_by_an_empty_one() -> None:
    """A page that is full does not know that it is the last."""
    ledger = FakeLedger()
    for _ in range(4):
        await ledger.dispatched()
    assert [page.scanned for page in await ledger.whole_pass(2)] == [2, 2, 0]


async def test_nothing_to_do() -> None:
    """Without unfinished operations the engine is left alone."""
    ledger = FakeLedger()
    ledger.world.go_down()
    assert await ledger.whole_pass() == [ReconciledPage(None)]


async def test_only_suspects_are_asked_about() -> None:
    """Hazard 21: one listing for the page; only what it does not list is asked about one by one."""
    ledger = FakeLedger()
    ids = [await ledger.running() for _ in range(20)]
    ledger.world.terminate_from_outside(ids[7], "by hand", "operator")
    [page] = await ledger.whole_pass()
    assert page == ReconciledPage(None, scanned=20, asked=1, corrected=1)
    assert (len(ledger.engine.calls["list"]), ledger.engine.calls["observe"]) == (1, [ids[7]])


async def test_accepted_rows_are_looked_at() -> None:
    """Hazard 17: terminated before its first task: not ACCEPTED for ever."""
    ledger = FakeLedger()
    operation_id = await ledger.dispatched()
    ledger.world.terminate_from_outside(operation_id, "by hand", "operator")
    await ledger.whole_pass()
    assert ledger.statuses(operation_id) == [ACCEPTED, RUNNING, FAILED]


def failing(ledger: FakeLedger, operation_id: UUID) -> None:
    ledger.world.take_up(operation_id)
    ledger.world.fail(operation_id, "the disk is full")


def canceled(ledger: FakeLedger, operation_id: UUID) -> None:
    ledger.world.cancel_from_outside(operation_id, "no need", "alice")
    ledger.world.cancel_acknowledged(operation_id)


ENDS: list[tuple[Callable[[FakeLedger, UUID], None], ErrorCode, str, str | None]] = [
    (failing, ErrorCode.WORKFLOW_FAILED, "the disk is full", None),
    (canceled, ErrorCode.CANCELED, "no need", "alice"),
    (lambda it, one: it.world.terminate_from_outside(one, "cost", "bob"), ErrorCode.TERMINATED, "cost", "bob"),
    (
        lambda it, one: it.world.time_out(one, "execution", 3),
        ErrorCode.TIMED_OUT,
        "the workflow did not close within its execution timeout of 3 s",
        None,
    ),
]


@pytest.mark.parametrize("seen_running", [True, False], ids=["running", "accepted"])
@pytest.mark.parametrize(("end", "code", "message", "actor"), ENDS, ids=[code.value for _, code, *_ in ENDS])
async def test_every_end_brings_error_reason_and_actor(
    end: Callable[[FakeLedger, UUID], None], code: ErrorCode, message: str, actor: str | None, seen_running: bool
) -> None:
    """Hazards 18 and 24: each way to end has its code, its words and who did it, in row and history."""
    ledger = FakeLedger()
    operation_id = await (ledger.running() if seen_running else ledger.dispatched())
    ledger.pass_time(seconds=5)
    end(ledger, operation_id)
    ended = ledger.clock.now()
    ledger.pass_time(minutes=1)
    await ledger.whole_pass()
    row, line = ledger.row(operation_id), ledger.history(operation_id)[-1]
    assert row.error is not None
    assert (row.status, row.error.code, row.error.message) == (FAILED, code, message)
    assert (line.source, line.actor, line.at) == (Source.RECONCILIATION, actor, ledger.clock.now())
    assert line.reason == f"the execution is closed: {'FAILED' if code is ErrorCode.WORKFLOW_FAILED else code}"
    assert row.finished_at == ended


@pytest.mark.parametrize("result", [{"n": 1}, None, {}, 0, "", []], ids=repr)
async def test_result_is_fetched(result: Any) -> None:
    """Hazards 12 and 24: an operation whose reports were all lost has its result all the same."""
    ledger = FakeLedger()
    operation_id = await ledger.dispatched()
    ledger.world.complete(operation_id, result)
    await ledger.whole_pass()
    assert (ledger.status(operation_id), ledger.row(operation_id).result) == (COMPLETED, result)


async def test_unknown_state_changes_nothing() -> None:
    """Hazard 18: a future state is no end; once the engine speaks clearly again, the row follows."""
    ledger = FakeLedger()
    operation_id = await ledger.running()
    ledger.world.terminate_from_outside(operation_id, "by hand", "operator")
    ledger.world.report_unknown_state(operation_id)
    [page] = await ledger.whole_pass()
    assert (page.asked, page.corrected, ledger.status(operation_id)) == (1, 0, RUNNING)
    ledger.world.report_unknown_state(operation_id, False)
    await ledger.whole_pass()
    assert ledger.status(operation_id) is FAILED


async def test_latest_run_of_a_chain_decides() -> None:
    """Hazards 10 and 19: earlier runs of a chain are closed, and say nothing about the operation."""
    ledger = FakeLedger()
    operation_id = await ledger.running()
    ledger.world.continue_as_new(operation_id)
    ledger.world.terminate_from_outside(operation_id, "a mistake", "operator")
    ledger.world.reset(operation_id)
    await ledger.whole_pass()
    assert ledger.status(operation_id) is RUNNING
    ledger.world.complete(operation_id, "in the end")
    await ledger.whole_pass()
    assert ledger.row(operation_id).result == "in the end"


async def test_closed_one_that_is_still_listed_waits_for_the_next_pass() -> None:
    """Hazard 20: a listing that is late delays a correction, and does nothing worse."""
    ledger = FakeLedger()
    operation_id = await ledger.running()
    ledger.world.freeze_listing()
    ledger.world.complete(operation_id, 1)
    [page] = await ledger.whole_pass()
    assert (page.asked, ledger.status(operation_id)) == (0, RUNNING)
    ledger.world.thaw_listing()
    await ledger.whole_pass()
    assert ledger.status(operation_id) is COMPLETED


async def test_new_one_that_is_not_listed_yet_runs_on() -> None:
    """Hazard 20: missing from the listing is no evidence; the engine is asked, and says that it runs."""
    ledger = FakeLedger()
    ledger.world.freeze_listing()
    operation_id = await ledger.running()
    before = ledger.row(operation_id)
    [page] = await ledger.whole_pass()
    assert (page.asked, page.corrected, ledger.row(operation_id)) == (1, 0, before)


async def test_missing_execution_has_its_grace() -> None:
    """Hazard 20: just dispatched and not found (replication): nothing is concluded; after an hour it is lost."""
    ledger = FakeLedger()
    operation_id = await ledger.running()
    ledger.world.lose(operation_id)
    ledger.pass_time(seconds=29)
    [page] = await ledger.whole_pass()
    assert (page.corrected, ledger.status(operation_id)) == (0, RUNNING)
    ledger.pass_time(hours=2)
    await ledger.whole_pass()
    error = ledger.row(operation_id).error
    assert error is not None
    assert error.code is ErrorCode.EXECUTION_LOST


async def test_one_bad_row_stops_no_other() -> None:
    """One row that cannot be asked about, one that cannot be stored: both counted, all others corrected."""
    ledger = FakeLedger()
    ids = [await ledger.running() for _ in range(10)]
    for operation_id in ids:
        ledger.world.complete(operation_id, 1)
    ledger.engine.break_for("observe", ids[2], RuntimeError("a bug in reading this one's history"))
    recorded = ledger.recorder.observation

    async def cannot_store(operation_id: UUID, *rest: Any) -> Any:
        if operation_id == ids[5]:
            raise ValueError("no database takes this result")
        return await recorded(operation_id, *rest)

    ledger.recorder.observation = cannot_store  # type: ignore[method-assign]
    [page] = await ledger.whole_pass()
    assert page == ReconciledPage(None, scanned=10, asked=10, corrected=8, failed=2)
    unfinished = {operation_id for operation_id in ids if ledger.status(operation_id) is RUNNING}
    assert unfinished == {ids[2], ids[5]}


async def test_outage_in_the_listing_ends_the_page() -> None:
    """An engine that is away is no row's fault: the page fails as a whole, and is tried again later."""
    ledger = FakeLedger()
    operation_id = await ledger.running()
    ledger.world.go_down()
    with pytest.raises(EngineUnavailable):
        await ledger.whole_pass()
    assert ledger.status(operation_id) is RUNNING


async def test_outage_in_the_middle_of_a_page_fails_no_row() -> None:
    """What could be asked is corrected; no row is failed because the engine did not answer. If it answered for none,
    the page fails as a whole."""
    ledger = FakeLedger()
    ids = [await ledger.dispatched() for _ in range(5)]
    for operation_id in ids:
        ledger.world.complete(operation_id)
    ledger.engine.break_for("observe", None, DOWN)
    with pytest.raises(EngineUnavailable):
        await ledger.whole_pass()
    assert {ledger.status(operation_id) for operation_id in ids} == {ACCEPTED}
    ledger.engine.before.clear()
    await ledger.whole_pass()
    assert {ledger.status(operation_id) for operation_id in ids} == {COMPLETED}


async def test_a_row_that_the_engine_cannot_answer_for_does_not_hold_up_those_behind_it() -> None:
    """Hazard 5 and 26: DATA_LOSS, an unhealthy shard, a history too large to read in time: the adapter calls all of
    them an unavailable engine, and they may last."""
    ledger = FakeLedger()
    ids = sorted([await ledger.running() for _ in range(10)])
    for operation_id in ids:
        ledger.world.terminate_from_outside(operation_id, "by hand", "somebody")
    lost = engine_error(RPCError("corrupt history", RPCStatusCode.DATA_LOSS, b""))
    ledger.engine.break_for("observe", ids[0], lost)
    after = None
    while True:
        page = await ledger.reconciler.page(after, 4)
        after = page.next_after
        if after is None:
            break
    assert {operation_id for operation_id in ids if ledger.status(operation_id) is RUNNING} == {ids[0]}


async def test_row_that_completes_while_it_is_asked_about() -> None:
    """Hazard 23: asked while it ran, it completes and is confirmed before the answer is recorded: that stays."""
    ledger = FakeLedger()
    operation_id = await ledger.dispatched()
    ledger.world.take_up(operation_id)

    async def meanwhile() -> None:
        ledger.engine.after.clear()
        ledger.world.complete(operation_id, "quick")
        await ledger.report(operation_id, ReportKind.COMPLETED, result="quick")
        ledger.clock.advance(timedelta(seconds=1))
        await ledger.follow_ups.step(1)

    ledger.engine.after[("observe", operation_id)] = meanwhile
    await ledger.whole_pass()
    assert ledger.row(operation_id).result == "quick"
    assert ledger.statuses(operation_id) == [ACCEPTED, RUNNING, COMPLETED]


async def test_two_reconcilers_at_once() -> None:
    """Hazard 26: every correction is made once, and the history has it once."""
    ledger = FakeLedger()
    ids = [await ledger.running() for _ in range(10)]
    for operation_id in ids:
        ledger.world.terminate_from_outside(operation_id, "by hand", "operator")
    passes = await asyncio.gather(*(ledger.whole_pass(4) for _ in range(3)))
    for operation_id in ids:
        assert ledger.statuses(operation_id) == [ACCEPTED, RUNNING, FAILED]
    assert sum(page.failed for pages in passes for page in pages) == 0


@pytest.mark.parametrize("step", range(0, 26, 2))
async def test_killed_in_the_middle_of_a_page(step: int) -> None:
    """Hazard 26: killed at any step, the next pass ends where an undisturbed one would have."""
    ledger = FakeLedger()
    ids = [await ledger.running() for _ in range(3)]
    for operation_id in ids:
        ledger.world.complete(operation_id, 1)
    assert await ledger.killed(ledger.whole_pass(), step)
    await ledger.whole_pass()
    for operation_id in ids:
        assert ledger.statuses(operation_id) == [ACCEPTED, RUNNING, COMPLETED]
