"""ReconcileOperations: bounded pages, few questions, every end found, and one failing row stops no other."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from dependency_injector import providers
from temporalio.service import RPCError, RPCStatusCode

from adapters.memory.engine.executions import StartFields
from adapters.temporal.connection.errors import engine_error
from application.converge import reconcile, whole_pass
from application.converge.reconcile import ReconciledPage
from application.converge.whole_pass import PassCounts, run_pass
from application.ports.engine.workflow_engine import EngineUnavailable
from application.submit.record_start import ClientStart
from application.track.record import RecordEvidence
from domain.operation.attention import AttentionKind
from domain.operation.operation_error import ErrorCode
from domain.operation.report import ReportKind
from domain.operation.status import OperationStatus
from domain.operation.transition import Source
from domain.scheduling.schedule import FIRST_VERIFICATION
from entrypoints.wiring.services import Services
from entrypoints.wiring.worker import WorkerServices
from tests.support.ledger.in_memory import DOWN, FakeLedger

ACCEPTED, RUNNING = OperationStatus.ACCEPTED, OperationStatus.RUNNING
COMPLETED, FAILED = OperationStatus.COMPLETED, OperationStatus.FAILED


async def test_pages_cover_every_close_once() -> None:
    """Hazard 22: pages are bounded. Each change is on one of them, and the engine is asked about it once."""
    ledger = FakeLedger(index_page=3)
    ids = [await ledger.running() for _ in range(7)]
    for operation_id in ids[:4]:
        ledger.world.complete(operation_id)
    pages = await ledger.whole_pass()
    assert [page.listed for page in pages] == [3, 3, 1]
    assert sorted(ledger.engine.calls["observe"]) == sorted(ids[:4])
    assert {ledger.status(operation_id) for operation_id in ids[:4]} == {COMPLETED}
    assert {ledger.status(operation_id) for operation_id in ids[4:]} == {RUNNING}


async def test_cost_is_proportional_to_closes() -> None:
    """Executions that run since before the watermark cost nothing, and corrected ones cost nothing again."""
    ledger = FakeLedger()
    ids = [await ledger.running() for _ in range(20)]
    await ledger.whole_pass()
    ledger.pass_time(minutes=10)
    await ledger.whole_pass()
    ledger.pass_time(minutes=10)
    ledger.engine.calls.clear()
    ledger.world.terminate_from_outside(ids[7], "by hand", "operator")
    [page] = await ledger.whole_pass()
    assert page == ReconciledPage(None, listed=1, asked=1, corrected=1)
    assert ledger.engine.calls["observe"] == [ids[7]]
    [page] = await ledger.whole_pass()
    assert page == ReconciledPage(None, listed=1, asked=0, corrected=0)


async def test_only_differences_are_asked_about() -> None:
    """Hazard 21: an execution that the index lists as the ledger has it costs no question."""
    ledger = FakeLedger()
    ids = [await ledger.running() for _ in range(20)]
    ledger.world.terminate_from_outside(ids[7], "by hand", "operator")
    [page] = await ledger.whole_pass()
    assert page == ReconciledPage(None, listed=20, asked=1, corrected=1)
    assert ledger.engine.calls["observe"] == [ids[7]]


async def test_the_first_pass_starts_at_the_oldest_open_operation() -> None:
    """There is no watermark yet."""
    ledger = FakeLedger()
    operation_id = await ledger.running()
    ledger.world.complete(operation_id)
    ledger.pass_time(days=3)
    await ledger.running()
    await ledger.whole_pass()
    assert ledger.status(operation_id) is COMPLETED


async def test_the_watermark_moves_at_the_end_of_a_pass() -> None:
    """An interrupted pass is repeated from its start."""
    ledger = FakeLedger(index_page=2)
    await ledger.whole_pass()
    ids = [await ledger.running() for _ in range(6)]
    for operation_id in ids:
        ledger.world.complete(operation_id)
    first = await ledger.reconciler.page()
    assert first.cursor is not None
    ledger.pass_time(minutes=30)
    await ledger.whole_pass()
    assert {ledger.status(operation_id) for operation_id in ids} == {COMPLETED}


async def test_the_overlap_finds_what_the_index_lists_late() -> None:
    """Hazard 20."""
    ledger = FakeLedger()
    operation_id = await ledger.running()
    ledger.world.freeze_listing()
    ledger.world.complete(operation_id, 1)
    for _ in range(3):
        ledger.pass_time(seconds=19)
        await ledger.whole_pass()
    assert ledger.status(operation_id) is RUNNING
    ledger.world.thaw_listing()
    await ledger.whole_pass()
    assert ledger.status(operation_id) is COMPLETED


async def test_an_operation_terminated_before_its_first_task_ends() -> None:
    """Hazard 17: it neither stays ACCEPTED nor becomes RUNNING."""
    ledger = FakeLedger()
    operation_id = await ledger.dispatched()
    ledger.world.terminate_from_outside(operation_id, "by hand", "operator")
    await ledger.whole_pass()
    assert ledger.statuses(operation_id) == [ACCEPTED, FAILED]
    assert ledger.row(operation_id).started_at is None


async def test_a_final_operation_that_runs_again_diverges() -> None:
    """A reset of a closed execution changes no status; the operation is marked for an operator."""
    ledger = FakeLedger()
    operation_id = await ledger.running()
    ledger.world.complete(operation_id, 1)
    await ledger.whole_pass()
    done = ledger.row(operation_id)
    ledger.pass_time(minutes=5)
    ledger.world.reset(operation_id)
    ledger.pass_time(seconds=1)
    [page] = await ledger.whole_pass()
    assert page.corrected == 1
    row = ledger.row(operation_id)
    assert (row.status, row.result, row.finished_at) == (done.status, done.result, done.finished_at)
    assert row.attention is not None
    assert row.attention.kind is AttentionKind.DIVERGED
    assert ledger.metrics.attention[AttentionKind.DIVERGED] == 1
    ledger.world.fail(operation_id, "worse")
    ledger.pass_time(seconds=1)
    await ledger.whole_pass()
    await ledger.whole_pass()
    assert [line.reason for line in ledger.history(operation_id)[-2:]] == [
        "the operation is COMPLETED, but its execution is running again",
        "the operation is COMPLETED, but its execution closed as FAILED",
    ]


async def test_a_close_that_agrees_clears_the_divergence() -> None:
    """After a reset the execution closes as its row says, with and without callbacks."""
    ledger = FakeLedger()
    operation_id = await ledger.running()
    ledger.world.complete(operation_id, "done")
    await ledger.whole_pass()
    ledger.world.reset(operation_id)
    ledger.pass_time(minutes=1)
    await ledger.whole_pass()
    assert ledger.row(operation_id).attention is not None
    ledger.pass_time(minutes=1)
    ledger.world.complete(operation_id, "done")
    await ledger.whole_pass()
    assert ledger.row(operation_id).attention is None


async def test_stalled_executions_are_marked_and_unmarked() -> None:
    """At one question per pass, however many executions run."""
    ledger = FakeLedger()
    ids = [await ledger.running() for _ in range(5)]
    await ledger.whole_pass()
    ledger.engine.calls.clear()
    ledger.world.stall(ids[2], "its workflow task has failed 7 times")
    await ledger.whole_pass()
    attention = ledger.row(ids[2]).attention
    assert attention is not None
    assert (attention.kind, attention.message) == (AttentionKind.STALLED, "its workflow task has failed 7 times")
    assert ledger.metrics.attention[AttentionKind.STALLED] == 1
    await ledger.whole_pass()
    assert ledger.engine.calls["observe"] == [ids[2]]
    ledger.world.unstall(ids[2])
    await ledger.whole_pass()
    assert ledger.row(ids[2]).attention is None


def failing(ledger: FakeLedger, operation_id: UUID) -> None:
    ledger.world.pick_up(operation_id)
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
async def test_every_end_is_recorded_with_error_reason_and_actor(
    end: Callable[[FakeLedger, UUID], None], code: ErrorCode, message: str, actor: str | None, seen_running: bool
) -> None:
    """Hazards 18 and 24: in row and history, for each way to end."""
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
    never_picked_up = not seen_running and code in (ErrorCode.TERMINATED, ErrorCode.TIMED_OUT)
    how = "closed before a worker picked it up" if never_picked_up else "closed"
    assert line.reason == f"the execution {how}: {'FAILED' if code is ErrorCode.WORKFLOW_FAILED else code}"
    assert (row.started_at is None) is never_picked_up
    assert row.finished_at == ended


@pytest.mark.parametrize("result", [{"n": 1}, None, {}, 0, "", []], ids=repr)
async def test_a_result_without_report_is_fetched(result: Any) -> None:
    """Hazards 12 and 24: the result of an operation whose reports were all lost."""
    ledger = FakeLedger()
    operation_id = await ledger.dispatched()
    ledger.world.complete(operation_id, result)
    await ledger.whole_pass()
    assert (ledger.status(operation_id), ledger.row(operation_id).result) == (COMPLETED, result)


async def test_unknown_state_changes_nothing() -> None:
    """Hazard 18: a state of a later server version is no end. The row follows the next known one."""
    ledger = FakeLedger()
    operation_id = await ledger.running()
    ledger.world.terminate_from_outside(operation_id, "by hand", "operator")
    ledger.world.report_unknown_state(operation_id)
    [page] = await ledger.whole_pass()
    assert (page.listed, page.asked, page.corrected) == (1, 0, 0)
    await ledger.recorder.observation(operation_id, await ledger.observed(operation_id), Source.VERIFICATION)
    assert ledger.status(operation_id) is RUNNING
    ledger.world.report_unknown_state(operation_id, False)
    await ledger.whole_pass()
    assert ledger.status(operation_id) is FAILED


async def test_the_latest_run_of_a_chain_decides() -> None:
    """Hazards 10 and 19: the closes of earlier runs change nothing."""
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


@pytest.mark.parametrize("skew", [timedelta(), timedelta(minutes=10)], ids=str)
async def test_a_reset_is_found_whatever_the_clock_of_the_process_that_wrote_the_row(skew: timedelta) -> None:
    """Hazard 33. The row says that it was written ten minutes from now. The question followed it all the same."""
    ledger = FakeLedger()
    operation_id = await ledger.running()
    ledger.world.complete(operation_id, 1)
    seen = await ledger.observed(operation_id)
    await recorder_ahead(ledger, skew).observation(operation_id, seen, Source.CALLBACK)
    assert ledger.row(operation_id).updated_at == ledger.clock.now() + skew
    ledger.pass_time(minutes=2)
    ledger.world.reset(operation_id)
    await ledger.whole_pass()
    attention = ledger.row(operation_id).attention
    assert attention is not None
    assert attention.kind is AttentionKind.DIVERGED


def recorder_ahead(ledger: FakeLedger, skew: timedelta) -> RecordEvidence:
    """The recorder of a process whose clock is ahead."""

    class Ahead:
        def now(self) -> datetime:
            return ledger.clock.now() + skew

    with ledger.adapters.clock.override(providers.Object(Ahead())):
        return Services(settings=ledger.parts["settings"], adapters=ledger.adapters).recorder()


async def test_one_failing_row_stops_no_other() -> None:
    """One row cannot be asked about, one cannot be stored: both are counted, and the others are corrected."""
    ledger = FakeLedger()
    ids = [await ledger.running() for _ in range(10)]
    for operation_id in ids:
        ledger.world.complete(operation_id, 1)
    ledger.engine.break_for("observe", ids[2], RuntimeError("a bug in reading this one's history"))
    recorded = ledger.recorder.observation

    async def cannot_store(operation_id: UUID, *rest: Any, **named: Any) -> Any:
        if operation_id == ids[5]:
            raise ValueError("no database takes this result")
        return await recorded(operation_id, *rest, **named)

    ledger.recorder.observation = cannot_store  # type: ignore[method-assign]
    [page] = await ledger.whole_pass()
    assert page == ReconciledPage(None, listed=10, asked=10, corrected=8, failed=2)
    unfinished = {operation_id for operation_id in ids if ledger.status(operation_id) is RUNNING}
    assert unfinished == {ids[2], ids[5]}
    assert {ledger.row(operation_id).follow_up.due_at for operation_id in unfinished} == {ledger.clock.now()}


async def test_an_outage_of_the_index_fails_the_page() -> None:
    """The page is retried later; no row counts as failed."""
    ledger = FakeLedger()
    operation_id = await ledger.running()
    ledger.world.go_down()
    with pytest.raises(EngineUnavailable):
        await ledger.whole_pass()
    assert ledger.status(operation_id) is RUNNING


async def test_an_outage_within_a_page_fails_no_row() -> None:
    """The answers so far are recorded. If the engine is gone altogether, the page fails, and the watermark stays."""
    ledger = FakeLedger()
    ids = [await ledger.dispatched() for _ in range(5)]
    for operation_id in ids:
        ledger.world.complete(operation_id)

    async def go_down() -> None:
        ledger.world.go_down()

    ledger.engine.after[("changed_since", None)] = go_down
    with pytest.raises(EngineUnavailable):
        await ledger.whole_pass()
    assert {ledger.status(operation_id) for operation_id in ids} == {ACCEPTED}
    ledger.engine.after.clear()
    ledger.world.come_back()
    await ledger.whole_pass()
    assert {ledger.status(operation_id) for operation_id in ids} == {COMPLETED}


async def test_an_unreadable_execution_does_not_stop_the_passes() -> None:
    """The adapter reports an unreadable history as an unavailable engine. The engine is there, so the pass ends, the
    watermark moves, and the follow-up asks about the operation."""
    ledger = FakeLedger()
    operation_id = await ledger.running()
    ledger.world.terminate_from_outside(operation_id, "by hand", "operator")
    ledger.engine.break_for("observe", operation_id, DOWN)
    [page] = await ledger.whole_pass()
    assert page == ReconciledPage(None, listed=1, asked=1, failed=1)
    assert ledger.row(operation_id).follow_up.due_at == ledger.clock.now()
    ledger.pass_time(minutes=10)
    [page] = await ledger.whole_pass()
    ledger.pass_time(minutes=10)
    assert [page.listed for page in await ledger.whole_pass()] == [0]


async def ended_twice(ledger: FakeLedger) -> UUID:
    """Adds a final operation whose execution was reset and closed differently, which no pass has seen."""
    operation_id = await ledger.running()
    ledger.world.terminate_from_outside(operation_id, "by hand", "operator")
    await ledger.whole_pass()
    ledger.pass_time(minutes=5)
    ledger.world.reset(operation_id)
    ledger.world.complete(operation_id, "after all")
    return operation_id


async def test_a_final_operation_that_could_not_be_asked_about_is_asked_again() -> None:
    """Only a pass finds the contradiction, so the watermark waits for it."""
    ledger = FakeLedger()
    operation_id = await ended_twice(ledger)
    other = await ledger.running()
    ledger.world.complete(other, 1)
    ledger.engine.break_for("observe", operation_id, DOWN)
    for _ in range(3):
        ledger.pass_time(minutes=5)
        await ledger.whole_pass()
    assert ledger.status(other) is COMPLETED
    ledger.engine.before.clear()
    await ledger.whole_pass()
    attention = ledger.row(operation_id).attention
    assert attention is not None
    assert attention.kind is AttentionKind.DIVERGED
    ledger.pass_time(minutes=5)
    await ledger.whole_pass()
    ledger.pass_time(minutes=5)
    assert [page.listed for page in await ledger.whole_pass()] == [0]


async def test_a_final_operation_holds_the_watermark_back_for_an_hour_at_most() -> None:
    """Otherwise an unreadable one would make every pass longer than the one before."""
    ledger = FakeLedger()
    operation_id = await ended_twice(ledger)
    ledger.engine.break_for("observe", operation_id, DOWN)
    for _ in range(3):
        ledger.pass_time(minutes=40)
        await ledger.whole_pass()
    assert [page.listed for page in await ledger.whole_pass()] == [0]


async def test_execution_that_was_adopted_on_request_is_reconciled() -> None:
    """P4, P9: although no rule watches its workflow type. Its callback is lost."""
    ledger = FakeLedger(callbacks=True)
    ledger.world.start_from_outside("by-hand", StartFields("Work", "workers"))
    ledger.world.pick_up("by-hand")
    row = (await ledger.adopt("by-hand", type="work")).operation
    assert row.dispatch.calls_back
    ledger.world.stall("by-hand", "its workflow task has failed 7 times")
    await ledger.whole_pass()
    attention = ledger.row(row.id).attention
    assert attention is not None
    assert attention.kind is AttentionKind.STALLED
    ledger.world.complete("by-hand", 1)
    await ledger.whole_pass()
    assert ledger.status(row.id) is COMPLETED


@pytest.mark.parametrize("days", [0, 2])
@pytest.mark.parametrize("ends", [False, True])
async def test_reset_of_a_finished_adopted_execution_diverges(days: int, ends: bool) -> None:
    """Although no rule watches its workflow type, and no operation of the type is open."""
    ledger = FakeLedger()
    ledger.world.start_from_outside("by-hand", StartFields("Work", "workers"))
    ledger.world.pick_up("by-hand")
    row = (await ledger.adopt("by-hand", type="work")).operation
    ledger.world.complete("by-hand", 1)
    await ledger.whole_pass()
    assert ledger.status(row.id) is COMPLETED
    ledger.pass_time(days=days, minutes=5)
    await ledger.whole_pass()
    ledger.world.reset("by-hand")
    if ends:
        ledger.world.fail("by-hand", "the second time")
    ledger.pass_time(seconds=1)
    await ledger.whole_pass()
    attention = ledger.row(row.id).attention
    assert attention is not None
    assert attention.kind is AttentionKind.DIVERGED
    assert ledger.status(row.id) is COMPLETED


async def test_start_that_a_client_has_only_recorded_hides_no_reset() -> None:
    """Nothing says that the engine has it. The pass would not list the reset run again."""
    ledger = FakeLedger()
    ledger.world.start_from_outside("by-hand", StartFields("Work", "workers"))
    ledger.world.pick_up("by-hand")
    row = (await ledger.adopt("by-hand", type="work")).operation
    ledger.world.complete("by-hand", 1)
    await ledger.whole_pass()
    recorded = await ledger.api.record().record(ClientStart("default", "Work", "by-hand"))
    ledger.pass_time(seconds=1)
    ledger.world.reset("by-hand")
    ledger.pass_time(seconds=1)
    await ledger.whole_pass()
    attention = ledger.row(row.id).attention
    assert attention is not None
    assert attention.kind is AttentionKind.DIVERGED
    assert ledger.status(recorded.operation.id) is ACCEPTED


async def test_passes_stop_to_watch_the_workflow_type_of_an_adopted_execution() -> None:
    """Three days after the last one has ended."""
    ledger = FakeLedger()
    ledger.world.start_from_outside("by-hand", StartFields("Work", "workers"))
    ledger.world.pick_up("by-hand")
    await ledger.adopt("by-hand", type="work")
    ledger.world.complete("by-hand", 1)
    await ledger.whole_pass()
    ledger.pass_time(days=3, minutes=5)
    await ledger.whole_pass()
    ledger.world.start_from_outside("others", StartFields("Work", "workers"))
    assert [page.listed for page in await ledger.whole_pass()] == [0]


async def test_a_failing_search_for_stalled_executions_delays_no_close() -> None:
    """It is a separate question to the index."""
    ledger = FakeLedger()
    operation_id = await ledger.running()
    ledger.world.terminate_from_outside(operation_id, "by hand", "operator")
    ledger.engine.break_for("with_problems", None, DOWN)
    [page] = await ledger.whole_pass()
    assert (page.corrected, ledger.status(operation_id)) == (1, FAILED)
    ledger.pass_time(minutes=10)
    await ledger.whole_pass()
    assert [page.listed for page in await ledger.whole_pass()] == [0]


async def test_the_next_pass_continues_with_further_stalled_executions(monkeypatch: pytest.MonkeyPatch) -> None:
    """There are more of them than a pass asks about."""
    monkeypatch.setattr(reconcile, "STALLED_PER_PASS", 2)
    ledger = FakeLedger()
    ids = [await ledger.running() for _ in range(7)]
    for operation_id in ids:
        ledger.world.stall(operation_id, "its workflow task has failed 7 times")
    seen = []
    for _ in range(4):
        await ledger.whole_pass()
        seen.append(sum(ledger.row(operation_id).attention is not None for operation_id in ids))
    assert seen == [2, 4, 6, 7]


async def test_an_unanswerable_row_does_not_delay_the_rows_behind_it() -> None:
    """Hazards 5 and 26: DATA_LOSS, an unhealthy shard, a history too large to read in time. The adapter reports all
    of them as an unavailable engine, and they may last."""
    ledger = FakeLedger(index_page=4)
    ids = sorted([await ledger.running() for _ in range(10)])
    for operation_id in ids:
        ledger.world.terminate_from_outside(operation_id, "by hand", "somebody")
    lost = engine_error(RPCError("corrupt history", RPCStatusCode.DATA_LOSS, b""))
    ledger.engine.break_for("observe", ids[0], lost)
    await ledger.whole_pass()
    assert {operation_id for operation_id in ids if ledger.status(operation_id) is RUNNING} == {ids[0]}


async def test_a_row_that_completes_during_the_question_stays_completed() -> None:
    """Hazard 23: the answer is older than the completion."""
    ledger = FakeLedger()
    operation_id = await ledger.dispatched()
    ledger.world.pick_up(operation_id)

    async def meanwhile() -> None:
        ledger.engine.after.clear()
        ledger.world.complete(operation_id, "quick")
        await ledger.report(operation_id, ReportKind.COMPLETED, result="quick")
        ledger.clock.advance(timedelta(seconds=1))
        await ledger.follow_up(1)

    ledger.engine.after[("observe", operation_id)] = meanwhile
    ledger.clock.advance(FIRST_VERIFICATION)
    await ledger.verify(1)
    assert ledger.row(operation_id).result == "quick"
    assert ledger.statuses(operation_id) == [ACCEPTED, RUNNING, COMPLETED]


async def test_concurrent_reconcilers_correct_each_row_once() -> None:
    """Hazard 26: the history has each correction once."""
    ledger = FakeLedger(index_page=4)
    ids = [await ledger.running() for _ in range(10)]
    for operation_id in ids:
        ledger.world.terminate_from_outside(operation_id, "by hand", "operator")
    passes = await asyncio.gather(*(ledger.whole_pass() for _ in range(3)))
    for operation_id in ids:
        assert ledger.statuses(operation_id) == [ACCEPTED, RUNNING, FAILED]
    assert sum(page.failed for pages in passes for page in pages) == 0


@pytest.mark.parametrize("step", range(0, 26, 2))
async def test_a_pass_after_a_crash_corrects_the_rest(step: int) -> None:
    """Hazard 26: after a crash at any step the result is that of an undisturbed pass."""
    ledger = FakeLedger()
    ids = [await ledger.running() for _ in range(3)]
    for operation_id in ids:
        ledger.world.complete(operation_id, 1)
    assert await ledger.killed(ledger.whole_pass(), step)
    await ledger.whole_pass()
    for operation_id in ids:
        assert ledger.statuses(operation_id) == [ACCEPTED, RUNNING, COMPLETED]


class Ahead:
    """A clock that runs ahead."""

    def __init__(self, ledger: FakeLedger, by: timedelta) -> None:
        self._ledger, self._by = ledger, by

    def now(self) -> datetime:
        return self._ledger.clock.now() + self._by


async def test_a_worker_clock_that_is_ahead_hides_nothing() -> None:
    """Hazard 33: a worker whose clock is a year ahead runs a pass. The next pass finds everything that closed since,
    because the watermark is the database's time."""
    ledger = FakeLedger()
    operation_id = await ledger.running()
    ledger.adapters.clock.override(providers.Object(Ahead(ledger, timedelta(days=365))))
    fast = WorkerServices(**ledger.parts)
    assert (await fast.reconciler().page()).cursor is None
    assert ledger.store._tables.watermarks["executions"] == ledger.clock.now()
    ledger.pass_time(minutes=5)
    ledger.world.complete(operation_id, 1)
    await ledger.whole_pass()
    assert ledger.status(operation_id) is COMPLETED
    assert ledger.metrics.repairs == 0


