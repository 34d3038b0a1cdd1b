"""Dispatch: starts every accepted operation once, through crashes and whatever the engine answers."""

import asyncio
from datetime import timedelta
from uuid import UUID

import pytest

from application.batching.step_result import StepResult
from application.dispatch.completion_callbacks import CALLBACK_RETRY_AFTER
from application.dispatch.dispatch import FIRST_QUESTION
from application.ports.engine.workflow_engine import PayloadsUnavailable, StartFailed, StartRejected
from domain.access.callback_token import TOKEN_HEADER
from domain.evidence.finality import Finality, OutcomeReports
from domain.evidence.observation import ExecutionState
from domain.operation.attention import AttentionKind
from domain.operation.operation_error import ErrorCode
from domain.operation.operation_type import OperationCatalogue, OperationType
from domain.operation.report import ReportKind
from domain.operation.status import OperationStatus
from domain.operation.transition import Source
from tests.support.ledger.in_memory import CALLBACK_URL, CATALOGUE, DOWN, KEYS, LEASE, FakeLedger

ACCEPTED, RUNNING = OperationStatus.ACCEPTED, OperationStatus.RUNNING
COMPLETED, FAILED = OperationStatus.COMPLETED, OperationStatus.FAILED


def code(ledger: FakeLedger, operation_id: UUID) -> ErrorCode:
    """Returns the error's code."""
    error = ledger.row(operation_id).error
    assert error is not None
    return error.code


async def test_an_accepted_operation_is_started() -> None:
    """The row has the dispatch and the first question to the engine."""
    ledger = FakeLedger()
    operation_id = await ledger.submit({"a": 1})
    assert await ledger.dispatch(10) == StepResult(1)
    row, [start] = ledger.row(operation_id), ledger.world.starts
    assert (start.operation_id, start.type, start.input) == (operation_id, CATALOGUE.get("work"), {"a": 1})
    assert (row.status, row.dispatch.due_at, row.dispatch.done_at) == (ACCEPTED, None, ledger.clock.now())
    assert row.follow_up.due_at == ledger.clock.now() + FIRST_QUESTION
    assert await ledger.dispatch(10) == StepResult(0)


async def test_a_step_starts_the_oldest_up_to_its_limit() -> None:
    """Younger operations do not overtake."""
    ledger = FakeLedger()
    ids = []
    for _ in range(5):
        ids.append(await ledger.submit())
        ledger.pass_time(seconds=1)
    assert await ledger.dispatch(2) == StepResult(2)
    assert [start.operation_id for start in ledger.world.starts] == ids[:2]


async def test_concurrent_dispatchers_start_each_operation_once() -> None:
    """P1: however many there are."""
    ledger = FakeLedger()
    ids = {await ledger.submit() for _ in range(20)}
    await asyncio.gather(*(ledger.dispatch(8) for _ in range(6)))
    assert sorted(ledger.engine.calls["start"]) == sorted(ids)


async def test_an_operation_is_started_after_a_crash_between_claim_and_start() -> None:
    """Hazard 2: the crashed dispatcher's claim lasts for its lease; then another starts it."""
    ledger = FakeLedger()
    operation_id = await ledger.submit()
    assert await ledger.killed(ledger.dispatch(1), 4)  # claimed and committed, before the call to the engine
    assert not ledger.world.starts
    assert ledger.row(operation_id).dispatch.attempts == 1
    assert await ledger.dispatch(1) == StepResult(0)
    ledger.clock.advance(LEASE)
    assert await ledger.dispatch(1) == StepResult(1)
    assert [start.operation_id for start in ledger.world.starts] == [operation_id]


@pytest.mark.parametrize("step", range(12))
async def test_a_crash_at_any_step_loses_and_doubles_nothing(step: int) -> None:
    """Hazards 2 and 3: in the end the operation is started once, and its row says so."""
    ledger = FakeLedger()
    operation_id = await ledger.submit()
    assert await ledger.killed(ledger.dispatch(1), step)
    ledger.clock.advance(LEASE)
    await ledger.dispatch(1)
    assert [start.operation_id for start in ledger.world.starts] == [operation_id]
    assert ledger.row(operation_id).dispatch.done_at is not None


async def test_the_crash_points_cover_every_step() -> None:
    """An undisturbed dispatch has no more steps than the test above crashes at."""
    ledger = FakeLedger()
    await ledger.submit()
    assert not await ledger.killed(ledger.dispatch(1), 12)


