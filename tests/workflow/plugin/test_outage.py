"""Reports over HTTP while the ledger hangs: in the background, with one pause for all calls of a plugin."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest
from temporalio.client import Client
from temporalio.testing import ActivityEnvironment

from opledger import (
    LedgerUnavailable,
    OpledgerPlugin,
    ReportedProgress,
    ReportedStep,
    StatusUpdate,
    StepState,
    UpdateKind,
)
from opledger._address import LedgerAddress
from opledger._http import background_reports, http_ledger, outage
from opledger._http.background_reports import BackgroundReports
from opledger._http.http_ledger import HttpLedger
from opledger._http.outage import Outage
from opledger._plugin.activity_progress import ActivityProgress
from opledger._plugin.caller import Caller
from tests.support.eventually import eventually
from tests.workflow.ledger import RecordingLedger
from tests.workflow.plugin import plain
from tests.workflow.plugin.ledger_api import KEY, LedgerApi, ledger_api, problem
from tests.workflow.plugin.plugged import adopted, team

STARTED = StatusUpdate("0192f3a4-5b6c-7d8e-9f00-112233445566", UpdateKind.STARTED, "2026-01-01T10:00:00+00:00")
OTHER = replace(STARTED, operation_id="0192f3a4-5b6c-7d8e-9f00-112233445577")
HOUR = 3600
"""Seconds: a test that waits for it fails."""


@pytest.fixture
async def api() -> AsyncIterator[LedgerApi]:
    """A ledger that hangs until the test lets it answer."""
    async with ledger_api() as serving:
        serving.hanging = asyncio.Event()
        yield serving
        serving.hanging.set()


@pytest.fixture
def ledger_of(api: LedgerApi) -> HttpLedger:
    """The client of the ledger."""
    return HttpLedger(LedgerAddress(api.url, KEY))


@pytest.fixture
async def reports(ledger_of: HttpLedger) -> AsyncIterator[BackgroundReports]:
    """Reports that have all the time."""
    background = BackgroundReports(ledger_of, HOUR)
    async with background.open():
        yield background


def progress(fraction: float) -> StatusUpdate:
    """A progress report."""
    at = STARTED.occurred_at
    step = ReportedStep(f"step {fraction}", StepState.RUNNING, at, at)
    return replace(STARTED, kind=UpdateKind.PROGRESS, progress=ReportedProgress(fraction, steps=[step]))


async def fails(api: LedgerApi, known: Outage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits until a request has taken too long. Answers from now on are in time."""
    await eventually(lambda: api.requests and known.is_on)
    monkeypatch.setattr(outage, "HOLD", HOUR)


