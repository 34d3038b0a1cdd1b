"""Recording evidence: one compare-and-set whatever the source, decided on the row as it is at that moment."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from application.batching.group_commit import GroupCommit
from application.batching.optimistic_update import MAX_TRIES
from application.ports.operation_repository import StaleOperation
from application.ports.unit_of_work import DatabaseUnavailable
from application.track.receive_report import ReceiveReport
from application.track.record import Recorded, RecordEvidence
from domain.evidence.finality import Finality
from domain.evidence.observation import ExecutionState, Observation
from domain.evidence.reconciliation import ReconcilePolicy, Verdict
from domain.json_value import JsonValue
from domain.operation.operation_error import ErrorCode, OperationError
from domain.operation.report import Progress, Report, ReportKind
from domain.operation.status import OperationStatus
from domain.operation.transition import Source
from tests.support.ledger import FakeLedger
from tests.support.operations import ID

ACCEPTED, RUNNING = OperationStatus.ACCEPTED, OperationStatus.RUNNING
COMPLETED, FAILED = OperationStatus.COMPLETED, OperationStatus.FAILED
BOOM = OperationError(ErrorCode.WORKFLOW_FAILED, "boom")
FALSY: list[JsonValue] = [None, {}, [], "", 0, False]


class Rivals:
    """Units in which somebody else changes the row between the read and the save, so many times."""

    def __init__(self, ledger: FakeLedger, times: int, change: Any) -> None:
        self._ledger, self.left, self._change = ledger, times, change

    def __call__(self) -> Any:
        unit = self._ledger.units()
        operations = unit.operations._inner
        operations.save, operations.save_all = self._beaten(operations.save), self._beaten(operations.save_all)
        return unit

    def _beaten(self, save: Callable[[Any], Awaitable[Any]]) -> Callable[[Any], Awaitable[Any]]:
        async def beaten(changes: Any) -> Any:
            if self.left > 0:
                self.left -= 1
                await self._change()
            return await save(changes)

        return beaten


def recorder(ledger: FakeLedger, units: Any) -> RecordEvidence:
    """The service on these units."""
    return RecordEvidence(GroupCommit(units), ledger.clock, Finality.ENGINE, ReconcilePolicy(), ledger.metrics)


async def test_report_of_an_unknown_operation() -> None:
    """A workflow that this ledger did not start is told so, and nothing is made up for it."""
    ledger = FakeLedger()
    assert await ledger.report(ID, ReportKind.STARTED) is Recorded.UNKNOWN_OPERATION
    assert not ledger.rows()


async def test_observation_of_an_unknown_operation() -> None:
    """Nor does the engine's word make a row."""
    ledger = FakeLedger()
    seen = Observation(ExecutionState.RUNNING, ledger.clock.now())
    assert await ledger.recorder.observation(ID, seen, Source.RECONCILIATION) is Verdict.NO_CHANGE
    assert not ledger.rows()


@pytest.mark.parametrize("kind", ReportKind)
async def test_repeat_is_ignored(kind: ReportKind) -> None:
    """An activity runs at least once: its second run changes neither row nor history."""
    ledger = FakeLedger()
    operation_id = await ledger.dispatched()
    fields: dict[str, Any] = {"error": BOOM} if kind is ReportKind.FAILED else {}
    fields["progress"] = Progress(0.5) if kind is ReportKind.PROGRESS else None
    assert await ledger.report(operation_id, kind, **fields) is Recorded.RECORDED
    before = ledger.row(operation_id), ledger.history(operation_id)
    assert await ledger.report(operation_id, kind, **fields) is Recorded.IGNORED
    assert (ledger.row(operation_id), ledger.history(operation_id)) == before


