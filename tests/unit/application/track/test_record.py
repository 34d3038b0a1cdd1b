"""Record: one compare-and-set for evidence of any source, decided on the current row."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from dependency_injector import providers

from application.batching.optimistic_update import MAX_TRIES
from application.ports.storage.operation_repository import StaleOperation
from application.ports.storage.unit_of_work import DatabaseUnavailable
from application.track.receive_report import ReceiveReport
from application.track.record import Recorded, RecordEvidence
from domain.evidence.finality import Finality
from domain.evidence.observation import ExecutionState, Observation
from domain.evidence.reconciliation import Verdict
from domain.json_value import JsonValue
from domain.operation.operation_error import ErrorCode, OperationError
from domain.operation.report import Progress, Report, ReportKind
from domain.operation.status import OperationStatus
from domain.operation.transition import Source
from entrypoints.wiring.services import Services
from tests.support.ledger.in_memory import FakeLedger
from tests.support.operations import ID, stated

ACCEPTED, RUNNING = OperationStatus.ACCEPTED, OperationStatus.RUNNING
COMPLETED, FAILED = OperationStatus.COMPLETED, OperationStatus.FAILED
BOOM = OperationError(ErrorCode.WORKFLOW_FAILED, "boom")
FALSY: list[JsonValue] = [None, {}, [], "", 0, False]


class Rivals:
    """Units of work that change the row between read and save, a number of times."""

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
    """Returns the service on these units."""
    ledger.adapters.units.override(providers.Object(units))
    return Services(settings=ledger.parts["settings"], adapters=ledger.adapters).recorder()


async def test_a_report_of_an_unknown_operation_creates_no_row() -> None:
    """The sender gets UNKNOWN_OPERATION."""
    ledger = FakeLedger()
    assert await ledger.report(ID, ReportKind.STARTED) is Recorded.UNKNOWN_OPERATION
    assert not ledger.rows()


async def test_an_observation_of_an_unknown_operation_creates_no_row() -> None:
    """A report creates none either."""
    ledger = FakeLedger()
    seen = Observation(ExecutionState.RUNNING, ledger.clock.now())
    assert await ledger.recorder.observation(ID, seen, Source.RECONCILIATION) is Verdict.NO_CHANGE
    assert not ledger.rows()


@pytest.mark.parametrize("kind", ReportKind)
async def test_a_repeated_report_is_ignored(kind: ReportKind) -> None:
    """An activity runs at least once. The repeat changes neither row nor history."""
    ledger = FakeLedger()
    operation_id = await ledger.dispatched()
    fields: dict[str, Any] = {"error": BOOM} if kind is ReportKind.FAILED else {}
    fields["progress"] = Progress(0.5) if kind is ReportKind.PROGRESS else None
    assert await ledger.report(operation_id, kind, **fields) is Recorded.RECORDED
    before = ledger.row(operation_id), ledger.history(operation_id)
    assert await ledger.report(operation_id, kind, **fields) is Recorded.IGNORED
    assert (ledger.row(operation_id), ledger.history(operation_id)) == before


@pytest.mark.parametrize("kind", ReportKind)
async def test_a_report_of_a_final_operation_is_ignored(kind: ReportKind) -> None:
    """P2: no report changes a final status."""
    ledger = FakeLedger()
    operation_id = await ledger.running()
    ledger.world.terminate_from_outside(operation_id, "by hand", "operator")
    await ledger.whole_pass()
    before = ledger.row(operation_id)
    error = BOOM if kind is ReportKind.FAILED else None
    assert await ledger.report(operation_id, kind, error=error, progress=Progress(1.0)) is Recorded.IGNORED
    assert ledger.row(operation_id) == before


async def test_outcome_is_kept_until_the_engine_confirms_it() -> None:
    """P3: under engine finality a reported outcome is not visible as a status."""
    ledger = FakeLedger()
    operation_id = await ledger.running()
    assert await ledger.report(operation_id, ReportKind.COMPLETED, result=1) is Recorded.RECORDED
    row = ledger.row(operation_id)
    assert (row.status, row.result, row.finished_at) == (RUNNING, None, None)
    assert len(ledger.history(operation_id)) == 2


async def test_outcome_is_final_under_workflow_finality() -> None:
    """The report is the status at once."""
    ledger = FakeLedger(Finality.WORKFLOW)
    operation_id = await ledger.running()
    await ledger.report(operation_id, ReportKind.FAILED, error=BOOM)
    assert (ledger.status(operation_id), ledger.row(operation_id).error) == (FAILED, BOOM)
    assert ledger.history(operation_id)[-1].source is Source.WORKFLOW


@pytest.mark.parametrize("finality", Finality)
async def test_first_seen_completed_passes_through_running(finality: Finality) -> None:
    """Every completed operation has RUNNING in its history; both lines are in one commit."""
    ledger = FakeLedger(finality)
    operation_id = await ledger.dispatched()
    ledger.world.complete(operation_id, 1)
    await ledger.report(operation_id, ReportKind.COMPLETED, result=1)
    await ledger.whole_pass()
    assert ledger.statuses(operation_id) == [ACCEPTED, RUNNING, COMPLETED]


@pytest.mark.parametrize("finality", Finality)
@pytest.mark.parametrize("result", FALSY, ids=repr)
async def test_a_falsy_result_is_stored_as_it_is(result: Any, finality: Finality) -> None:
    """Hazard 12: from a report and from an observation."""
    ledger = FakeLedger(finality)
    operation_id = await ledger.running()
    await ledger.report(operation_id, ReportKind.COMPLETED, result=result)
    ledger.world.complete(operation_id, result)
    await ledger.whole_pass()
    row = ledger.row(operation_id)
    assert (row.status, row.result, type(row.result)) == (COMPLETED, result, type(result))


@pytest.mark.parametrize("finality", Finality)
async def test_a_retried_attempt_leaves_no_error(finality: Finality) -> None:
    """Hazard 11: attempt 1 fails, attempt 2 completes. The status never goes back."""
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


async def test_an_older_observation_does_not_overwrite_a_newer_row() -> None:
    """Hazard 23: the reconciler asked while the operation ran, and records after it has completed."""
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
    """Hazard 23: the row changed between read and save. The decision on the old row is not stored."""
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


async def test_a_report_that_lost_a_race_is_recorded() -> None:
    """On the changed row."""
    ledger = FakeLedger()
    operation_id = await ledger.running()

    async def rival() -> None:
        await ledger.report(operation_id, ReportKind.PROGRESS, progress=Progress(0.5))

    busy = recorder(ledger, Rivals(ledger, 1, rival))
    report = Report(ReportKind.COMPLETED, ledger.clock.now(), result=3)
    assert await busy.report(operation_id, report, ledger.run_of(operation_id)) is Recorded.RECORDED
    row = ledger.row(operation_id)
    assert row.reported is not None
    assert (row.reported.result, stated(row.progress)) == (3, (0.5, None))


async def test_losing_every_race_raises() -> None:
    """It is no endless loop."""
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


async def test_an_outage_raises() -> None:
    """P7: the activity fails, and its retry policy retries it."""
    ledger = FakeLedger()

    def units() -> Any:
        raise DatabaseUnavailable

    ledger.reports = ReceiveReport(recorder(ledger, units), ledger.engine, ledger.metrics, ledger.worker.reported())
    with pytest.raises(DatabaseUnavailable):
        await ledger.report(ID, ReportKind.STARTED)


async def test_progress_writes_no_history() -> None:
    """It changes only the row: a thousand reports would fill the history."""
    ledger = FakeLedger()
    operation_id = await ledger.running()
    for step in range(20):
        await ledger.report(operation_id, ReportKind.PROGRESS, progress=Progress(step / 20, f"step {step}"))
    assert stated(ledger.row(operation_id).progress) == (0.95, "step 19")
    assert len(ledger.history(operation_id)) == 2
