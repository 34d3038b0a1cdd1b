"""ReceiveReport: a report counts only for the operation whose workflow chain sent it."""

import logging

import pytest

from application.ports.monitoring.metrics import ReportOutcome
from application.track import receive_report
from application.track.record import Recorded
from domain.evidence.finality import Finality
from domain.operation.chain import Run
from domain.operation.operation_error import ErrorCode, OperationError
from domain.operation.report import Progress, Report, ReportKind
from domain.operation.status import OperationStatus
from tests.support.ledger.faults import Crash
from tests.support.ledger.in_memory import DOWN, FakeLedger
from tests.support.operations import ID

KINDS = pytest.mark.parametrize("kind", ReportKind)


def report_of(ledger: FakeLedger, kind: ReportKind) -> Report:
    """Returns a report that would change a row."""
    error = OperationError(ErrorCode.WORKFLOW_FAILED, "as reported") if kind is ReportKind.FAILED else None
    progress = Progress(0.5) if kind is ReportKind.PROGRESS else None
    return Report(kind, ledger.clock.now(), result={"other": 1}, error=error, progress=progress)


@KINDS
@pytest.mark.parametrize("finality", Finality)
@pytest.mark.parametrize("sender", ["another workflow", "another chain", "an unknown run", "no workflow"])
async def test_a_foreign_report_changes_nothing(
    kind: ReportKind, finality: Finality, sender: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Hazard 32: it is rejected, counted, and logged with its sender."""
    ledger = FakeLedger(finality)
    operation_id, other = await ledger.running(), await ledger.running()
    before = ledger.row(operation_id), ledger.history(operation_id)
    if sender == "another chain":
        ledger.world.supersede(operation_id)
    runs = {
        "another workflow": ledger.run_of(other),
        "another chain": ledger.run_of(operation_id),
        "an unknown run": Run(str(operation_id), "unknown"),
        "no workflow": Run("", ""),
    }
    recorded = await ledger.reports.receive(operation_id, report_of(ledger, kind), runs[sender])
    assert recorded is Recorded.FOREIGN
    assert (ledger.row(operation_id), ledger.history(operation_id)) == before
    assert ledger.metrics.reports[ReportOutcome.FOREIGN] == 1
    assert f"report {kind} for operation {operation_id} rejected: workflow '{runs[sender].workflow_id}'" in caplog.text


@pytest.mark.parametrize(("sender", "status"), [("its own", "COMPLETED"), ("another", "FAILED")])
async def test_only_a_report_of_its_own_outlives_the_execution(sender: str, status: str) -> None:
    """The execution is deleted after the report: a stored one gives the outcome, and a foreign one is not stored."""
    ledger = FakeLedger()
    operation_id, other = await ledger.running(), await ledger.running()
    run = ledger.run_of(operation_id if sender == "its own" else other)
    await ledger.reports.receive(operation_id, report_of(ledger, ReportKind.COMPLETED), run)
    ledger.world.delete(operation_id)
    for _ in range(3):
        ledger.pass_time(hours=1)
        await ledger.verify(10)
        await ledger.follow_up(10)
    assert ledger.status(operation_id) is OperationStatus(status)
    assert ledger.row(operation_id).result == ({"other": 1} if sender == "its own" else None)


@KINDS
async def test_a_report_before_any_start_is_foreign(kind: ReportKind) -> None:
    """A client starts an execution with the operation's workflow id and search attribute before the dispatcher."""
    ledger = FakeLedger(Finality.WORKFLOW)
    operation_id = await ledger.submit()
    ledger.world.start_from_outside(operation_id, tagged=True)
    assert await ledger.report(operation_id, kind) is Recorded.FOREIGN
    assert ledger.status(operation_id) is OperationStatus.ACCEPTED


@pytest.mark.parametrize("go_on", ["continue_as_new", "retry_attempt", "reset"])
async def test_every_run_of_the_chain_may_report(go_on: str) -> None:
    """The engine is asked once about each further run, never about the first."""
    ledger = FakeLedger()
    operation_id = await ledger.running()
    assert ledger.engine.calls["origin"] == []
    first = ledger.run_of(operation_id)
    getattr(ledger.world, go_on)(operation_id)
    for step in range(1, 4):
        recorded = await ledger.report(operation_id, ReportKind.PROGRESS, progress=Progress(step / 10))
        assert recorded is Recorded.RECORDED
    assert len(ledger.engine.calls["origin"]) == 1
    late = Report(ReportKind.PROGRESS, ledger.clock.now(), progress=Progress(0.9))
    assert await ledger.reports.receive(operation_id, late, first) is Recorded.RECORDED
    assert len(ledger.engine.calls["origin"]) == 1


async def test_a_report_before_the_stored_dispatch_gives_the_chain() -> None:
    """The dispatcher crashed after the start. The report is accepted, and the first run of its chain stored."""
    ledger = FakeLedger()
    operation_id = await ledger.submit()

    async def die() -> None:
        raise Crash

    ledger.engine.after[("start", operation_id)] = die
    with pytest.raises(Crash):
        await ledger.dispatch(1)
    assert ledger.row(operation_id).first_run_id is None
    run = ledger.run_of(operation_id)
    assert await ledger.report(operation_id, ReportKind.STARTED) is Recorded.RECORDED
    assert ledger.row(operation_id).first_run_id == run.run_id
    ledger.world.supersede(operation_id, tagged=True)
    assert await ledger.report(operation_id, ReportKind.COMPLETED) is Recorded.FOREIGN


async def test_a_report_of_a_replaced_chain_is_foreign() -> None:
    """The execution was lost and started again; reports of the new chain are accepted."""
    ledger = FakeLedger()
    operation_id = await ledger.dispatched()
    lost = ledger.run_of(operation_id)
    ledger.world.lose(operation_id)
    ledger.pass_time(seconds=31)
    await ledger.verify(1)
    assert ledger.row(operation_id).first_run_id is None
    await ledger.dispatch(1)
    assert ledger.row(operation_id).first_run_id == ledger.run_of(operation_id).run_id != lost.run_id
    report = report_of(ledger, ReportKind.STARTED)
    assert await ledger.reports.receive(operation_id, report, lost) is Recorded.FOREIGN
    assert await ledger.report(operation_id, ReportKind.STARTED) is Recorded.RECORDED


async def test_a_report_of_an_unknown_operation_is_counted_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Its row was deleted, or it belongs to another ledger."""
    ledger = FakeLedger()
    assert await ledger.report(ID, ReportKind.STARTED) is Recorded.UNKNOWN_OPERATION
    assert ledger.metrics.reports == {ReportOutcome.UNKNOWN_OPERATION: 1}
    [record] = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert record.getMessage() == (
        f"report STARTED for operation {ID} rejected: workflow '{ID}', run unknown names an unknown operation"
    )


async def test_an_outage_rejects_no_report() -> None:
    """The sender retries, and the report is accepted."""
    ledger = FakeLedger()
    operation_id = await ledger.running()
    ledger.world.continue_as_new(operation_id)
    ledger.world.go_down()
    with pytest.raises(type(DOWN)):
        await ledger.report(operation_id, ReportKind.COMPLETED)
    assert sum(ledger.metrics.reports.values()) == 1
    ledger.world.come_back()
    assert await ledger.report(operation_id, ReportKind.COMPLETED) is Recorded.RECORDED


async def test_known_runs_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The latest further runs are remembered; the engine is asked about others again."""
    monkeypatch.setattr(receive_report, "MAX_KNOWN_RUNS", 2)
    ledger = FakeLedger()
    ids = [await ledger.running() for _ in range(3)]
    for operation_id in ids:
        ledger.world.continue_as_new(operation_id)
    for number, operation_id in enumerate((*ids, ids[2], ids[0])):
        await ledger.report(operation_id, ReportKind.PROGRESS, progress=Progress(number / 10))
    assert len(ledger.engine.calls["origin"]) == 4
