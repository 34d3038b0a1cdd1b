"""Dispatching: every accepted operation is started once, whoever dies, whatever the engine answers."""

import asyncio
from datetime import timedelta
from uuid import UUID

import pytest

from application.batching.claim_loop import ClaimResult
from application.dispatch.completion_callbacks import CALLBACK_RETRY_AFTER
from application.dispatch.dispatch import FIRST_QUESTION, DispatchOperations
from application.ports.workflow_engine import PayloadsUnavailable, StartFailed, StartRejected
from domain.access.callback_token import TOKEN_HEADER
from domain.evidence.finality import Finality, OutcomeReports
from domain.evidence.observation import ExecutionState
from domain.operation.attention import AttentionKind
from domain.operation.operation_error import ErrorCode
from domain.operation.operation_type import OperationCatalogue, OperationType
from domain.operation.report import ReportKind
from domain.operation.status import OperationStatus
from domain.operation.transition import Source
from tests.support.claims import run_once
from tests.support.ledger import CALLBACK_URL, CATALOGUE, DOWN, KEYS, LEASE, FakeLedger

ACCEPTED, RUNNING = OperationStatus.ACCEPTED, OperationStatus.RUNNING
COMPLETED, FAILED = OperationStatus.COMPLETED, OperationStatus.FAILED


def code(ledger: FakeLedger, operation_id: UUID) -> ErrorCode:
    """Why it failed."""
    error = ledger.row(operation_id).error
    assert error is not None
    return error.code


async def test_starts_what_is_accepted() -> None:
    """The workflow is started, the row says so, and a first question to the engine is planned."""
    ledger = FakeLedger()
    operation_id = await ledger.submit({"a": 1})
    assert await ledger.dispatch(10) == ClaimResult(1)
    row, [start] = ledger.row(operation_id), ledger.world.starts
    assert (start.operation_id, start.type, start.input) == (operation_id, CATALOGUE.get("work"), {"a": 1})
    assert (row.status, row.dispatch.due_at, row.dispatch.done_at) == (ACCEPTED, None, ledger.clock.now())
    assert row.follow_up.due_at == ledger.clock.now() + FIRST_QUESTION
    assert await ledger.dispatch(10) == ClaimResult(0)


async def test_takes_no_more_than_the_limit_oldest_first() -> None:
    """A step is bounded, and nobody waits while younger ones go."""
    ledger = FakeLedger()
    ids = []
    for _ in range(5):
        ids.append(await ledger.submit())
        ledger.pass_time(seconds=1)
    assert await ledger.dispatch(2) == ClaimResult(2)
    assert [start.operation_id for start in ledger.world.starts] == ids[:2]


async def test_competing_dispatchers_start_each_once() -> None:
    """P1: any number of dispatchers; every operation is started by one of them."""
    ledger = FakeLedger()
    ids = {await ledger.submit() for _ in range(20)}
    await asyncio.gather(*(ledger.dispatch(8) for _ in range(6)))
    assert sorted(ledger.engine.calls["start"]) == sorted(ids)


async def test_crash_between_commit_and_start() -> None:
    """Hazard 2: a dispatcher that died after its claim holds the operation for its lease; then another starts it."""
    ledger = FakeLedger()
    operation_id = await ledger.submit()
    assert await ledger.killed(ledger.dispatch(1), 4)  # claimed and committed, about to call the engine
    assert not ledger.world.starts
    assert ledger.row(operation_id).dispatch.attempts == 1
    assert await ledger.dispatch(1) == ClaimResult(0)
    ledger.clock.advance(LEASE)
    assert await ledger.dispatch(1) == ClaimResult(1)
    assert [start.operation_id for start in ledger.world.starts] == [operation_id]


