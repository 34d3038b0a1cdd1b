"""The plugin can be added, changed and taken away while workflows run."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from temporalio import workflow
from temporalio.client import Client, WorkflowHistory
from temporalio.worker import PatchActivationInput

from opledger import LEDGER_TASK_QUEUE, OpledgerPlugin, UpdateKind
from tests.support.eventually import eventually
from tests.workflow.ledger import RecordingLedger
from tests.workflow.plugin import plain
from tests.workflow.plugin.ledger_api import LedgerApi, ledger_api
from tests.workflow.plugin.plain import PLAIN
from tests.workflow.plugin.plugged import NO_PLUGIN, TRANSPORTS, adopted, plugin_for, team
from tests.workflow.plugin.record_histories import PLUGIN_HISTORIES, SCENARIOS
from tests.workflow.replay.record_histories import IDENTITY, RECORDED
from tests.workflow.replay.replaying import replay
from tests.workflow.replay.test_replay import FILES
from tests.workflow.replay.test_replay import history as decorated_history

HISTORIES = sorted(PLUGIN_HISTORIES.glob("*.json"))
TRACKED = [path for path in HISTORIES if not path.stem.startswith(NO_PLUGIN)]
UNTRACKED = [path for path in HISTORIES if path.stem.startswith(NO_PLUGIN)]
URL = "http://127.0.0.1:1"


def history(path: Path) -> WorkflowHistory:
    """A recorded history."""
    return WorkflowHistory.from_json(f"order-{path.stem}", path.read_text())


def workflows(recorded: WorkflowHistory, known: list[type]) -> list[type]:
    """The workflow of the history."""
    name = recorded.events[0].workflow_execution_started_event_attributes.workflow_type.name
    return [candidate for candidate in known if candidate.__name__ == name]


def test_every_scenario_is_recorded() -> None:
    """A missing history would not be replayed."""
    assert {path.stem for path in HISTORIES} == {
        f"{transport}-{name}" for name in SCENARIOS for transport in [NO_PLUGIN, *TRANSPORTS]
    }


@pytest.mark.parametrize("url", [None, URL])
@pytest.mark.parametrize("path", UNTRACKED, ids=lambda path: path.stem)
async def test_run_without_the_plugin_replays_with_it(path: Path, url: str | None) -> None:
    """The plugin can be added while workflows are open."""
    recorded = history(path)
    await replay(recorded, workflows(recorded, PLAIN), OpledgerPlugin(url=url))


@pytest.mark.parametrize(("url", "include"), [(None, None), (URL, [])])
@pytest.mark.parametrize("path", TRACKED, ids=lambda path: path.stem)
async def test_tracked_run_replays_after_a_change_of_the_plugin(
    path: Path, url: str | None, include: list[str] | None
) -> None:
    """A URL can be added or removed, and a type excluded: the run keeps what its history says. Only the ledger's task
    queue cannot change for a run that uses it, as with the decorator."""
    recorded = history(path)
    queue = "own-ledger" if path.stem.startswith("local") else LEDGER_TASK_QUEUE
    plugin = OpledgerPlugin(url=url, include=include, ledger_task_queue=queue)
    await replay(recorded, workflows(recorded, PLAIN), plugin)


@pytest.mark.parametrize("path", TRACKED[::6], ids=lambda path: path.stem)
async def test_tracked_run_does_not_replay_without_the_plugin(path: Path) -> None:
    """Temporal does not allow it. The documentation says how to take the plugin away."""
    recorded = history(path)
    with pytest.raises(workflow.NondeterminismError):
        await replay(recorded, workflows(recorded, PLAIN))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
async def test_decorated_run_replays_with_the_plugin(path: Path) -> None:
    """Its reports stay the decorator's."""
    recorded = decorated_history(path)
    await replay(recorded, workflows(recorded, [*RECORDED]), OpledgerPlugin(url=URL))


@pytest.mark.parametrize("path", HISTORIES, ids=lambda path: path.stem)
def test_recorded_history_names_no_machine(path: Path) -> None:
    """A recorded history contains no paths or process ids of the machine on which it was recorded."""
    text = path.read_text()
    assert not re.search(r'"/|/work|/home|/root|site-packages/', text)
    assert set(re.findall(r'"identity": "([^"]*)"', text)) <= {IDENTITY, "history-service"}


