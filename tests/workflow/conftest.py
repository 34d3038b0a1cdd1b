"""Fixtures: the ledger's worker, a team's worker without the ledger's activity, and starts of tracked workflows."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from temporalio.api.enums.v1 import WorkflowTaskFailedCause
from temporalio.client import Client, WorkflowHandle
from temporalio.common import SearchAttributePair, TypedSearchAttributes
from temporalio.worker import Worker
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from opledger import LEDGER_TASK_QUEUE, MEMO, OPERATION_UUID, OutcomeReports
from opledger._http import outage
from opledger._plugin import start_recorder
from opledger._tracking import transport
from tests.workflow.ending import ENDING
from tests.workflow.ledger import RecordingLedger
from tests.workflow.reporting import REPORTING
from tests.workflow.workflows import ACTIVITIES, WORKFLOWS

UNHANDLED_COMMAND = WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_UNHANDLED_COMMAND
REMOTE_QUEUE = "another-team"
HEARTBEATS = timedelta(milliseconds=200)
"""Interval of heartbeats to the server, which is also the delay until an activity learns of its cancellation."""


@pytest.fixture(autouse=True)
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Longer timeouts of calls over HTTP, for a busy machine. Tests of a ledger that hangs set their own."""
    monkeypatch.setattr(start_recorder, "START_TIMEOUT", 30.0)
    monkeypatch.setattr(outage, "HOLD", 8.0)
    monkeypatch.setattr(transport, "_HELD_TIMEOUT", timedelta(seconds=9))
    # An attempt of a local report gets 0.15 of it.
    monkeypatch.setattr(transport, "_BRIEF_TIMEOUT", timedelta(seconds=5))


@pytest.fixture(scope="session")
async def ledger(temporal_client: Client) -> AsyncIterator[RecordingLedger]:
    """The ledger that both workers report to."""
    recording = RecordingLedger()
    own = Worker(
        temporal_client,
        task_queue=LEDGER_TASK_QUEUE,
        # As the ledger's own worker has it; also, a module of the sandbox's own would not be what a test has patched.
        workflow_runner=SandboxedWorkflowRunner(
            restrictions=SandboxRestrictions.default.with_passthrough_modules("opledger")
        ),
        workflows=[*WORKFLOWS, *ENDING, *REPORTING],
        activities=[*ACTIVITIES, recording.update_operation_status],
        max_heartbeat_throttle_interval=HEARTBEATS,
    )
    other = Worker(
        temporal_client,
        task_queue=REMOTE_QUEUE,
        workflows=[*WORKFLOWS, *ENDING, *REPORTING],
        activities=ACTIVITIES,
        max_heartbeat_throttle_interval=HEARTBEATS,
    )
    async with own, other:
        yield recording


@pytest.fixture(params=[LEDGER_TASK_QUEUE, REMOTE_QUEUE], ids=["local", "remote"])
def queue(request: pytest.FixtureRequest) -> str:
    """Task queue of the workflow: of the ledger's worker, or of a team's worker."""
    value: str = request.param
    return value


class Starter:
    """Starts workflows as the ledger does: with the operation's id as workflow id and search attribute, and with the
    rule for outcome reports in the memo."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self._started: list[WorkflowHandle[Any, Any]] = []

    async def __call__(
        self,
        run: Any,
        *args: Any,
        queue: str = REMOTE_QUEUE,
        rule: OutcomeReports | None = OutcomeReports.WHEN_SAFE,
        **options: Any,
    ) -> WorkflowHandle[Any, Any]:
        """Starts a workflow by its run method or name. `rule`: None for a start without the memo."""
        operation_id = options.pop("id", None) or str(uuid4())
        attributes = TypedSearchAttributes([SearchAttributePair(OPERATION_UUID, operation_id)])
        options.setdefault("search_attributes", attributes)
        if rule is not None:
            options.setdefault("memo", {MEMO: {"report_outcome": rule.value}})
        options |= {"args": args, "id": operation_id, "task_queue": queue}
        handle: WorkflowHandle[Any, Any] = await self.client.start_workflow(run, **options)
        self._started.append(handle)
        return handle

    async def names(self) -> set[str]:
        """Workflow ids of all that were started, and ids of their first and latest runs: log lines name one of them."""
        found: set[str] = set()
        for handle in self._started:
            latest = (await self.client.get_workflow_handle(handle.id).describe()).run_id
            found |= {handle.id, handle.first_execution_run_id or latest, latest}
        return found

    async def event_types(self, handle: WorkflowHandle[Any, Any]) -> list[str]:
        """The types of the events in the latest run's history."""
        latest = self.client.get_workflow_handle(handle.id)
        return [event.WhichOneof("attributes") or "" async for event in latest.fetch_history_events()]

    async def task_failures(self, handle: WorkflowHandle[Any, Any]) -> list[str]:
        """Messages of the workflow tasks that failed, except a refused close (UnhandledCommand)."""
        failures = []
        async for event in self.client.get_workflow_handle(handle.id).fetch_history_events():
            failed = event.workflow_task_failed_event_attributes
            if event.HasField("workflow_task_failed_event_attributes") and failed.cause != UNHANDLED_COMMAND:
                failures.append(failed.failure.message or WorkflowTaskFailedCause.Name(failed.cause))
        return failures

    async def task_problems(self, handle: WorkflowHandle[Any, Any]) -> list[str]:
        """Failures and timeouts of workflow tasks. For a workflow whose worker stays: a task that a stopping worker has
        been given times out, and no test is at fault."""
        timeouts = (await self.event_types(handle)).count("workflow_task_timed_out_event_attributes")
        return await self.task_failures(handle) + ["timed out"] * timeouts

    async def until_event(self, handle: WorkflowHandle[Any, Any], name: str, *, within: float = 60) -> None:
        """Waits until an event of this type is in the history.

        Raises:
            TimeoutError: no such event within the time, in seconds.
        """
        async with asyncio.timeout(within):
            while f"{name}_event_attributes" not in await self.event_types(handle):  # noqa: ASYNC110
                await asyncio.sleep(0.05)


@pytest.fixture
async def start(temporal_client: Client, ledger: RecordingLedger) -> Starter:
    """Starts workflows; the workers are running."""
    return Starter(temporal_client)
