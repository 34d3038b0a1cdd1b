"""Reports of the plugin over HTTP: a ledger that refuses, fails, hangs or recovers never affects the workflow."""

import asyncio
import logging
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from temporalio.client import Client, WorkflowFailureError
from temporalio.exceptions import ActivityError, ApplicationError
from temporalio.plugin import SimplePlugin
from temporalio.worker import Worker

from opledger import OpledgerPlugin, UpdateKind
from opledger._http import outage
from opledger._plugin import activity_progress
from tests.support.eventually import eventually
from tests.support.ports import free_port
from tests.support.temporal.activities import tidy_up
from tests.workflow.ledger import RecordingLedger
from tests.workflow.plugin import plain
from tests.workflow.plugin.ledger_api import KEY, LedgerApi, ledger_api, problem
from tests.workflow.plugin.plugged import adopted, plugin_for, team

STARTED, PROGRESS = UpdateKind.STARTED, UpdateKind.PROGRESS
GENEROUS = 60
"""Timeout in seconds, for a busy machine."""
BRIEF = timedelta(seconds=3)


@pytest.fixture
async def api() -> AsyncIterator[LedgerApi]:
    """The ledger's API."""
    async with ledger_api() as serving:
        yield serving


def problems(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Warnings and errors that opledger logged, also through the workflow's logger; not those of the workers."""
    return [record.getMessage() for record in _problems(caplog)]


def only(caplog: pytest.LogCaptureFixture, words: str) -> str:
    """The only one of them with these words. On a busy machine a local activity may time out, which is a line of its
    own."""
    [message] = [line for line in problems(caplog) if words in line]
    return message


def _problems(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    records = (record for record in caplog.records if record.name.startswith(("opledger", "temporalio.workflow")))
    return [record for record in records if record.levelno >= logging.WARNING]


async def test_reports_carry_the_key(temporal_client: Client, ledger: RecordingLedger, api: LedgerApi) -> None:
    """As a bearer token."""
    async with team(temporal_client, "http", api, ledger) as running:
        await (await running.start(plain.Greets.run, "you")).result()
    assert {one.headers["authorization"] for one in api.requests} == {f"Bearer {KEY}"}


@pytest.mark.parametrize("source", ["OPLEDGER_API_KEY", "OPLEDGER_API_KEY_FILE"])
async def test_address_comes_from_the_environment(
    temporal_client: Client,
    ledger: RecordingLedger,
    api: LedgerApi,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    source: str,
) -> None:
    """`OpledgerPlugin()` in the code is enough."""
    (tmp_path / "key").write_text(f"{KEY}\n")
    monkeypatch.setenv("OPLEDGER_URL", f"{api.url}/")
    monkeypatch.setenv(source, KEY if source == "OPLEDGER_API_KEY" else str(tmp_path / "key"))
    async with team(temporal_client, "http", api, ledger, OpledgerPlugin()) as running:
        handle = await running.start(plain.Greets.run, "you")
        await handle.result()
    assert api.kinds(adopted(handle)) == [STARTED, PROGRESS]


async def test_refused_key_is_logged_once(
    temporal_client: Client, ledger: RecordingLedger, api: LedgerApi, caplog: pytest.LogCaptureFixture
) -> None:
    """For the process, with what to do. The workflows run normally, and the key is in no log line."""
    plugin = OpledgerPlugin(url=api.url, api_key="a-wrong-key")
    with caplog.at_level(logging.WARNING):
        async with team(temporal_client, "http", api, ledger, plugin) as running:
            for _ in range(3):
                assert await (await running.start(plain.Greets.run, "you")).result() == "hello you"
    assert len(api.requests) >= 3
    message = only(caplog, "refuses the plugin's API key")
    assert "(401: the API key is not valid)" in message
    assert "OPLEDGER_API_KEY_FILE" in message
    assert "a-wrong-key" not in caplog.text


@pytest.mark.parametrize("status", [429, 503])
async def test_unavailable_ledger_gets_the_report_later(
    temporal_client: Client, ledger: RecordingLedger, api: LedgerApi, status: int
) -> None:
    """The report is repeated within its timeout."""
    refusals = iter([problem(status, "later", **{"Retry-After": "0.2"})] * 2)
    api.behave = lambda request: next(refusals, None)
    async with team(temporal_client, "http", api, ledger) as running:
        handle = await running.start(plain.StepsInParallel.run)
        await eventually(lambda: 1.0 in api.fractions(adopted(handle)))
        assert api.kinds(adopted(handle))[0] == STARTED
        await handle.signal("finish")
        await handle.result()


@pytest.mark.parametrize("status", [400, 404, 409, 422])
async def test_refused_report_is_not_repeated(
    temporal_client: Client, ledger: RecordingLedger, api: LedgerApi, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    """It is logged once, with the ledger's reason."""
    api.behave = lambda request: problem(status, "no such operation") if request.body["kind"] == STARTED else None
    with caplog.at_level(logging.WARNING):
        async with team(temporal_client, "http", api, ledger) as running:
            handle = await running.start(plain.Collects.run)
            await handle.execute_update(plain.Collects.ask, "half")
            await eventually(lambda: api.kinds(adopted(handle)) == [PROGRESS])
            await handle.signal("tell", "bye")
            assert set(await handle.result()) == {"run", "half", "bye"}
    assert [one.body["kind"] for one in api.requests][:2] == [STARTED, PROGRESS]
    assert only(caplog, f"{status}: no such operation")


@pytest.mark.parametrize("down", ["hangs", "fails", "is absent"])
async def test_workflow_runs_as_without_the_ledger(
    temporal_client: Client, ledger: RecordingLedger, api: LedgerApi, down: str
) -> None:
    """With the same result, the same failure and no failed workflow task; reports end within their timeout."""
    url = api.url
    if down == "hangs":
        api.hanging = asyncio.Event()
    elif down == "fails":
        api.behave = lambda request: problem(503, "down")
    else:
        url = f"http://127.0.0.1:{free_port()}"
    plugin = OpledgerPlugin(url=url, api_key=KEY, report_timeout=BRIEF)
    async with team(temporal_client, "http", api, ledger, plugin, workflows=[plain.Greets, plain.Fails]) as running:
        async with asyncio.timeout(GENEROUS):
            greeting = await running.start(plain.Greets.run, "you")
            assert await greeting.result() == "hello you"
            failing = await running.start(plain.Fails.run)
            with pytest.raises(WorkflowFailureError) as failure:
                await failing.result()
    assert isinstance(failure.value.cause, ApplicationError)
    assert failure.value.cause.message == "its own failure"
    history = [event async for event in greeting.fetch_history_events()]
    assert not any(event.HasField("workflow_task_failed_event_attributes") for event in history)
    assert not any(event.HasField("workflow_task_timed_out_event_attributes") for event in history)
    if api.hanging is not None:
        api.hanging.set()


async def test_lost_report_is_logged(
    temporal_client: Client, ledger: RecordingLedger, api: LedgerApi, caplog: pytest.LogCaptureFixture
) -> None:
    """One line without a stack trace for each report, which names the operation and the reason. On a busy machine the
    local activity may time out as well, which is a line of its own."""

    def lost() -> list[str]:
        return [line for line in problems(caplog) if "status 503" in line]

    api.behave = lambda request: problem(503, "down")
    plugin = plugin_for("http", api, report_timeout=timedelta(seconds=5))
    with caplog.at_level(logging.WARNING):
        async with team(temporal_client, "http", api, ledger, plugin) as running:
            handle = await running.start(plain.Collects.run)
            await handle.execute_update(plain.Collects.ask, "half")
            await eventually(lambda: len(lost()) == 2)
            reported = lost()
            await handle.signal("tell", "bye")
            await handle.result()
    assert all(adopted(handle) in line for line in reported)
    assert all(record.exc_info is None for record in _problems(caplog))


async def test_activity_reports_progress(temporal_client: Client, ledger: RecordingLedger, api: LedgerApi) -> None:
    """For the operation of its workflow, with the newest of parallel values last."""
    async with team(temporal_client, "http", api, ledger) as running:
        handle = await running.start(plain.Counts.run, 5)
        assert await handle.result() == 5
    fractions = api.fractions(adopted(handle))
    assert fractions[:4] == [0.2, 0.4, 0.6, 0.8]
    assert fractions[-1] == 1.0
    assert len(fractions) < 4 + 6
    last = api.reports(adopted(handle))[-1]
    assert last["execution"]["workflow_id"] == handle.id
    assert last["execution"]["first_run_id"] == handle.first_execution_run_id
    assert last["execution"]["task_queue"] == running.queue
    assert last["attempt"] == 1


async def test_activity_of_an_untracked_workflow_reports_nothing(
    temporal_client: Client, ledger: RecordingLedger, api: LedgerApi, caplog: pytest.LogCaptureFixture
) -> None:
    """Its type is excluded on purpose, so nothing is logged either."""
    plugin = plugin_for("http", api, exclude=["Counts"])
    with caplog.at_level(logging.WARNING):
        async with team(temporal_client, "http", api, ledger, plugin) as running:
            assert await (await running.start(plain.Counts.run, 3)).result() == 3
    assert api.requests == []
    assert problems(caplog) == []


async def test_child_of_an_untracked_workflow_names_no_operation(
    temporal_client: Client, ledger: RecordingLedger, api: LedgerApi
) -> None:
    """The ledger adopts parents that children name: an excluded one would become an operation."""
    plugin = plugin_for("http", api, exclude=["ParentOfOneThatContinues"])
    async with team(temporal_client, "http", api, ledger, plugin) as running:
        handle = await running.start(plain.ParentOfOneThatContinues.run)
        await eventually(lambda: api.accepted)
        await handle.terminate()
    parent = {"workflow_id": handle.id, "first_run_id": None, "operation_id": None}
    assert api.accepted[0].body["execution"]["parent"] == parent


@pytest.mark.parametrize("plugged", [False, True])
async def test_activity_without_a_url_logs_once_that_it_reports_nothing(
    temporal_client: Client,
    ledger: RecordingLedger,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    plugged: bool,
) -> None:
    """With the plugin but without a URL, and without the plugin."""
    monkeypatch.setattr(activity_progress, "_warned", set())
    queue = f"team-{uuid4()}"
    plugins = [OpledgerPlugin()] if plugged else []
    with caplog.at_level(logging.WARNING):
        async with Worker(
            temporal_client, task_queue=queue, workflows=[plain.Counts], activities=[plain.count_to], plugins=plugins
        ):
            for number in (2, 3):
                done = temporal_client.execute_workflow(
                    plain.Counts.run, number, id=f"order-{uuid4()}", task_queue=queue
                )
                assert await done == number
    assert "OpledgerPlugin(url=...)" in only(caplog, "'count_to'")


async def test_activity_goes_on_without_the_ledger(
    temporal_client: Client, ledger: RecordingLedger, api: LedgerApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lost report neither fails nor blocks the activity."""
    monkeypatch.setattr(outage, "HOLD", 0.2)
    api.behave = lambda request: problem(503, "down") if request.body["kind"] == PROGRESS else None
    async with team(temporal_client, "http", api, ledger) as running, asyncio.timeout(GENEROUS):
        assert await (await running.start(plain.Counts.run, 3)).result() == 3


async def test_worker_without_activities_takes_none(
    temporal_client: Client, ledger: RecordingLedger, api: LedgerApi
) -> None:
    """The plugin's own activity is local. Another worker of the task queue has the team's activities, and gets all."""
    plugin = plugin_for("http", api)
    async with (
        team(temporal_client, "http", api, ledger, plugin, activities=[], queue="divided") as running,
        Worker(temporal_client, task_queue="divided", activities=[tidy_up]),
    ):
        for _ in range(10):
            assert await (await running.start(plain.Greets.run, "you")).result() == "hello you"
    assert [one.body["kind"] for one in api.accepted].count(STARTED) == 10


async def test_report_activity_is_only_local(temporal_client: Client, ledger: RecordingLedger, api: LedgerApi) -> None:
    """Otherwise every workflow of the namespace could report with the worker's key."""
    async with team(temporal_client, "http", api, ledger, workflows=[plain.Misuses]) as running:
        handle = await running.start(plain.Misuses.run)
        with pytest.raises(WorkflowFailureError) as failure:
            await handle.result()
    assert isinstance(failure.value.cause, ActivityError)
    assert "local activity only" in str(failure.value.cause.cause)
    assert [one for one in api.requests if one.body["operation_id"] == "00000000-0000-4000-8000-000000000000"] == []


async def test_later_plugin_with_activities_is_refused(temporal_client: Client, api: LedgerApi) -> None:
    """The worker would not poll for them. The error says what to do, when the worker starts."""
    plugins = [plugin_for("http", api), SimplePlugin("another", activities=[tidy_up])]
    worker = Worker(temporal_client, task_queue="refused", workflows=[plain.Greets], plugins=plugins)
    with pytest.raises(RuntimeError, match="put OpledgerPlugin last"):
        await worker.run()
    fine = Worker(temporal_client, task_queue="fine", workflows=[plain.Greets], plugins=plugins[::-1])
    async with fine:
        pass