async def test_a_retry_after_a_lost_reply_starts_nothing() -> None:
    """Hazard 3: the first start took effect. Nothing fails."""
    ledger = FakeLedger()
    operation_id = await ledger.submit()
    ledger.world.lose_next_reply()
    assert await ledger.dispatch(1) == StepResult(1, engine_available=False)
    assert ledger.status(operation_id) is ACCEPTED
    ledger.pass_time(seconds=1)
    assert await ledger.dispatch(1) == StepResult(1)
    assert len(ledger.world.starts) == 1
    assert ledger.row(operation_id).dispatch.attempts == 2
    assert ledger.row(operation_id).dispatch.done_at is not None


async def test_a_retry_finds_an_execution_that_has_closed() -> None:
    """Hazard 4: its outcome is the operation's."""
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
    """Hazard 4: "already started" is no success, so the engine is asked about the execution at once."""
    ledger = FakeLedger()
    operation_id = await ledger.submit()
    ledger.world.start_from_outside(operation_id, tagged=True)
    ledger.world.terminate_from_outside(operation_id, "by hand", "operator")
    assert await ledger.dispatch(1) == StepResult(1)
    assert ledger.row(operation_id).follow_up.due_at == ledger.clock.now()
    await ledger.follow_up(1)
    assert (ledger.status(operation_id), code(ledger, operation_id)) == (FAILED, ErrorCode.TERMINATED)


async def test_an_execution_of_another_client_fails_the_operation() -> None:
    """Hazard 34: the workflow id is in use by an execution that the ledger did not start. The operation fails and
    says so; the other execution goes on."""
    ledger = FakeLedger()
    operation_id = await ledger.submit()
    ledger.world.start_from_outside(operation_id)
    assert await ledger.dispatch(1) == StepResult(1)
    assert (ledger.status(operation_id), code(ledger, operation_id)) == (FAILED, ErrorCode.START_REJECTED)
    error = ledger.row(operation_id).error
    assert error is not None
    assert error.message.startswith("another execution has the workflow id: ")
    assert ledger.world._executions[str(operation_id)].open


async def test_an_outage_while_identifying_an_execution_is_retried(caplog: pytest.LogCaptureFixture) -> None:
    """The engine refuses the start because an execution exists, and is unavailable for the question whose it is. The
    start is retried after its back-off, and the loop learns of the outage."""
    ledger = FakeLedger()
    operation_id = await ledger.submit()
    ledger.world.start_from_outside(operation_id)
    ledger.engine.break_for("observe", operation_id, DOWN)
    with caplog.at_level("WARNING"):
        assert await ledger.dispatch(1) == StepResult(1, engine_available=False)
    assert not [record for record in caplog.records if record.name.startswith("application")]
    ledger.engine.before.clear()
    ledger.pass_time(seconds=1)
    await ledger.dispatch(1)
    assert ledger.row(operation_id).dispatch.attempts == 2


async def test_unreadable_payloads_stop_no_other_operation() -> None:
    """Hazard 5: a failing codec of one operation is no outage of the engine."""
    ledger = FakeLedger()
    operation_id = await ledger.submit()
    ledger.world.start_from_outside(operation_id)
    ledger.engine.break_for("observe", operation_id, PayloadsUnavailable("the codec is unavailable"))
    assert await ledger.dispatch(1) == StepResult(1, engine_available=True)
    assert ledger.row(operation_id).dispatch.due_at is not None


async def test_a_superseded_execution_is_found_once_the_index_lists_it() -> None:
    """Hazards 3 and 34: the first attempt started the execution, another client has reused the workflow id since,
    and the index lists the first execution late. The operation does not fail before."""
    ledger = FakeLedger()
    operation_id = await ledger.submit()
    ledger.world.lose_next_reply()
    await ledger.dispatch(1)
    ledger.world.supersede(operation_id)
    ledger.pass_time(seconds=1)
    await ledger.dispatch(1)
    await ledger.follow_up(1)
    assert (ledger.status(operation_id), code(ledger, operation_id)) == (FAILED, ErrorCode.TERMINATED)


async def test_a_start_is_retried_while_a_superseded_execution_is_not_listed() -> None:
    """The same before the index lists the first execution: the start is retried, then refused."""
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


async def test_the_first_run_is_stored_with_the_dispatch() -> None:
    """From the reply of the start. If that was lost, from what the engine says of the chain, reset or not."""
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


async def test_a_repeated_start_does_not_rely_on_its_callback() -> None:
    """An earlier attempt may have created the execution without one, so the close poll covers it."""
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


async def test_the_chain_of_a_start_replaces_a_deleted_one() -> None:
    """The chain of an earlier attempt was seen, and then deleted in the engine before the dispatch was stored. The
    retried start creates the operation's chain."""
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