async def test_watermark_in_the_future_is_repaired(caplog: pytest.LogCaptureFixture) -> None:
    """Hazard 33: the next pass finds what earlier passes missed, logs and counts the error, and stores a correct
    watermark."""
    ledger = FakeLedger()
    operation_id = await ledger.running()
    ledger.world.complete(operation_id, 1)
    ledger.pass_time(hours=3)
    ledger.store._tables.watermarks["executions"] = ledger.clock.now() + timedelta(days=365)
    [page] = await ledger.whole_pass()
    assert (page.corrected, ledger.status(operation_id)) == (1, COMPLETED)
    assert ledger.store._tables.watermarks["executions"] == ledger.clock.now()
    assert ledger.metrics.repairs == 1
    assert "later than the database's time" in caplog.text
    await ledger.whole_pass()
    assert ledger.metrics.repairs == 1


async def test_run_pass_ends_with_the_last_page() -> None:
    """It returns the sums of all pages."""
    ledger = FakeLedger(index_page=3)
    ids = [await ledger.running() for _ in range(7)]
    for operation_id in ids[:4]:
        ledger.world.complete(operation_id)
    assert await run_pass(ledger.reconciler) == PassCounts(pages=3, listed=7, asked=4, corrected=4)


async def test_run_pass_retries_the_page_that_met_an_outage(monkeypatch: pytest.MonkeyPatch) -> None:
    """It does not start from the first page again."""
    monkeypatch.setattr(whole_pass, "exponential", lambda _: timedelta())
    ledger = FakeLedger(index_page=3)
    for _ in range(4):
        await ledger.running()
    outages = iter([None, DOWN, DOWN])

    async def now_and_then() -> None:
        if (outage := next(outages, None)) is not None:
            raise outage

    ledger.engine.before[("changed_since", None)] = now_and_then
    assert (await run_pass(ledger.reconciler)).pages == 2
    ledger.engine.break_for("changed_since", None, DOWN)
    with pytest.raises(EngineUnavailable):
        await run_pass(ledger.reconciler)