@pytest.mark.parametrize("step", range(12))
async def test_crash_anywhere_loses_and_doubles_nothing(step: int) -> None:
    """Hazards 2 and 3: killed at any step, the operation is started once in the end and known to be."""
    ledger = FakeLedger()
    operation_id = await ledger.submit()
    assert await ledger.killed(ledger.dispatch(1), step)
    ledger.clock.advance(LEASE)
    await ledger.dispatch(1)
    assert [start.operation_id for start in ledger.world.starts] == [operation_id]
    assert ledger.row(operation_id).dispatch.done_at is not None


async def test_crash_points_reach_past_the_last_step() -> None:
    """The test above tries every step: an undisturbed dispatch has no more of them."""
    ledger = FakeLedger()
    await ledger.submit()
    assert not await ledger.killed(ledger.dispatch(1), 12)


async def test_lost_reply() -> None:
    """Hazard 3: the start took effect, its answer was lost: the retry starts nothing, and nothing is failed."""
    ledger = FakeLedger()
    operation_id = await ledger.submit()
    ledger.world.lose_next_reply()
    assert await ledger.dispatch(1) == ClaimResult(1, engine_available=False)
    assert ledger.status(operation_id) is ACCEPTED
    ledger.pass_time(seconds=1)
    assert await ledger.dispatch(1) == ClaimResult(1)
    assert len(ledger.world.starts) == 1
    assert ledger.row(operation_id).dispatch.attempts == 2
    assert ledger.row(operation_id).dispatch.done_at is not None


async def test_started_and_closed_long_ago() -> None:
    """Hazard 4: by the time of the retry the execution has closed; its outcome is the operation's."""
    ledger = FakeLedger()
    operation_id = await ledger.submit()
    ledger.world.lose_next_reply()
    await ledger.dispatch(1)
    ledger.world.complete(operation_id, {"n": 1})
    ledger.pass_time(hours=5)
    await ledger.dispatch(1)
    assert ledger.status(operation_id) is ACCEPTED
    ledger.clock.advance(FIRST_QUESTION)
    await ledger.follow_up(1)
    assert (ledger.status(operation_id), ledger.row(operation_id).result) == (COMPLETED, {"n": 1})


async def test_already_started_is_asked_about_at_once() -> None:
    """Hazard 4: "already started" is no success: what has become of the execution is asked without delay."""
    ledger = FakeLedger()
    operation_id = await ledger.submit()
    ledger.world.start_from_outside(operation_id, tagged=True)
    ledger.world.terminate_from_outside(operation_id, "by hand", "operator")
    assert await ledger.dispatch(1) == ClaimResult(1)
    assert ledger.row(operation_id).follow_up.due_at == ledger.clock.now()
    await ledger.follow_up(1)
    assert (ledger.status(operation_id), code(ledger, operation_id)) == (FAILED, ErrorCode.TERMINATED)


async def test_execution_of_another_client_is_not_taken_for_its_own() -> None:
    """Hazard 34: under the workflow id runs something that the ledger did not start. The operation says so and ends,
    and the other execution is left alone."""
    ledger = FakeLedger()
    operation_id = await ledger.submit()
    ledger.world.start_from_outside(operation_id)
    assert await ledger.dispatch(1) == ClaimResult(1)
    assert (ledger.status(operation_id), code(ledger, operation_id)) == (FAILED, ErrorCode.START_REJECTED)
    error = ledger.row(operation_id).error
    assert error is not None
    assert error.message.startswith("another execution has the workflow id: ")
    assert ledger.world._executions[operation_id].open


async def test_outage_while_it_looks_whose_execution_exists(caplog: pytest.LogCaptureFixture) -> None:
    """The engine refuses the start because an execution exists, and is away when it is asked whose that is. The start
    is retried after its back-off, and the loop knows of the outage."""
    ledger = FakeLedger()
    operation_id = await ledger.submit()
    ledger.world.start_from_outside(operation_id)
    ledger.engine.break_for("observe", operation_id, DOWN)
    with caplog.at_level("WARNING"):
        assert await ledger.dispatch(1) == ClaimResult(1, engine_available=False)
    assert not caplog.records
    ledger.engine.before.clear()
    ledger.pass_time(seconds=1)
    await ledger.dispatch(1)
    assert ledger.row(operation_id).dispatch.attempts == 2