@pytest.fixture
async def api() -> AsyncIterator[LedgerApi]:
    """The ledger's API."""
    async with ledger_api() as serving:
        yield serving


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_open_run_stays_untracked_until_it_continues_as_new(
    temporal_client: Client, ledger: RecordingLedger, api: LedgerApi, transport: str
) -> None:
    """The next run of the chain is tracked, under the id of the chain."""
    queue = "own-ledger" if transport == "local" else f"added-{transport}"
    async with team(temporal_client, NO_PLUGIN, api, ledger, queue=queue) as before:
        handle = await before.start(plain.ContinuesOnSignal.run, 1)
        collecting = await before.start(plain.Collects.run)
        await collecting.execute_update(plain.Collects.ask, "one")
    async with team(temporal_client, transport, api, ledger, queue=queue) as after:
        await collecting.execute_update(plain.Collects.ask, "two")
        await collecting.signal("tell", "bye")
        assert set(await collecting.result()) == {"run", "one", "two", "bye"}
        assert after.kinds(adopted(collecting)) == []
        await handle.signal("go_on")
        await eventually(lambda: after.kinds(adopted(handle)) == [UpdateKind.STARTED])
        await handle.signal("go_on")
        assert await handle.result() == 0


async def test_run_keeps_its_transport_on_a_worker_with_another(
    temporal_client: Client, ledger: RecordingLedger, api: LedgerApi
) -> None:
    """A run that began without a URL reports by the ledger's task queue, and the other way round."""
    async with team(temporal_client, "remote", api, ledger) as before:
        by_queue = await before.start(plain.Collects.run)
        await eventually(lambda: before.kinds(adopted(by_queue)) == [UpdateKind.STARTED])
    async with team(temporal_client, "http", api, ledger, queue=before.queue, max_cached_workflows=0) as after:
        await by_queue.execute_update(plain.Collects.ask, "half")
        await by_queue.signal("tell", "bye")
        await by_queue.result()
        assert UpdateKind.PROGRESS in before.kinds(adopted(by_queue))
        # Not at the same time: runs with local activities on a worker without a cache delay each other for 10 s.
        over_http = await after.start(plain.Collects.run)
        await over_http.execute_update(plain.Collects.ask, "half")
        await over_http.signal("tell", "bye")
        await over_http.result()
        assert UpdateKind.PROGRESS in after.kinds(adopted(over_http))
    assert api.kinds(adopted(by_queue)) == []


async def test_run_goes_on_after_the_url_was_removed(
    temporal_client: Client, ledger: RecordingLedger, api: LedgerApi, caplog: pytest.LogCaptureFixture
) -> None:
    """Its reports are lost, and it replays: the worker still has the activity, also where it has no other."""
    async with team(temporal_client, "http", api, ledger) as before:
        handle = await before.start(plain.Collects.run)
        await eventually(lambda: before.kinds(adopted(handle)) == [UpdateKind.STARTED])
    async with team(temporal_client, "remote", api, ledger, queue=before.queue, activities=[], max_cached_workflows=0):
        await handle.execute_update(plain.Collects.ask, "half")
        await handle.signal("tell", "bye")
        assert set(await handle.result()) == {"run", "half", "bye"}
    assert "has no URL" in caplog.text
    history = [event async for event in handle.fetch_history_events()]
    assert not any(event.HasField("workflow_task_failed_event_attributes") for event in history)
    assert api.kinds(adopted(handle)) == [UpdateKind.STARTED]
    assert ledger.received(adopted(handle)) == []


async def test_fleet_can_begin_to_track_at_once(
    temporal_client: Client, ledger: RecordingLedger, api: LedgerApi
) -> None:
    """Temporal's own callback for patches decides about the plugin's too, during a rolling deployment."""
    asked: list[str] = []

    def not_yet(patch: PatchActivationInput) -> bool:
        asked.append(patch.patch_id)
        return False

    async with team(temporal_client, "http", api, ledger, patch_activation_callback=not_yet) as running:
        handle = await running.start(plain.Greets.run, "you")
        await handle.result()
    assert asked == ["opledger-plugin-http"]
    assert api.requests == []
    await replay(await handle.fetch_history(), [plain.Greets])


async def test_evicted_runs_report_once(temporal_client: Client, ledger: RecordingLedger, api: LedgerApi) -> None:
    """A worker without a cache replays each run in every task."""
    for transport in TRANSPORTS:
        async with team(
            temporal_client, transport, api, ledger, plugin_for(transport, api), max_cached_workflows=0
        ) as running:
            handle = await running.start(plain.Greets.run, "you")
            assert await handle.result() == "hello you"
            assert sorted(running.kinds(adopted(handle))) in (["progress"], ["progress", "started"])
            await replay(await handle.fetch_history(), [plain.Greets], plugin_for(transport, api))
