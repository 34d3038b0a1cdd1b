"""Records the histories of the replay test: `python -m tests.workflow.replay.record_histories`.

Run it only to add a history, or after a change that intentionally breaks running workflows. The existing histories
must stay as they are.
"""

import asyncio
import contextlib
import json
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.worker import Worker

from opledger import LEDGER_TASK_QUEUE, OutcomeReports, UpdateKind
from tests.support.eventually import eventually
from tests.support.temporal.server import temporal_server
from tests.workflow import reporting, workflows
from tests.workflow.conftest import HEARTBEATS, REMOTE_QUEUE, Starter
from tests.workflow.ledger import RecordingLedger

HISTORIES = Path(__file__).parents[1] / "histories"
IDENTITY = "recorder"
RECORDED = [*workflows.WORKFLOWS, reporting.InParallel]

_TRACE = re.compile(r'File "[^"]*/([^"/]+)"')


async def cancel_once_started(handle: WorkflowHandle[Any, Any], ledger: RecordingLedger) -> None:
    """Cancels a workflow after its start report."""
    await eventually(lambda: UpdateKind.STARTED in ledger.kinds(handle.id))
    await handle.cancel()


async def hang(handle: WorkflowHandle[Any, Any], ledger: RecordingLedger) -> None:
    """Makes the ledger hang for this operation."""
    ledger.hanging.add(handle.id)


async def say_goodbye(handle: WorkflowHandle[Any, Any], ledger: RecordingLedger) -> None:
    """Ends a workflow that waits for the signal."""
    await handle.signal("tell", "bye")


async def finish_once_all_is_reported(handle: WorkflowHandle[Any, Any], ledger: RecordingLedger) -> None:
    """Ends a workflow after its newest progress has arrived."""
    await eventually(
        lambda: any(update.progress and update.progress.fraction == 1 for update in ledger.updates(handle.id))
    )
    await handle.signal("finish")


Then = Callable[[WorkflowHandle[Any, Any], RecordingLedger], Awaitable[None]]

SCENARIOS: dict[str, tuple[Any, list[Any], Then | None]] = {
    "completed-at-once": (workflows.Echo.run, [{"a": 0}], None),
    "completed": (workflows.Derived.run, ["you"], None),
    "failed-in-activity": (workflows.FailsInActivity.run, ["fail_deeply"], None),
    "progressed": (workflows.Progressing.run, [], None),
    "canceled-in-timer": (workflows.Sleeper.run, [], cancel_once_started),
    "canceled-in-activity": (workflows.InActivity.run, [], cancel_once_started),
    "canceled-and-tidied": (workflows.Tidy.run, [], cancel_once_started),
    "canceled-and-returned": (workflows.Stubborn.run, [], cancel_once_started),
    "ledger-hung": (workflows.Impatient.run, ["return"], hang),
    "ledger-unheard": (workflows.Unheard.run, [], None),
}
"""Scenarios that were recorded before starts had a memo."""

RULED: dict[str, tuple[Any, list[Any], OutcomeReports, Then | None]] = {
    "safe-completed": (workflows.EchoLater.run, [{"a": 0}], OutcomeReports.WHEN_SAFE, None),
    "safe-with-handlers": (workflows.Talkative.run, [], OutcomeReports.WHEN_SAFE, say_goodbye),
    "never-completed": (workflows.EchoLater.run, [{"a": 0}], OutcomeReports.NEVER, None),
    "never-failed": (workflows.FailsInActivity.run, ["fail_deeply"], OutcomeReports.NEVER, None),
    "always-with-handlers": (workflows.Talkative.run, [], OutcomeReports.ALWAYS, say_goodbye),
    "parallel-progress": (reporting.InParallel.run, [True], OutcomeReports.WHEN_SAFE, finish_once_all_is_reported),
}
"""Scenarios by the rule in the memo."""


def scrubbed(history: str) -> str:
    """Removes the machine from the history: stack traces keep only the names of files."""
    document = json.loads(history)

    def scrub(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: scrub(item) for key, item in value.items()}
        if isinstance(value, list):
            return [scrub(item) for item in value]
        return _TRACE.sub(r'File "\1"', value) if isinstance(value, str) else value

    return json.dumps(scrub(document), indent=1, sort_keys=True) + "\n"


async def record() -> None:
    """Runs the scenarios that have no history, in the ledger's worker and in a team's worker, and writes the files."""
    HISTORIES.mkdir(exist_ok=True)
    async with temporal_server() as address:
        client = await Client.connect(address, identity=IDENTITY)
        ledger = RecordingLedger()
        activities: list[Callable[..., Any]] = [*workflows.ACTIVITIES, ledger.update_operation_status]
        options: dict[str, Any] = {"workflows": RECORDED, "max_heartbeat_throttle_interval": HEARTBEATS}
        async with (
            Worker(client, task_queue=LEDGER_TASK_QUEUE, activities=activities, **options),
            Worker(client, task_queue=REMOTE_QUEUE, activities=workflows.ACTIVITIES, **options),
        ):
            start = Starter(client)
            number = 0
            every = {name: (run, args, None, then) for name, (run, args, then) in SCENARIOS.items()} | RULED
            for queue, where in ((LEDGER_TASK_QUEUE, "local"), (REMOTE_QUEUE, "remote")):
                for name, (run, args, rule, then) in every.items():
                    number += 1
                    path = HISTORIES / f"{where}-{name}.json"
                    if path.exists():
                        continue
                    operation_id = f"00000000-0000-7000-8000-{number:012d}"
                    handle = await start(run, *args, queue=queue, rule=rule, id=operation_id)
                    if then is not None:
                        await then(handle, ledger)
                    with contextlib.suppress(WorkflowFailureError):
                        await handle.result()
                    history = await handle.fetch_history()
                    path.write_text(scrubbed(history.to_json()))


if __name__ == "__main__":
    asyncio.run(record())