async def test_payloads_that_cannot_be_read_do_not_stop_the_others() -> None:
    """The codec of one operation is no outage of the engine (hazard 5)."""
    ledger = FakeLedger()
    operation_id = await ledger.submit()
    ledger.world.start_from_outside(operation_id)
    ledger.engine.break_for("observe", operation_id, PayloadsUnavailable("the codec is unavailable"))
    assert await ledger.dispatch(1) == ClaimResult(1, engine_available=True)
    assert ledger.row(operation_id).dispatch.due_at is not None


async def test_superseded_after_a_lost_reply() -> None:
    """Hazards 3 and 34: the first attempt did start it, another client has taken its place since, and the index lists
    the first one late: until then the operation is not given up."""
    ledger = FakeLedger()
    operation_id = await ledger.submit()
    ledger.world.lose_next_reply()
    await ledger.dispatch(1)
    ledger.world.supersede(operation_id)
    ledger.pass_time(seconds=1)
    await ledger.dispatch(1)
    await ledger.follow_up(1)
    assert (ledger.status(operation_id), code(ledger, operation_id)) == (FAILED, ErrorCode.TERMINATED)


async def test_superseded_before_the_index_lists_it() -> None:
    """The same while the index does not list the first attempt's execution: the start is tried again, then refused."""
    ledger = FakeLedger()
    operation_id = await ledger.submit()
    ledger.engine.break_for("start", operation_id, DOWN)
    await ledger.dispatch(1)
    ledger.engine.before.clear()
    ledger.world.start_from_outside(operation_id)
    ledger.pass_time(seconds=1)
    await ledger.dispatch(1)
    assert ledger.status(operation_id) is ACCEPTED
    for _ in range(5):
        ledger.pass_time(seconds=31)
        await ledger.dispatch(1)
    assert (ledger.status(operation_id), code(ledger, operation_id)) == (FAILED, ErrorCode.START_REJECTED)


async def test_first_run_is_stored_with_the_dispatch() -> None:
    """From the reply of the start; where that was lost, from what the engine says of the chain, reset or not."""
    ledger = FakeLedger()
    plain, lost, reset = [await ledger.submit() for _ in range(3)]
    for operation_id in (lost, reset):
        ledger.engine.after[("start", operation_id)] = _down
    await ledger.dispatch(3)
    ledger.engine.after.clear()
    assert ledger.row(plain).first_run_id == ledger.world.latest_run(plain).run_id
    assert ledger.row(lost).first_run_id is ledger.row(reset).first_run_id is None
    ledger.world.pick_up(reset)
    first = ledger.world.latest_run(reset).run_id
    ledger.world.reset(reset)
    ledger.pass_time(seconds=1)
    await ledger.dispatch(3)
    assert ledger.row(lost).first_run_id == ledger.world.latest_run(lost).run_id
    assert ledger.row(reset).first_run_id == first != ledger.world.latest_run(reset).run_id


async def test_callback_of_a_repeated_start_is_not_counted_on() -> None:
    """An earlier attempt made the execution, without a callback maybe: the close poll goes on for it."""
    ledger = FakeLedger(callbacks=True)
    first, repeated = await ledger.submit(), await ledger.submit()
    ledger.engine.after[("start", repeated)] = _down
    await ledger.dispatch(2)
    ledger.engine.after.clear()
    ledger.pass_time(seconds=1)
    await ledger.dispatch(1)
    assert ledger.row(first).dispatch.calls_back
    assert ledger.row(repeated).dispatch.done_at is not None
    assert not ledger.row(repeated).dispatch.calls_back