async def test_a_lost_reply_of_a_continued_chain_starts_nothing() -> None:
    """Hazards 3 and 4: after continue-as-new the engine no longer knows the request id."""
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
async def test_one_failing_start_stops_no_other(error: Exception) -> None:
    """Hazard 5: whatever a start raises, the step starts the others."""
    ledger = FakeLedger()
    ids = [await ledger.submit() for _ in range(9)]
    ledger.engine.break_for("start", ids[0], error)
    assert await ledger.dispatch(100) == StepResult(9)
    assert {start.operation_id for start in ledger.world.starts} == set(ids[1:])
    del ledger.engine.before[("start", ids[0])]
    ledger.clock.advance(LEASE)
    assert await ledger.dispatch(100) == StepResult(1)
    assert {start.operation_id for start in ledger.world.starts} == set(ids)


async def test_a_rejected_start_stops_no_other() -> None:
    """Hazard 5: only the operation that can never start fails."""
    ledger = FakeLedger()
    ids = [await ledger.submit() for _ in range(5)]
    ledger.engine.break_for("start", ids[2], StartRejected("no"))
    await ledger.dispatch(100)
    assert [ledger.status(operation_id) for operation_id in ids].count(FAILED) == 1
    assert len(ledger.world.starts) == 4


async def test_an_unknown_type_is_retried() -> None:
    """Hazard 5: during a roll-out an older worker meets a newer type. The operation waits, with attention, for a
    worker that knows it."""
    ledger = FakeLedger()
    operation_id, known = await ledger.submit(type="other"), await ledger.submit()
    old = OperationCatalogue({"work": CATALOGUE.get("work")})
    ledger.restart(old)
    assert await ledger.dispatch(10) == StepResult(2)
    row = ledger.row(operation_id)
    assert row.status is ACCEPTED
    assert row.attention is not None
    assert "'other' is not a declared operation type" in row.attention.message
    ledger.restart(CATALOGUE)
    ledger.pass_time(seconds=1)
    await ledger.dispatch(10)
    assert {start.operation_id for start in ledger.world.starts} == {operation_id, known}


async def test_a_permanent_refusal_fails_the_operation() -> None:
    """P1: FAILED/START_REJECTED with the engine's message. It never ran, and nothing is due."""
    bad = OperationCatalogue({"work": OperationType("work", workflow="Work", task_queue="/_sys/mine")})
    ledger = FakeLedger(catalogue=bad)
    operation_id = await ledger.submit()
    assert await ledger.dispatch(1) == StepResult(1)
    row = ledger.row(operation_id)
    assert row.error is not None
    assert (row.error.code, row.error.message) == (
        ErrorCode.START_REJECTED,
        "task queue name cannot start with reserved prefix /_sys/",
    )
    assert (row.started_at, row.dispatch.due_at, row.follow_up.due_at) == (None, None, None)
    assert ledger.statuses(operation_id) == [ACCEPTED, FAILED]
    assert ledger.history(operation_id)[-1].source is Source.DISPATCHER


async def test_a_refusal_after_a_lost_reply_fails_no_running_workflow() -> None:
    """Hazard 3: an earlier attempt had started it."""
    ledger = FakeLedger()
    operation_id = await ledger.submit()
    ledger.world.lose_next_reply()
    await ledger.dispatch(1)
    ledger.world.pick_up(operation_id)
    ledger.world.reject_next("no longer welcome")
    ledger.pass_time(seconds=1)
    assert await ledger.dispatch(1) == StepResult(1)
    await ledger.follow_up(1)
    assert ledger.status(operation_id) is RUNNING


async def test_a_refusal_after_a_lost_request_fails_the_operation() -> None:
    """Hazard 3, the other way: no attempt had started it."""
    ledger = FakeLedger()
    operation_id = await ledger.submit()
    ledger.world.go_down()
    await ledger.dispatch(1)
    ledger.world.come_back()
    ledger.world.reject_next("no")
    ledger.pass_time(seconds=1)
    await ledger.dispatch(1)
    assert code(ledger, operation_id) is ErrorCode.START_REJECTED


async def test_a_refusal_that_cannot_be_checked_is_retried() -> None:
    """Hazard 3: the engine is unavailable for the question whether the workflow runs."""
    ledger = FakeLedger()
    operation_id = await ledger.submit()
    ledger.world.lose_next_reply()
    await ledger.dispatch(1)
    ledger.pass_time(seconds=1)
    ledger.world.reject_next("no")
    ledger.engine.break_for("observe", operation_id, DOWN)
    assert await ledger.dispatch(1) == StepResult(1, engine_available=False)
    assert ledger.status(operation_id) is ACCEPTED
    ledger.engine.before.clear()
    ledger.pass_time(seconds=2)
    await ledger.dispatch(1)
    assert ledger.row(operation_id).dispatch.done_at is not None