@pytest.mark.parametrize("tagged", [False, True])
async def test_a_pass_records_the_close_behind_a_reused_workflow_id(tagged: bool) -> None:
    """Hazard 34: the other execution is not taken for the operation's, whether or not the index lists it under the
    operation's id."""
    ledger = FakeLedger()
    operation_id = await ledger.running()
    ledger.world.supersede(operation_id, tagged=tagged)
    await ledger.whole_pass()
    row = ledger.row(operation_id)
    assert row.error is not None
    assert (row.status, row.error.code) == (FAILED, ErrorCode.TERMINATED)
    assert row.error.details["superseded_by"] == ledger.world.latest_run(operation_id).run_id
    ledger.world.complete(operation_id, {"other": 1})
    ledger.pass_time(seconds=1)
    await ledger.whole_pass()
    assert ledger.row(operation_id) == row


@pytest.mark.parametrize("tagged", [False, True])
async def test_reuse_of_the_workflow_id_is_no_divergence(tagged: bool) -> None:
    """The final row agrees with its own chain, whether or not the other execution has the search attribute."""
    ledger = FakeLedger()
    operation_id = await ledger.running()
    ledger.world.complete(operation_id, "ours")
    await ledger.whole_pass()
    row = ledger.row(operation_id)
    ledger.pass_time(minutes=5)
    ledger.world.supersede(operation_id, tagged=tagged)
    for _ in range(3):
        ledger.pass_time(minutes=1)
        await ledger.whole_pass()
    ledger.world.fail(operation_id, "another's")
    await ledger.whole_pass()
    assert ledger.row(operation_id) == row


async def test_a_deleted_execution_with_a_reused_workflow_id_is_lost() -> None:
    """Hazard 34: EXECUTION_LOST. It is not started again beside the other execution."""
    ledger = FakeLedger()
    operation_id = await ledger.dispatched()
    ledger.world.delete(operation_id)
    ledger.world.start_from_outside(operation_id)
    for seconds in (1, 31):
        ledger.pass_time(seconds=seconds)
        await ledger.verify(1)
    row = ledger.row(operation_id)
    assert row.error is not None
    assert row.error.code is ErrorCode.EXECUTION_LOST
    assert row.error.details == {"superseded_by": ledger.world.latest_run(operation_id).run_id}
    assert len(ledger.world.starts) == 1