async def test_chain_that_the_start_made_replaces_a_forgotten_one() -> None:
    """An earlier attempt's chain was seen, then deleted in the engine before its dispatch was noted: the start that is
    repeated makes another one, which is the operation's."""
    ledger = FakeLedger()
    operation_id = await ledger.submit()
    ledger.engine.after[("start", operation_id)] = _down
    await ledger.dispatch(1)
    ledger.engine.after.clear()
    seen = await ledger.engine.observe(ledger.row(operation_id).chain)
    await ledger.recorder.observation(operation_id, seen, Source.VERIFICATION)
    lost = ledger.row(operation_id).first_run_id
    assert lost is not None
    ledger.world.lose(operation_id)
    ledger.pass_time(seconds=1)
    await ledger.dispatch(1)
    assert ledger.row(operation_id).first_run_id == ledger.world.latest_run(operation_id).run_id != lost


async def _down() -> None:
    raise DOWN


async def test_lost_reply_of_a_chain_that_went_on() -> None:
    """Hazards 3 and 4: the engine knows the request no more once the chain went on as new; still nothing is doubled."""
    ledger = FakeLedger()
    operation_id = await ledger.submit()
    ledger.world.lose_next_reply()
    await ledger.dispatch(1)
    ledger.world.continue_as_new(operation_id)
    ledger.pass_time(seconds=1)
    await ledger.dispatch(1)
    await ledger.follow_up(1)
    assert ledger.status(operation_id) is RUNNING
    assert len(ledger.world.starts) == 1


@pytest.mark.parametrize("error", [RuntimeError("a bug"), StartFailed("no such queue")], ids=["unexpected", "passing"])
async def test_one_bad_row_stops_no_other(error: Exception) -> None:
    """Hazard 5: whatever one start raises, all the others go through, in the same step."""
    ledger = FakeLedger()
    ids = [await ledger.submit() for _ in range(9)]
    ledger.engine.break_for("start", ids[0], error)
    assert await ledger.dispatch(100) == ClaimResult(9)
    assert {start.operation_id for start in ledger.world.starts} == set(ids[1:])
    del ledger.engine.before[("start", ids[0])]
    ledger.clock.advance(LEASE)
    assert await ledger.dispatch(100) == ClaimResult(1)
    assert {start.operation_id for start in ledger.world.starts} == set(ids)


async def test_rejected_row_stops_no_other() -> None:
    """Hazard 5: one that can never be started is failed, alone."""
    ledger = FakeLedger()
    ids = [await ledger.submit() for _ in range(5)]
    ledger.engine.break_for("start", ids[2], StartRejected("no"))
    await ledger.dispatch(100)
    assert [ledger.status(operation_id) for operation_id in ids].count(FAILED) == 1
    assert len(ledger.world.starts) == 4


async def test_type_that_this_worker_does_not_know_is_retried() -> None:
    """Hazard 5: during a roll-out an older worker meets a newer type: it waits for a worker that knows it, visibly."""
    ledger = FakeLedger()
    operation_id, known = await ledger.submit(type="other"), await ledger.submit()
    old = OperationCatalogue({"work": CATALOGUE.get("work")})
    outdated = DispatchOperations(
        ledger.units, ledger.changes, ledger.engine, ledger.clock, old, ledger.callbacks, ledger.metrics
    )
    assert await run_once(outdated, 10) == ClaimResult(2)
    row = ledger.row(operation_id)
    assert row.status is ACCEPTED
    assert row.attention is not None
    assert "'other' is not a declared operation type" in row.attention.message
    ledger.pass_time(seconds=1)
    await ledger.dispatch(10)
    assert {start.operation_id for start in ledger.world.starts} == {operation_id, known}