@pytest.mark.parametrize("kind", ReportKind)
async def test_latecomer_is_ignored(kind: ReportKind) -> None:
    """P2: nothing that a workflow says changes what is final."""
    ledger = FakeLedger()
    operation_id = await ledger.running()
    ledger.world.terminate_from_outside(operation_id, "by hand", "operator")
    await ledger.whole_pass()
    before = ledger.row(operation_id)
    error = BOOM if kind is ReportKind.FAILED else None
    assert await ledger.report(operation_id, kind, error=error, progress=Progress(1.0)) is Recorded.IGNORED
    assert ledger.row(operation_id) == before


async def test_outcome_is_kept_until_the_engine_confirms_it() -> None:
    """P3: under engine finality a reported outcome is no status yet, and shows nowhere as one."""
    ledger = FakeLedger()
    operation_id = await ledger.running()
    assert await ledger.report(operation_id, ReportKind.COMPLETED, result=1) is Recorded.RECORDED
    row = ledger.row(operation_id)
    assert (row.status, row.result, row.finished_at) == (RUNNING, None, None)
    assert len(ledger.history(operation_id)) == 2


async def test_outcome_is_final_under_workflow_finality() -> None:
    """The simple form of the pattern: the workflow's word is the status."""
    ledger = FakeLedger(Finality.WORKFLOW)
    operation_id = await ledger.running()
    await ledger.report(operation_id, ReportKind.FAILED, error=BOOM)
    assert (ledger.status(operation_id), ledger.row(operation_id).error) == (FAILED, BOOM)
    assert ledger.history(operation_id)[-1].source is Source.WORKFLOW


@pytest.mark.parametrize("finality", Finality)
async def test_first_seen_completed_passes_through_running(finality: Finality) -> None:
    """Every operation that ends has run, in the history too; both lines in one commit."""
    ledger = FakeLedger(finality)
    operation_id = await ledger.dispatched()
    ledger.world.complete(operation_id, 1)
    await ledger.report(operation_id, ReportKind.COMPLETED, result=1)
    await ledger.whole_pass()
    assert ledger.statuses(operation_id) == [ACCEPTED, RUNNING, COMPLETED]


@pytest.mark.parametrize("finality", Finality)
@pytest.mark.parametrize("result", FALSY, ids=repr)
async def test_falsy_result_is_a_result(result: Any, finality: Finality) -> None:
    """Hazard 12: stored as what it is, by report and by observation."""
    ledger = FakeLedger(finality)
    operation_id = await ledger.running()
    await ledger.report(operation_id, ReportKind.COMPLETED, result=result)
    ledger.world.complete(operation_id, result)
    await ledger.whole_pass()
    row = ledger.row(operation_id)
    assert (row.status, row.result, type(row.result)) == (COMPLETED, result, type(result))


@pytest.mark.parametrize("finality", Finality)
async def test_attempts_of_a_retried_workflow(finality: Finality) -> None:
    """Hazard 11: attempt 1 fails, attempt 2 completes: the status never goes back, the first error does not stay."""
    ledger = FakeLedger(finality)
    operation_id = await ledger.running()
    await ledger.report(operation_id, ReportKind.FAILED, error=BOOM, attempt=1, provisional=True)
    assert ledger.status(operation_id) is RUNNING
    await ledger.report(operation_id, ReportKind.STARTED, attempt=2)
    assert ledger.row(operation_id).reported is None
    await ledger.report(operation_id, ReportKind.COMPLETED, attempt=2, result=2)
    await ledger.report(operation_id, ReportKind.FAILED, error=BOOM, attempt=1, provisional=True)
    ledger.world.complete(operation_id, 2)
    await ledger.whole_pass()
    row = ledger.row(operation_id)
    assert (row.status, row.result, row.error) == (COMPLETED, 2, None)
    assert ledger.statuses(operation_id) == [ACCEPTED, RUNNING, COMPLETED]


