"""Records the histories of the plugin's replay test: `python -m tests.workflow.plugin.record_histories`.

Run it only to add a history, or after a change that intentionally breaks running workflows. The existing histories
must stay as they are.
"""

import asyncio
from typing import Any

from temporalio.client import Client, WorkflowHandle
from temporalio.service import RPCError
from temporalio.worker import Worker

from opledger import LEDGER_TASK_QUEUE
from tests.support.eventually import eventually
from tests.support.temporal.server import temporal_server
from tests.workflow.ledger import RecordingLedger
from tests.workflow.plugin import plain
from tests.workflow.plugin.ledger_api import ledger_api
from tests.workflow.plugin.plugged import NO_PLUGIN, TRANSPORTS, Team, adopted, team
from tests.workflow.replay.record_histories import HISTORIES, IDENTITY, scrubbed

PLUGIN_HISTORIES = HISTORIES / "plugin"
SCENARIOS = ["greets", "collects", "parallel", "continues", "family", "counts"]


async def run(scenario: str, running: Team, workflow_id: str) -> WorkflowHandle[Any, Any]:
    """Runs the scenario to its end."""
    match scenario:
        case "greets":
            handle = await running.start(plain.Greets.run, "you", id=workflow_id)
        case "collects":
            handle = await running.start(
                plain.Collects.run, id=workflow_id, start_signal="tell", start_signal_args=["first"]
            )
            await handle.execute_update(plain.Collects.ask, "second")
            await handle.signal("tell", "bye")
        case "parallel":
            handle = await running.start(plain.StepsInParallel.run, id=workflow_id)
            if running.transport != NO_PLUGIN:
                await eventually(lambda: (1.0, None) in running.progress(adopted(handle)))
            await handle.signal("finish")
        case "continues":
            handle = await running.start(plain.Continues.run, 1, id=workflow_id)
        case "family":
            handle = await running.start(plain.Family.run, 1, id=workflow_id)
            child = running.client.get_workflow_handle(f"{workflow_id}-child")
            await eventually(lambda: exists(child))
            await child.signal("release")
        case _:
            handle = await running.start(plain.Counts.run, 3, id=workflow_id)
    await handle.result()
    return handle


async def exists(handle: WorkflowHandle[Any, Any]) -> bool:
    """Whether the workflow was started."""
    try:
        await handle.describe()
    except RPCError:
        return False
    return True


def ledger_worker(client: Client, ledger: RecordingLedger) -> Worker:
    """The ledger's worker."""
    return Worker(client, task_queue=LEDGER_TASK_QUEUE, activities=[ledger.update_operation_status])


async def record() -> None:
    """Runs the scenarios that have no history, by each transport and without the plugin, and writes the files."""
    PLUGIN_HISTORIES.mkdir(exist_ok=True, parents=True)
    async with temporal_server() as address, ledger_api() as api:
        client = await Client.connect(address, identity=IDENTITY)
        ledger = RecordingLedger()
        for transport in [NO_PLUGIN, *TRANSPORTS]:
            async with ledger_worker(client, ledger), team(client, transport, api, ledger) as running:
                for scenario in SCENARIOS:
                    path = PLUGIN_HISTORIES / f"{transport}-{scenario}.json"
                    if not path.exists():
                        handle = await run(scenario, running, f"order-{transport}-{scenario}")
                        history = await client.get_workflow_handle(
                            handle.id, run_id=handle.result_run_id
                        ).fetch_history()
                        path.write_text(scrubbed(history.to_json()))


if __name__ == "__main__":
    asyncio.run(record())