async def test_permanent_refusal_fails_it_in_the_servers_words() -> None:
    """P1: FAILED/START_REJECTED says why not, with the engine's words; it never ran, and nothing is due any more."""
    bad = OperationCatalogue({"work": OperationType("work", workflow="Work", task_queue="/_sys/mine")})
    ledger = FakeLedger(catalogue=bad)
    operation_id = await ledger.submit()
    assert await ledger.dispatch(1) == ClaimResult(1)
    row = ledger.row(operation_id)
    assert row.error is not None
    assert (row.error.code, row.error.message) == (
        ErrorCode.START_REJECTED,
        "task queue name cannot start with reserved prefix /_sys/",
    )
    assert (row.started_at, row.dispatch.due_at, row.follow_up.due_at) == (None, None, None)
    assert ledger.statuses(operation_id) == [ACCEPTED, FAILED]
    assert ledger.history(operation_id)[-1].source is Source.DISPATCHER


async def test_refusal_after_a_lost_reply_fails_nothing_that_runs() -> None:
    """Hazard 3: an earlier attempt had gone through; that a later one is refused does not fail the running workflow."""
    ledger = FakeLedger()
    operation_id = await ledger.submit()
    ledger.world.lose_next_reply()
    await ledger.dispatch(1)
    ledger.world.pick_up(operation_id)
    ledger.world.reject_next("no longer welcome")
    ledger.pass_time(seconds=1)
    assert await ledger.dispatch(1) == ClaimResult(1)
    await ledger.follow_up(1)
    assert ledger.status(operation_id) is RUNNING


async def test_refusal_after_an_attempt_that_did_not_arrive() -> None:
    """Hazard 3, the other way: no attempt had gone through, so the refusal stands."""
    ledger = FakeLedger()
    operation_id = await ledger.submit()
    ledger.world.go_down()
    await ledger.dispatch(1)
    ledger.world.come_back()
    ledger.world.reject_next("no")
    ledger.pass_time(seconds=1)
    await ledger.dispatch(1)
    assert code(ledger, operation_id) is ErrorCode.START_REJECTED


async def test_refusal_that_cannot_be_checked_is_not_believed() -> None:
    """Hazard 3: refused, and then the engine cannot be asked whether it runs: try again, fail nothing."""
    ledger = FakeLedger()
    operation_id = await ledger.submit()
    ledger.world.lose_next_reply()
    await ledger.dispatch(1)
    ledger.pass_time(seconds=1)
    ledger.world.reject_next("no")
    ledger.engine.break_for("observe", operation_id, DOWN)
    assert await ledger.dispatch(1) == ClaimResult(1, engine_available=False)
    assert ledger.status(operation_id) is ACCEPTED
    ledger.engine.before.clear()
    ledger.pass_time(seconds=2)
    await ledger.dispatch(1)
    assert ledger.row(operation_id).dispatch.done_at is not None


async def test_report_that_overtakes_a_refusal_wins() -> None:
    """Hazard 3: the workflow reports while the refusal is on its way: it runs, and is not failed."""
    ledger = FakeLedger()
    operation_id = await ledger.submit()

    async def overtaken() -> None:
        ledger.world.start_from_outside(operation_id, tagged=True)
        await ledger.report(operation_id, ReportKind.STARTED)
        raise StartRejected("no")

    ledger.engine.before[("start", operation_id)] = overtaken
    await ledger.dispatch(1)
    assert ledger.status(operation_id) is RUNNING


@pytest.mark.parametrize("finality", Finality)
@pytest.mark.parametrize("kind", [ReportKind.STARTED, ReportKind.COMPLETED])
async def test_workflow_is_quicker_than_its_dispatcher(finality: Finality, kind: ReportKind) -> None:
    """P2: reports may arrive before the dispatcher has noted the start; the note changes nothing that they said."""
    ledger = FakeLedger(finality)
    operation_id = await ledger.submit()

    async def work() -> None:
        await ledger.report(operation_id, kind, result=None)

    ledger.engine.after[("start", operation_id)] = work
    await ledger.dispatch(1)
    final = finality is Finality.WORKFLOW and kind is ReportKind.COMPLETED
    assert ledger.status(operation_id) is (COMPLETED if final else RUNNING)
    assert ledger.row(operation_id).dispatch.due_at is None
    assert (ledger.row(operation_id).reported is not None) is (kind is ReportKind.COMPLETED and not final)


