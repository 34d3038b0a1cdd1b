"""Record the histories that the replay test replays: `python -m tests.workflow.record_histories`.

Run it only to add a history, or on purpose after a change that may break running workflows: the point of the recorded
ones is that they stay as they are.
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

from opledger import LEDGER_TASK_QUEUE, UpdateKind
from tests.support.temporal_server import temporal_server
from tests.workflow import workflows
from tests.workflow.conftest import HEARTBEATS, REMOTE_QUEUE, Starter
from tests.workflow.ledger import RecordingLedger, eventually

HISTORIES = Path(__file__).parent / "histories"
IDENTITY = "recorder"

_TRACE = re.compile(r'File "[^"]*/([^"/]+)"')


async def cancel_once_started(handle: WorkflowHandle[Any, Any], ledger: RecordingLedger) -> None:
    """Cancel a workflow that has reported its start."""
    await eventually(lambda: UpdateKind.STARTED in ledger.kinds(handle.id))
    await handle.cancel()


async def hang(handle: WorkflowHandle[Any, Any], ledger: RecordingLedger) -> None:
    """Let the ledger hang for this operation."""
    ledger.hanging.add(handle.id)


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


def scrubbed(history: str) -> str:
    """The history without this machine in it: stack traces name files by their last part alone."""
    document = json.loads(history)

    def scrub(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: scrub(item) for key, item in value.items()}
        if isinstance(value, list):
            return [scrub(item) for item in value]
        return _TRACE.sub(r'File "\1"', value) if isinstance(value, str) else value

    return json.dumps(scrub(document), indent=1, sort_keys=True) + "\n"


async def record() -> None:
    """Run every scenario in the ledger's own worker and in another, and write each history to a file."""
    HISTORIES.mkdir(exist_ok=True)
    async with temporal_server() as address:
        client = await Client.connect(address, identity=IDENTITY)
        ledger = RecordingLedger()
        activities: list[Callable[..., Any]] = [*workflows.ACTIVITIES, ledger.update_operation_status]
        options: dict[str, Any] = {"workflows": workflows.WORKFLOWS, "max_heartbeat_throttle_interval": HEARTBEATS}
        async with (
            Worker(client, task_queue=LEDGER_TASK_QUEUE, activities=activities, **options),
            Worker(client, task_queue=REMOTE_QUEUE, activities=workflows.ACTIVITIES, **options),
        ):
            start = Starter(client)
            number = 0
            for queue, where in ((LEDGER_TASK_QUEUE, "local"), (REMOTE_QUEUE, "remote")):
                for name, (run, args, then) in SCENARIOS.items():
                    number += 1
                    operation_id = f"00000000-0000-7000-8000-{number:012d}"
                    handle = await start(run, *args, queue=queue, id=operation_id)
                    if then is not None:
                        await then(handle, ledger)
                    with contextlib.suppress(WorkflowFailureError):
                        await handle.result()
                    history = await handle.fetch_history()
                    (HISTORIES / f"{where}-{name}.json").write_text(scrubbed(history.to_json()))


if __name__ == "__main__":
    asyncio.run(record())
