"""A team's worker with the plugin, and the ledger that it reports to by either transport."""

import contextlib
import dataclasses
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from temporalio.client import Client, WorkflowHandle
from temporalio.worker import Worker

from opledger import OpledgerPlugin, adopted_operation_id
from tests.workflow.ledger import RecordingLedger
from tests.workflow.plugin.ledger_api import KEY, LedgerApi
from tests.workflow.plugin.plain import PLAIN, PLAIN_ACTIVITIES

TRANSPORTS = ["http", "local", "remote"]
NO_PLUGIN = "none"


@dataclass
class Team:
    """A team's client and its worker's task queue."""

    client: Client
    queue: str
    transport: str
    api: LedgerApi
    ledger: RecordingLedger

    async def start(self, run: Any, *args: Any, **options: Any) -> WorkflowHandle[Any, Any]:
        """Starts a workflow with an id of the team's own, as the team does without a ledger."""
        workflow_id = options.pop("id", None) or f"order-{uuid4()}"
        return await self.client.start_workflow(run, args=args, id=workflow_id, task_queue=self.queue, **options)

    def kinds(self, operation_id: str) -> list[str]:
        """Kinds of the operation's reports, in order."""
        if self.transport == "http":
            return self.api.kinds(operation_id)
        return [str(kind) for kind in self.ledger.kinds(operation_id)]

    def executions(self, operation_id: str) -> list[dict[str, Any] | None]:
        """The execution of each report, as JSON."""
        if self.transport == "http":
            return [report["execution"] for report in self.api.reports(operation_id)]
        return [None if one.execution is None else as_json(one.execution) for one in self.ledger.updates(operation_id)]

    def progress(self, operation_id: str) -> list[tuple[float | None, str | None]]:
        """Fraction and message of each progress report."""
        if self.transport == "http":
            reported = [one["progress"] for one in self.api.reports(operation_id) if one.get("progress")]
            return [(one["fraction"], one["message"]) for one in reported]
        updates = [one.progress for one in self.ledger.updates(operation_id) if one.progress is not None]
        return [(one.fraction, one.message) for one in updates]


def as_json(execution: Any) -> dict[str, Any]:
    """A dataclass as the JSON that is sent."""
    value: dict[str, Any] = dataclasses.asdict(execution)
    return value


def adopted(handle: WorkflowHandle[Any, Any]) -> str:
    """Id of the operation that the plugin makes of this workflow."""
    assert handle.first_execution_run_id is not None
    return adopted_operation_id("default", handle.id, handle.first_execution_run_id)


def plugin_for(transport: str, api: LedgerApi, **options: Any) -> OpledgerPlugin:
    """The plugin with or without a URL."""
    if transport == "http":
        options = {"url": api.url, "api_key": KEY, **options}
    if transport == "local":
        options.setdefault("ledger_task_queue", "own-ledger")
    return OpledgerPlugin(**options)


@contextlib.asynccontextmanager
async def team(
    client: Client,
    transport: str,
    api: LedgerApi,
    ledger: RecordingLedger,
    plugin: OpledgerPlugin | None = None,
    **options: Any,
) -> AsyncIterator[Team]:
    """Runs a worker with the plugin; without it if the transport is `NO_PLUGIN`. `options`: of the worker."""
    own = [] if transport == NO_PLUGIN else [plugin or plugin_for(transport, api)]
    queue = options.pop("queue", None) or ("own-ledger" if transport == "local" else f"team-{uuid4()}")
    options.setdefault("workflows", PLAIN)
    activities = [*options.pop("activities", PLAIN_ACTIVITIES)]
    if transport == "local":
        activities.append(ledger.update_operation_status)
    plugins = [*options.pop("plugins", []), *own]
    async with Worker(client, task_queue=queue, activities=activities, plugins=plugins, **options):
        yield Team(client, queue, transport, api, ledger)