@pytest.mark.parametrize(
    ("finality", "callbacks", "refused", "rule"),
    [
        (Finality.ENGINE, False, False, OutcomeReports.WHEN_SAFE),
        (Finality.ENGINE, True, False, OutcomeReports.NEVER),
        (Finality.ENGINE, True, True, OutcomeReports.WHEN_SAFE),
        (Finality.WORKFLOW, False, False, OutcomeReports.ALWAYS),
        (Finality.WORKFLOW, True, False, OutcomeReports.ALWAYS),
    ],
)
async def test_start_says_whether_the_workflow_reports_its_outcome(
    finality: Finality, callbacks: bool, refused: bool, rule: OutcomeReports
) -> None:
    """P7: no workflow waits for a report that the ledger does not need. A start that is repeated without its callback
    says so."""
    ledger = FakeLedger(finality, callbacks=callbacks)
    ledger.world.refuse_callbacks(refused)
    operation_id = await ledger.dispatched()
    assert ledger.world.outcome_reports(operation_id) is rule


async def test_passing_refusals_are_visible_and_further_apart() -> None:
    """Attempts, last error and next time are in the history; the waits double up to half a minute."""
    ledger = FakeLedger()
    operation_id = await ledger.submit()
    first = ledger.clock.now()
    waits = []
    for attempt in range(1, 10):
        ledger.world.fail_next(f"refusal {attempt}")
        assert await ledger.dispatch(1) == ClaimResult(1)
        row, line = ledger.row(operation_id), ledger.history(operation_id)[-1]
        assert (line.from_status, line.to_status, line.source) == (ACCEPTED, ACCEPTED, Source.DISPATCHER)
        assert line.details["attempt"] == row.dispatch.attempts == attempt
        assert line.details["error"] == f"refusal {attempt}"
        assert row.attention is not None
        assert (row.attention.kind, row.attention.since) == (AttentionKind.DISPATCH_RETRYING, first)
        assert f"refusal {attempt}" in row.attention.message
        assert row.dispatch.due_at is not None
        assert line.details["retry_at"] == row.dispatch.due_at.isoformat()
        waits.append(row.dispatch.due_at - ledger.clock.now())
        ledger.clock.advance(waits[-1])
    assert [wait.total_seconds() for wait in waits] == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]
    await ledger.dispatch(1)
    assert (ledger.row(operation_id).attention, len(ledger.world.starts)) == (None, 1)


async def test_attention_ends_with_a_final_refusal() -> None:
    """What is failed needs no more attention."""
    ledger = FakeLedger()
    operation_id = await ledger.submit()
    ledger.world.fail_next("later")
    await ledger.dispatch(1)
    ledger.pass_time(seconds=1)
    ledger.world.reject_next("never")
    await ledger.dispatch(1)
    assert ledger.row(operation_id).attention is None
    assert code(ledger, operation_id) is ErrorCode.START_REJECTED


async def test_outage_is_told_and_passes() -> None:
    """P5: a step says that the engine is away, keeps every row, and starts all once it is back."""
    ledger = FakeLedger()
    ids = [await ledger.submit() for _ in range(5)]
    ledger.world.go_down()
    assert await ledger.dispatch(100) == ClaimResult(5, engine_available=False)
    assert {ledger.status(operation_id) for operation_id in ids} == {ACCEPTED}
    ledger.world.come_back()
    ledger.pass_time(seconds=1)
    assert await ledger.dispatch(100) == ClaimResult(5)
    assert len(ledger.world.starts) == 5


async def test_nothing_due_says_nothing_of_the_engine() -> None:
    """A step without work does not call the engine."""
    ledger = FakeLedger()
    ledger.world.go_down()
    assert await ledger.dispatch(1) == ClaimResult(0)