async def test_older_view_is_not_written_over_a_newer_one() -> None:
    """Hazard 23: the reconciler asked while it ran; by the time it writes, the operation has completed."""
    ledger = FakeLedger()
    operation_id = await ledger.running()
    ledger.pass_time(minutes=5)
    views = [
        await ledger.observed(operation_id),
        Observation(ExecutionState.NOT_FOUND, ledger.clock.now()),
        Observation(ExecutionState.UNKNOWN, ledger.clock.now()),
    ]
    ledger.world.complete(operation_id, 1)
    await ledger.whole_pass()
    before = ledger.row(operation_id)
    for view in views:
        assert await ledger.recorder.observation(operation_id, view, Source.RECONCILIATION) is Verdict.NO_CHANGE
    assert ledger.row(operation_id) == before


async def test_decision_is_made_again_after_a_lost_race() -> None:
    """Hazard 23: somebody else was quicker between read and save: what was decided on the old row is not stored."""
    ledger = FakeLedger()
    operation_id = await ledger.running()

    async def rival() -> None:
        ledger.world.complete(operation_id, "rival")
        seen = await ledger.observed(operation_id)
        await ledger.recorder.observation(operation_id, seen, Source.CONFIRMATION)

    lost = Observation(
        ExecutionState.TERMINATED, ledger.clock.now(), error=OperationError(ErrorCode.TERMINATED, "too late")
    )
    verdict = await recorder(ledger, Rivals(ledger, 1, rival)).observation(operation_id, lost, Source.RECONCILIATION)
    assert verdict is Verdict.NO_CHANGE
    assert (ledger.status(operation_id), ledger.row(operation_id).result) == (COMPLETED, "rival")
    assert ledger.statuses(operation_id) == [ACCEPTED, RUNNING, COMPLETED]


async def test_report_that_loses_a_race_is_recorded_after_it() -> None:
    """A lost race loses no report."""
    ledger = FakeLedger()
    operation_id = await ledger.running()

    async def rival() -> None:
        await ledger.report(operation_id, ReportKind.PROGRESS, progress=Progress(0.5))

    busy = recorder(ledger, Rivals(ledger, 1, rival))
    report = Report(ReportKind.COMPLETED, ledger.clock.now(), result=3)
    assert await busy.report(operation_id, report, ledger.run_of(operation_id)) is Recorded.RECORDED
    row = ledger.row(operation_id)
    assert row.reported is not None
    assert (row.reported.result, row.progress) == (3, Progress(0.5))


async def test_race_that_is_always_lost_ends() -> None:
    """Losing for ever is an error, not an endless loop."""
    ledger = FakeLedger()
    operation_id = await ledger.running()
    rivals = 0

    async def rival() -> None:
        nonlocal rivals
        rivals += 1
        await ledger.report(operation_id, ReportKind.PROGRESS, progress=Progress(rivals / 1000))

    busy = recorder(ledger, Rivals(ledger, 10**6, rival))
    ledger.world.complete(operation_id)
    with pytest.raises(StaleOperation):
        await busy.observation(operation_id, await ledger.observed(operation_id), Source.CONFIRMATION)
    assert rivals == 1 + MAX_TRIES


async def test_database_that_is_away_is_told() -> None:
    """P7: the activity fails and is retried by its policy; nothing pretends to have been recorded."""
    ledger = FakeLedger()

    def units() -> Any:
        raise DatabaseUnavailable

    ledger.reports = ReceiveReport(recorder(ledger, units), ledger.engine, ledger.metrics)
    with pytest.raises(DatabaseUnavailable):
        await ledger.report(ID, ReportKind.STARTED)


async def test_progress_leaves_no_line() -> None:
    """Progress changes the row alone: a thousand reports would bury the history."""
    ledger = FakeLedger()
    operation_id = await ledger.running()
    for step in range(20):
        await ledger.report(operation_id, ReportKind.PROGRESS, progress=Progress(step / 20, f"step {step}"))
    assert ledger.row(operation_id).progress == Progress(0.95, "step 19")
    assert len(ledger.history(operation_id)) == 2
