"""Recorded histories replay with the current code, so that an upgrade of the SDK does not break open workflows."""

import re
from datetime import timedelta
from pathlib import Path

import pytest
from temporalio import workflow
from temporalio.client import WorkflowHistory

from opledger import track_operation_status
from tests.workflow.replay.record_histories import HISTORIES, IDENTITY, RECORDED, RULED, SCENARIOS
from tests.workflow.replay.replaying import replay

FILES = sorted(HISTORIES.glob("*.json"))


def history(path: Path) -> WorkflowHistory:
    """A recorded history. Its workflow id decides whether the workflow is tracked."""
    text = path.read_text()
    (workflow_id,) = set(re.findall(r'"workflowId": "([0-9a-f-]{36})"', text))
    return WorkflowHistory.from_json(workflow_id, text)


def test_every_scenario_is_recorded() -> None:
    """A missing history would not be replayed."""
    assert {path.stem for path in FILES} >= {
        f"{where}-{name}" for name in SCENARIOS | RULED for where in ("local", "remote")
    }


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
async def test_recorded_history_replays(path: Path) -> None:
    """The commands of the current code match the history."""
    recorded = history(path)
    name = recorded.events[0].workflow_execution_started_event_attributes.workflow_type.name
    await replay(recorded, [candidate for candidate in RECORDED if candidate.__name__ == name])


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_recorded_history_names_no_machine(path: Path) -> None:
    """A recorded history contains no paths or process ids of the machine on which it was recorded."""
    text = path.read_text()
    assert not re.search(r'"/|/work|/home|/root|site-packages/', text)
    assert set(re.findall(r'"identity": "([^"]*)"', text)) <= {IDENTITY, "history-service"}


@workflow.defn(name="Derived")
class Changed:
    """The recorded workflow with an incompatible change."""

    @workflow.run
    @track_operation_status
    async def run(self, name: str) -> str:
        """Waits for something else."""
        await workflow.sleep(1)
        return f"hello {name}!"


@workflow.defn(name="Derived")
class Untracked:
    """The recorded workflow without its decorator."""

    @workflow.run
    async def run(self, name: str) -> str:
        """Does the same, without reports."""
        await workflow.execute_activity("tidy_up", start_to_close_timeout=timedelta(seconds=30))
        return f"hello {name}!"


@pytest.mark.parametrize("where", ["local", "remote"])
@pytest.mark.parametrize("changed", [Changed, Untracked])
async def test_replay_notices_a_change(where: str, changed: type) -> None:
    """The replay test can fail: a changed workflow, or one without its decorator, does not match its history."""
    with pytest.raises(workflow.NondeterminismError):
        await replay(history(HISTORIES / f"{where}-completed.json"), [changed])