async def test_execution_lost_before_it_ran_is_started_again() -> None:
    """Hazard 2: the engine forgot a start that it had taken, within the hour: it is started once more."""
    ledger = FakeLedger()
    operation_id = await ledger.dispatched()
    ledger.world.lose(operation_id)
    ledger.pass_time(minutes=1)
    await ledger.verify(1)
    assert await ledger.dispatch(1) == ClaimResult(1)
    assert (await ledger.observed(operation_id)).state is ExecutionState.PENDING
    assert ledger.row(operation_id).follow_up.due_at == ledger.clock.now() + FIRST_QUESTION
    assert ledger.row(operation_id).dispatch.attempts == 2


def test_lease_is_longer_than_a_start_takes() -> None:
    """Two dispatchers do not start the same operation because the first is slow."""
    from adapters.temporal.connection.rpc import START_TIMEOUT
    from application.batching.claim_loop import LEASE as CLAIMED_FOR

    assert START_TIMEOUT + timedelta(seconds=10) < CLAIMED_FOR


async def test_every_start_carries_a_callback_of_its_own() -> None:
    """To its own address, with a token that is good for it alone."""
    ledger = FakeLedger(callbacks=True)
    ids = [await ledger.dispatched() for _ in range(2)]
    for operation_id, start in zip(ids, ledger.world.starts, strict=True):
        assert start.callback is not None
        assert start.callback.url == f"{CALLBACK_URL}/v1/callbacks/{operation_id}"
        token = start.callback.headers[TOKEN_HEADER]
        assert [KEYS.verify(one, token) for one in ids] == ["default" if one == operation_id else None for one in ids]


async def test_without_callbacks_none_is_sent() -> None:
    """Off by default."""
    ledger = FakeLedger()
    await ledger.dispatched()
    assert ledger.world.starts[0].callback is None


async def test_an_engine_that_refuses_callbacks_starts_all_the_same() -> None:
    """Noticed once, counted, and tried again later: nobody waits for it."""
    ledger = FakeLedger(callbacks=True)
    ledger.world.refuse_callbacks(True)
    ids = [await ledger.dispatched() for _ in range(3)]
    assert [start.callback for start in ledger.world.starts] == [None, None, None]
    first_question = ledger.row(ledger.world.starts[0].operation_id).follow_up.due_at
    assert first_question == ledger.clock.now() + FIRST_QUESTION, "nobody calls"
    assert {ledger.row(operation_id).dispatch.attempts for operation_id in ids} == {1}
    assert len(ledger.engine.calls["start"]) == 4
    assert ledger.metrics.refused
    ledger.world.refuse_callbacks(False)
    ledger.clock.advance(CALLBACK_RETRY_AFTER)
    await ledger.dispatched()
    assert ledger.world.starts[-1].callback is not None
    assert not ledger.metrics.refused


async def test_a_lost_reply_does_not_leave_the_callback_out() -> None:
    """The repeat is the same request."""
    ledger = FakeLedger(callbacks=True)
    operation_id = await ledger.submit()
    ledger.world.lose_next_reply()
    await ledger.dispatch(1)
    ledger.pass_time(seconds=31)
    await ledger.dispatch(1)
    assert ledger.row(operation_id).dispatch.done_at is not None
    assert len(ledger.world.starts) == 1


async def test_how_long_a_start_took_is_counted_once() -> None:
    """From acceptance to the engine's having taken it, however often that is noted."""
    ledger = FakeLedger()
    operation_id = await ledger.submit()
    ledger.pass_time(seconds=7)
    ledger.world.lose_next_reply()
    await ledger.dispatch(1)
    assert ledger.metrics.dispatch_lags == []
    ledger.pass_time(seconds=60)
    await ledger.dispatch(1)
    await ledger.dispatch(1)
    assert ledger.metrics.dispatch_lags == [timedelta(seconds=67)]
    assert ledger.row(operation_id).dispatch.done_at is not None