async def test_a_report_before_the_refusal_wins() -> None:
    """Hazard 3: the workflow runs and reports while the refusal is under way. The operation does not fail."""
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
async def test_reports_may_precede_the_stored_dispatch(finality: Finality, kind: ReportKind) -> None:
    """P2: the dispatch changes nothing that they recorded."""
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
async def test_the_start_says_whether_the_workflow_reports_its_outcome(
    finality: Finality, callbacks: bool, refused: bool, rule: OutcomeReports
) -> None:
    """P7: no workflow waits for a report that the ledger does not need. A start repeated without callback says so."""
    ledger = FakeLedger(finality, callbacks=callbacks)
    ledger.world.refuse_callbacks(refused)
    operation_id = await ledger.dispatched()
    assert ledger.world.outcome_reports(operation_id) is rule


async def test_temporary_refusals_are_in_the_history() -> None:
    """Attempts, last error and next time. The waits double up to half a minute."""
    ledger = FakeLedger()
    operation_id = await ledger.submit()
    first = ledger.clock.now()
    waits = []
    for attempt in range(1, 10):
        ledger.world.fail_next(f"refusal {attempt}")
        assert await ledger.dispatch(1) == StepResult(1)
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
    """A failed operation needs none."""
    ledger = FakeLedger()
    operation_id = await ledger.submit()
    ledger.world.fail_next("later")
    await ledger.dispatch(1)
    ledger.pass_time(seconds=1)
    ledger.world.reject_next("never")
    await ledger.dispatch(1)
    assert ledger.row(operation_id).attention is None
    assert code(ledger, operation_id) is ErrorCode.START_REJECTED


async def test_a_step_reports_an_outage() -> None:
    """P5: it keeps every row, and starts all after the outage."""
    ledger = FakeLedger()
    ids = [await ledger.submit() for _ in range(5)]
    ledger.world.go_down()
    assert await ledger.dispatch(100) == StepResult(5, engine_available=False)
    assert {ledger.status(operation_id) for operation_id in ids} == {ACCEPTED}
    ledger.world.come_back()
    ledger.pass_time(seconds=1)
    assert await ledger.dispatch(100) == StepResult(5)
    assert len(ledger.world.starts) == 5


async def test_a_step_without_work_calls_no_engine() -> None:
    """So it says nothing about its availability."""
    ledger = FakeLedger()
    ledger.world.go_down()
    assert await ledger.dispatch(1) == StepResult(0)


async def test_a_lost_execution_that_never_ran_is_started_again() -> None:
    """Hazard 2: the engine lost a start that it had accepted, within the hour. It is started once more."""
    ledger = FakeLedger()
    operation_id = await ledger.dispatched()
    ledger.world.lose(operation_id)
    ledger.pass_time(minutes=1)
    await ledger.verify(1)
    assert await ledger.dispatch(1) == StepResult(1)
    assert (await ledger.observed(operation_id)).state is ExecutionState.PENDING
    assert ledger.row(operation_id).follow_up.due_at == ledger.clock.now() + FIRST_QUESTION
    assert ledger.row(operation_id).dispatch.attempts == 2


def test_lease_is_longer_than_a_start_takes() -> None:
    """So a slow start does not lead to a second one."""
    from adapters.temporal.connection.rpc import START_TIMEOUT
    from application.batching.claim_loop import LEASE as CLAIMED_FOR

    assert START_TIMEOUT + timedelta(seconds=10) < CLAIMED_FOR


async def test_every_start_carries_a_callback_of_its_own() -> None:
    """At the operation's URL, with a token for that operation only."""
    ledger = FakeLedger(callbacks=True)
    ids = [await ledger.dispatched() for _ in range(2)]
    for operation_id, start in zip(ids, ledger.world.starts, strict=True):
        assert start.callback is not None
        assert start.callback.url == f"{CALLBACK_URL}/v1/callbacks/{operation_id}"
        token = start.callback.headers[TOKEN_HEADER]
        assert [KEYS.verify(one, token) for one in ids] == ["default" if one == operation_id else None for one in ids]


async def test_callbacks_are_off_by_default() -> None:
    """The start carries none."""
    ledger = FakeLedger()
    await ledger.dispatched()
    assert ledger.world.starts[0].callback is None


async def test_a_start_refused_for_its_callback_is_made_without() -> None:
    """The refusal is logged once, counted, and callbacks are tried again later. No start waits."""
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


async def test_a_retry_after_a_lost_reply_carries_the_callback() -> None:
    """It is the same request."""
    ledger = FakeLedger(callbacks=True)
    operation_id = await ledger.submit()
    ledger.world.lose_next_reply()
    await ledger.dispatch(1)
    ledger.pass_time(seconds=31)
    await ledger.dispatch(1)
    assert ledger.row(operation_id).dispatch.done_at is not None
    assert len(ledger.world.starts) == 1


async def test_the_duration_of_a_start_is_measured_once() -> None:
    """From the acceptance until the engine has the execution, however often the dispatch is stored."""
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