def logged(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What opledger has logged. A worker of the session logs as well, also about workflows of other tests."""
    return [record.getMessage() for record in caplog.records if record.name.startswith("opledger")]


def answers(api: LedgerApi) -> None:
    """Lets the ledger answer."""
    assert api.hanging is not None
    api.hanging.set()


async def test_first_report_without_an_answer_ends_the_waiting_of_all(
    api: LedgerApi, ledger_of: HttpLedger, reports: BackgroundReports, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is lost, and calls wait again after the first answer."""
    monkeypatch.setattr(outage, "HOLD", 0.01)
    await reports.send(STARTED, hold=0.01)
    await fails(api, ledger_of.outage, monkeypatch)
    for fraction in (0.1, 0.2, 0.3):
        await reports.send(progress(fraction), hold=HOUR)
    await reports.send(OTHER, hold=HOUR)
    answers(api)
    await eventually(lambda: api.kinds(STARTED.operation_id) == [UpdateKind.STARTED, UpdateKind.PROGRESS])
    await eventually(lambda: api.kinds(OTHER.operation_id) == [UpdateKind.STARTED])
    assert api.fractions(STARTED.operation_id) == [0.3]
    steps = api.reports(STARTED.operation_id)[-1]["progress"]["steps"]
    assert [step["name"] for step in steps] == ["step 0.1", "step 0.2", "step 0.3"]
    assert not ledger_of.outage.is_on
    await reports.send(progress(0.4), hold=HOUR)
    assert api.fractions(STARTED.operation_id) == [0.3, 0.4]


async def test_late_answer_ends_no_outage(
    api: LedgerApi, ledger_of: HttpLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A ledger that always answers late would otherwise hold every report of a workflow."""
    monkeypatch.setattr(http_ledger, "_ATTEMPT_TIMEOUT", HOUR)
    monkeypatch.setattr(outage, "HOLD", 0.01)
    reporting = asyncio.create_task(ledger_of.report(STARTED, within=HOUR))
    await eventually(lambda: ledger_of.outage.is_on)
    answers(api)
    await reporting
    assert ledger_of.outage.is_on


async def test_refusing_ledger_holds_one_report_and_does_not_pause_starts(
    api: LedgerApi, ledger_of: HttpLedger, reports: BackgroundReports
) -> None:
    """An answer shows that the ledger can be reached, and starts have an endpoint of their own."""
    api.behave = lambda request: problem(503, "later", **{"Retry-After": "3"})
    answers(api)
    await reports.send(STARTED, hold=0.01)
    await reports.send(progress(0.1), hold=HOUR)
    await eventually(lambda: api.requests)
    with pytest.raises(LedgerUnavailable, match="503"):
        await ledger_of.report(OTHER, within=2.5)
    assert not ledger_of.outage.is_on


async def test_reports_that_wait_for_a_retry_take_no_slot(
    api: LedgerApi, ledger_of: HttpLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other operations are delivered meanwhile."""
    monkeypatch.setattr(background_reports, "CONCURRENCY", 1)
    api.behave = lambda request: (
        problem(503, "later", **{"Retry-After": "1800"})
        if request.body["operation_id"] == STARTED.operation_id
        else None
    )
    answers(api)
    reports = BackgroundReports(ledger_of, HOUR)
    async with reports.open():
        await reports.send(STARTED, hold=0)
        await reports.send(OTHER, hold=0)
        await eventually(lambda: api.kinds(OTHER.operation_id) == [UpdateKind.STARTED])


async def test_every_report_is_resolved_at_the_end(
    api: LedgerApi, ledger_of: HttpLedger, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Those at the gate and those whose delivery has not begun are lost too, and logged."""
    monkeypatch.setattr(background_reports, "CONCURRENCY", 1)
    monkeypatch.setattr(background_reports, "FINAL_TIMEOUT", 0)
    third = replace(STARTED, operation_id="0192f3a4-5b6c-7d8e-9f00-112233445588")
    reports = BackgroundReports(ledger_of, HOUR)
    async with asyncio.TaskGroup() as waiting, reports.open():
        waiting.create_task(reports.send(STARTED, hold=HOUR))
        waiting.create_task(reports.send(OTHER, hold=HOUR))
        await eventually(lambda: api.requests)
        waiting.create_task(reports.send(progress(0.1), hold=HOUR))
        waiting.create_task(reports.send(third, hold=HOUR))
        await asyncio.sleep(0)
        ledger_of.outage.begin()
    lost = [line for line in logged(caplog) if "the worker has ended" in line]
    assert len(lost) == 4


async def test_cancelled_end_ends_the_deliveries(ledger_of: HttpLedger, monkeypatch: pytest.MonkeyPatch) -> None:
    """No task lives on."""
    monkeypatch.setattr(background_reports, "FINAL_TIMEOUT", HOUR)
    reports = BackgroundReports(ledger_of, HOUR)
    before = asyncio.all_tasks()
    opened = asyncio.Event()

    async def work() -> None:
        async with reports.open():
            await reports.send(STARTED, hold=0)
            opened.set()

    working = asyncio.create_task(work())
    await opened.wait()
    await asyncio.sleep(0)
    working.cancel()
    with pytest.raises(asyncio.CancelledError):
        await working
    assert asyncio.all_tasks() <= before


async def test_too_many_reports_are_logged(
    api: LedgerApi, reports: BackgroundReports, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The memory is bounded. Further reports of an operation that waits are taken."""
    monkeypatch.setattr(background_reports, "MAX_WAITING", 1)
    await reports.send(STARTED, hold=0)
    await reports.send(OTHER, hold=HOUR)
    await reports.send(progress(0.1), hold=HOUR)
    assert [f"Operation {OTHER.operation_id}: the report 'started'" in line for line in logged(caplog)] == [True]
    answers(api)
    await eventually(lambda: api.fractions(STARTED.operation_id) == [0.1])


async def test_report_is_lost_after_its_timeout(
    api: LedgerApi, ledger_of: HttpLedger, caplog: pytest.LogCaptureFixture
) -> None:
    """With one log line that names the operation."""
    api.behave = lambda request: problem(503, "down")
    answers(api)
    reports = BackgroundReports(ledger_of, 0.1)
    async with reports.open():
        await reports.send(STARTED, hold=HOUR)
    [line] = logged(caplog)
    assert f"Operation {STARTED.operation_id}: the report 'started' did not reach the ledger" in line


async def test_end_of_the_worker_does_not_wait_for_a_ledger_that_hangs(
    ledger_of: HttpLedger, caplog: pytest.LogCaptureFixture
) -> None:
    """What is lost is logged."""
    reports = BackgroundReports(ledger_of, HOUR)
    async with reports.open():
        await reports.send(STARTED, hold=0.01)
    assert ["the worker has ended" in line for line in logged(caplog)] == [True]


async def test_end_of_the_worker_waits_for_a_ledger_that_answers(
    api: LedgerApi, ledger_of: HttpLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A short run delivers its reports."""
    monkeypatch.setattr(background_reports, "FINAL_TIMEOUT", HOUR)
    answers(api)
    reports = BackgroundReports(ledger_of, HOUR)
    async with reports.open():
        waiting = asyncio.create_task(reports.send(STARTED, hold=HOUR))
        await asyncio.sleep(0)
        waiting.cancel()
    assert api.kinds(STARTED.operation_id) == [UpdateKind.STARTED]


async def test_hanging_ledger_holds_no_workflow(
    temporal_client: Client, ledger: RecordingLedger, api: LedgerApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    """P7: whatever the report timeout is. The reports arrive later, also after the end of the workflow."""
    monkeypatch.setattr(http_ledger, "_ATTEMPT_TIMEOUT", HOUR)
    monkeypatch.setattr(outage, "HOLD", 0.01)
    plugin = OpledgerPlugin(url=api.url, api_key=KEY, report_timeout=timedelta(hours=1))
    async with team(temporal_client, "http", api, ledger, plugin) as running:
        handle = await running.start(plain.Greets.run, "you")
        assert await handle.result() == "hello you"
        answers(api)
        await eventually(lambda: api.kinds(adopted(handle)) == [UpdateKind.STARTED, UpdateKind.PROGRESS])


async def test_starts_and_reports_share_the_pause(
    temporal_client: Client, ledger: RecordingLedger, api: LedgerApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a failed report, the plugin's client does not ask either. The first answer ends the pause."""
    monkeypatch.setattr(http_ledger, "_ATTEMPT_TIMEOUT", HOUR)
    monkeypatch.setattr(outage, "HOLD", 0.01)
    monkeypatch.setattr(outage, "PAUSE", HOUR)
    plugin = OpledgerPlugin(url=api.url, api_key=KEY, report_timeout=timedelta(hours=1))
    config = temporal_client.config()
    config["plugins"] = [plugin]
    client = Client(**config)
    async with team(temporal_client, "http", api, ledger, plugin) as running:
        handle = await running.start(plain.Greets.run, "you")
        assert await handle.result() == "hello you"
        await eventually(lambda: api.requests)
        second = await client.start_workflow("Greets", "you", id=f"order-{uuid4()}", task_queue=running.queue)
        assert await second.result() == "hello you"
        assert {one.path for one in api.requests} == {"/v1/reports"}
        monkeypatch.setattr(outage, "HOLD", HOUR)
        answers(api)
        await eventually(lambda: api.kinds(adopted(handle)) == [UpdateKind.STARTED, UpdateKind.PROGRESS])
        await client.start_workflow("Greets", "you", id=f"order-{uuid4()}", task_queue="nobody")
        assert len(api.recorded()) == 1


async def test_progress_of_activity_and_workflow_arrives_in_order(
    api: LedgerApi, ledger_of: HttpLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also while an older report waits for its retry. The activity waits as short as the workflow."""
    monkeypatch.setattr(outage, "HOLD", 0.01)
    caller = Caller(STARTED.operation_id, "run", "queue", "2026-01-01T10:00:00+00:00", 1)
    reports = BackgroundReports(ledger_of, HOUR)
    async with reports.open():
        await reports.send(progress(0.1), hold=0)
        await eventually(lambda: api.requests)
        await ActivityEnvironment().run(ActivityProgress(reports, caller).report, ReportedProgress(0.4))
        await ActivityEnvironment().run(ActivityProgress(reports, caller).report, ReportedProgress(0.5))
        answers(api)
        await eventually(lambda: api.fractions(STARTED.operation_id) == [0.1, 0.5])


def test_one_caller_waits_after_the_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """The others go on without the ledger until it has answered. Failures do not extend the pause."""
    monkeypatch.setattr(outage, "PAUSE", 0)
    known = Outage()
    assert known.may_wait()
    known.begin()
    monkeypatch.setattr(outage, "PAUSE", HOUR)
    known.begin()
    assert [known.may_wait(), known.may_wait()] == [True, False]
    known.end()
    assert [known.may_wait(), known.may_wait()] == [True, True]
    known.begin()
    assert not known.may_wait()
